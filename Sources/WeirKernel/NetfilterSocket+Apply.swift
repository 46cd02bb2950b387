// SPDX-License-Identifier: GPL-3.0-or-later
//
// Commits a delta: one batch, sent with one system call, so that a process that dies at any
// moment leaves either all of it or nothing. An answer of success says nothing until the whole
// batch is answered, and lost answers are no verdict: then the kernel is asked what it holds.

import CNetfilter
import Glibc
import WeirRuleset

extension NetfilterSocket {
    /// Commits a delta.
    /// - Parameters:
    ///   - expectedGeneration: the generation the delta was computed against.
    ///   - nowMilliseconds: since 1970-01-01; elements get what is left of their time then.
    /// - Returns: the generation afterwards, unless somebody else commits.
    /// - Throws: ``KernelError`` with the operation and the policy at fault; unless its reason is
    ///   `answersLost` with `committed` true or nil, nothing was changed.
    @discardableResult
    public mutating func apply(
        _ delta: Delta, expectedGeneration: UInt32,
        nowMilliseconds: Int64 = currentTimeMilliseconds()
    ) throws(KernelError) -> UInt32 {
        guard !delta.isEmpty else { return expectedGeneration }
        let generation = try commit(
            delta, expectedGeneration: expectedGeneration, nowMilliseconds: nowMilliseconds)
        guard let rest = delta.afterwards else { return generation }
        // Packets take microseconds, and a millisecond for each cap over thousands of connections.
        usleep(5000)
        // If it fails the kernel does the same within a second.
        let after = try? commit(
            rest, expectedGeneration: generation, nowMilliseconds: nowMilliseconds)
        return after ?? generation
    }

    private mutating func commit(
        _ delta: Delta, expectedGeneration: UInt32, nowMilliseconds: Int64
    ) throws(KernelError) -> UInt32 {
        let first = takeSequences(0)
        let batch = SealedBatch(
            delta, generation: expectedGeneration, nowMilliseconds: nowMilliseconds,
            firstSequence: first)
        _ = takeSequences(batch.messages.count + 2)
        return try commit(batch, expectedGeneration: expectedGeneration)
    }

    private mutating func commit(
        _ batch: SealedBatch, expectedGeneration: UInt32
    ) throws(KernelError) -> UInt32 {
        let what = "commit the ruleset"
        try send(batch.bytes, operation: what)
        var failure: KernelError?
        var isAnswered = false
        var isOverrun = false
        var hasMore = true
        // The kernel has worked the batch off when sending returns; its answers are queued.
        while hasMore {
            do throws(KernelError) {
                hasMore = try receive(waits: false, operation: what) { message, bytes in
                    guard Int32(message.type) == NLMSG_ERROR,
                        message.sequence &- batch.firstSequence <= UInt32(batch.messages.count) + 1
                    else { return }
                    let code = -message.errorCode(in: bytes)
                    if code == 0 {
                        isAnswered = isAnswered || message.sequence == batch.lastSequence
                    } else if failure == nil {
                        failure = batch.error(
                            code: code, sequence: message.sequence,
                            attributeOffset: message.errorOffset(in: bytes))
                    }
                }
            } catch {
                guard error.code == ENOBUFS else { throw error }
                isOverrun = true
            }
        }
        if let failure { throw failure }
        if isAnswered && !isOverrun { return expectedGeneration.nextGeneration }
        return try verify(batch.delta, expectedGeneration: expectedGeneration)
    }

    /// Asks the kernel what came of a batch whose answers were lost.
    private mutating func verify(
        _ delta: Delta, expectedGeneration: UInt32
    ) throws(KernelError) -> UInt32 {
        let lost = { (committed: Bool?) in
            KernelError(
                .answersLost(committed: committed), code: ENOBUFS, operation: "commit the ruleset")
        }
        let generation: UInt32
        let revision: Revision?
        do throws(KernelError) {
            generation = try self.generation()
            if generation == expectedGeneration { throw lost(false) }
            revision = try readRevision(family: delta.family, table: delta.table)
        } catch {
            if case .answersLost = error.reason { throw error }
            throw lost(nil)
        }
        // Only a revision that the batch itself writes tells its commit from another's.
        guard delta.writesRevision else { throw lost(nil) }
        guard revision == delta.revision else { throw lost(false) }
        return generation
    }
}

extension UInt32 {
    /// The kernel counts on and leaves out 0.
    fileprivate var nextGeneration: UInt32 { self == .max ? 1 : self + 1 }
}

extension Delta {
    fileprivate var writesRevision: Bool {
        operations.contains { operation in
            switch operation.kind {
            case .deleteTable: true
            case .addElements(_, Revision.setName, _): true
            default: false
            }
        }
    }
}

extension SealedBatch {
    /// Says of an error which operation it was and which policy it came from.
    func error(code: Int32, sequence: UInt32, attributeOffset: Int?) -> KernelError {
        let index = Int(sequence &- firstSequence) - 1
        guard messages.indices.contains(index) else {
            return KernelError(code: code, operation: "commit the ruleset")
        }
        let message = messages[index]
        let operation = delta.operations[message.operation]
        var what = operation.kind.text
        var origin = operation.origin
        if let (elements, set) = operation.kind.elements {
            let place = attributeOffset.flatMap {
                elementIndex(in: message, set, elements, attributeOffset: $0)
            }
            if let place {
                let element = elements[place]
                what = operation.kind.text(ofElement: set.keyText(element.key))
                origin = element.element.origin
            }
            // An element can expire between planning and committing.
            let expires = set.flags.contains(.timeout)
            if expires && (code == ENOENT || code == EEXIST) {
                return KernelError(.lostRace, code: code, operation: what, origin: origin)
            }
        }
        if case .createTable = operation.kind, code == EEXIST {
            return KernelError(.lostRace, code: code, operation: what)
        }
        return KernelError(code: code, operation: what, origin: origin)
    }

    /// Which element the attribute at an offset in a message belongs to.
    private func elementIndex(
        in message: Message, _ set: NamedSet, _ elements: [Delta.KeyedElement],
        attributeOffset: Int
    ) -> Int? {
        let bytes = bytes.span
        var messages = MessageCursor(from: message.offset, to: bytes.count)
        guard let header = messages.next(in: bytes),
            let list = header.attributes.first(NFTA_SET_ELEM_LIST_ELEMENTS, in: bytes)
        else { return nil }
        let encoder = ElementEncoder(set, nowMilliseconds: 0)
        let wanted = message.offset + attributeOffset
        var index = message.firstElement
        var cursor = list.nested
        while index < elements.count {
            for _ in 0..<encoder.attributeCount(elements[index].key) {
                guard let attribute = cursor.next(in: bytes) else { return nil }
                if attribute.value.upperBound > wanted { return index }
            }
            index += 1
        }
        return nil
    }
}

extension Delta.Kind {
    fileprivate var elements: ([Delta.KeyedElement], NamedSet)? {
        switch self {
        case .addElements(let elements, _, let set), .deleteElements(let elements, _, let set):
            (elements, set)
        default: nil
        }
    }

    /// In a few words, in the imperative.
    var text: String {
        switch self {
        case .createTable: "create the table"
        case .deleteTable: "delete the table"
        case .flushChain(let name): "delete the rules of chain `\(name)`"
        case .deleteElements(_, let set, _): "delete elements of set `\(set)`"
        case .deleteSet(let name): "delete set `\(name)`"
        case .deleteObject(let name, _): "delete object `\(name)`"
        case .deleteChain(let name): "delete chain `\(name)`"
        case .addObject(let name, let object): "add \(object.objectKind.rawValue) `\(name)`"
        case .addSet(let name, _): "add set `\(name)`"
        case .addChain(let name, _): "add chain `\(name)`"
        case .addElements(_, let set, _): "add elements to set `\(set)`"
        case .addRule(let rule, let chain): "add rule `\(rule.nftText())` to chain `\(chain)`"
        }
    }

    fileprivate func text(ofElement key: String) -> String {
        switch self {
        case .addElements(_, let set, _): "add element `\(key)` to set `\(set)`"
        case .deleteElements(_, let set, _): "delete element `\(key)` of set `\(set)`"
        default: text
        }
    }
}

/// Milliseconds since 1970-01-01 by the machine's clock.
public func currentTimeMilliseconds() -> Int64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}
