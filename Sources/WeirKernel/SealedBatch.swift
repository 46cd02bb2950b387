// SPDX-License-Identifier: GPL-3.0-or-later
//
// A delta as one netlink batch: the kernel takes all of it or nothing. The batch remembers which
// message came from which operation, since an error names nothing but a sequence number.

import CNetfilter
import WeirRuleset

/// A transaction ready to be sent.
public struct SealedBatch: Sendable {
    /// From NFNL_MSG_BATCH_BEGIN to NFNL_MSG_BATCH_END.
    public let bytes: [UInt8]
    let firstSequence: UInt32
    let messages: [Message]
    let delta: Delta

    /// Where a message came from and where it is.
    struct Message {
        var operation: Int
        /// In an operation on elements, the message's first one.
        var firstElement: Int
        /// Of the message in the batch.
        var offset: Int
    }

    /// Encodes a delta.
    /// - Parameters:
    ///   - generation: the ruleset's generation that the delta was computed against; the kernel
    ///     refuses the batch if it is another one by then.
    ///   - nowMilliseconds: since 1970-01-01, for the time that elements have left.
    public init(
        _ delta: Delta, generation: UInt32, nowMilliseconds: Int64, firstSequence: UInt32 = 1
    ) {
        var encoder = BatchEncoder(
            delta: delta, sequence: firstSequence, nowMilliseconds: nowMilliseconds)
        encoder.encode(generation: generation)
        self.bytes = encoder.writer.bytes
        self.firstSequence = firstSequence
        self.messages = encoder.messages
        self.delta = delta
    }

    /// The sequence number of the message whose answer is asked for: the last but the end.
    var lastSequence: UInt32 { firstSequence + UInt32(messages.count) }
}

private struct BatchEncoder {
    let delta: Delta
    var sequence: UInt32
    let nowMilliseconds: Int64
    var writer = NetlinkWriter()
    var messages: [SealedBatch.Message] = []
    private var operation = 0
    private let family: UInt8

    /// A nested attribute is at most 65,535 bytes; no element is longer than 4 kB.
    private static let chunkBytes = 60_000

    init(delta: Delta, sequence: UInt32, nowMilliseconds: Int64) {
        self.delta = delta
        self.sequence = sequence
        self.nowMilliseconds = nowMilliseconds
        self.family = delta.family.kernelNumber
    }

    mutating func encode(generation: UInt32) {
        let tables = UInt16(NFNL_SUBSYS_NFTABLES)
        writer.reserve(estimatedBytes)
        writer.beginMessage(
            type: UInt16(NFNL_MSG_BATCH_BEGIN), flags: UInt16(NLM_F_REQUEST), sequence: sequence,
            family: UInt8(AF_UNSPEC), resource: tables)
        writer.put(NFNL_BATCH_GENID, number: generation)
        writer.endMessage()
        let last = delta.operations.indices.last
        for index in delta.operations.indices {
            operation = index
            encode(delta.operations[index].kind, isLast: index == last)
        }
        writer.beginMessage(
            type: UInt16(NFNL_MSG_BATCH_END), flags: UInt16(NLM_F_REQUEST),
            sequence: sequence + 1, family: UInt8(AF_UNSPEC), resource: tables)
        writer.endMessage()
    }

    /// Elements of weir's take some 60 bytes, and as much again with a comment.
    private var estimatedBytes: Int {
        delta.operations.reduce(4096) { sum, operation in
            switch operation.kind {
            case .addElements(let elements, _, _): sum + elements.count * 96 + 256
            case .deleteElements(let elements, _, _): sum + elements.count * 40 + 256
            default: sum + 512
            }
        }
    }

    private mutating func encode(_ kind: Delta.Kind, isLast: Bool) {
        switch kind {
        case .createTable(let comment):
            message(NFT_MSG_NEWTABLE, creating, isLast) { writer, delta in
                var data: [UInt8] = []
                data.appendUserData(0, text: comment)
                writer.put(NFTA_TABLE_NAME, delta.table)
                writer.put(NFTA_TABLE_FLAGS, number: UInt32(0))
                writer.put(NFTA_TABLE_USERDATA, bytes: data)
            }
        case .deleteTable:
            message(NFT_MSG_DELTABLE, [], isLast) { $0.put(NFTA_TABLE_NAME, $1.table) }
        case .flushChain(let name):
            message(NFT_MSG_DELRULE, [], isLast) {
                $0.put(NFTA_RULE_TABLE, $1.table)
                $0.put(NFTA_RULE_CHAIN, name)
            }
        case .deleteElements(let elements, let set, let definition):
            encode(elements, of: set, definition, isLast, deletes: true)
        case .addElements(let elements, let set, let definition):
            encode(elements, of: set, definition, isLast, deletes: false)
        case .deleteSet(let name):
            message(NFT_MSG_DELSET, [], isLast) {
                $0.put(NFTA_SET_TABLE, $1.table)
                $0.put(NFTA_SET_NAME, name)
            }
        case .deleteObject(let name, let type):
            message(NFT_MSG_DELOBJ, [], isLast) {
                $0.put(NFTA_OBJ_TABLE, $1.table)
                $0.put(NFTA_OBJ_NAME, name)
                $0.put(NFTA_OBJ_TYPE, number: type)
            }
        case .deleteChain(let name):
            message(NFT_MSG_DELCHAIN, [], isLast) {
                $0.put(NFTA_CHAIN_TABLE, $1.table)
                $0.put(NFTA_CHAIN_NAME, name)
            }
        case .addObject(let name, let object):
            message(NFT_MSG_NEWOBJ, creating, isLast) {
                $0.object(object, named: name, table: $1.table)
            }
        case .addSet(let name, let set):
            // The kernel wants an id, unique in the batch, though names would do.
            let id = sequence + 1
            message(NFT_MSG_NEWSET, creating, isLast) {
                $0.set(set, named: name, table: $1.table, id: id)
            }
        case .addChain(let name, let hook):
            message(NFT_MSG_NEWCHAIN, creating, isLast) {
                $0.chain(name, hook, table: $1.table)
            }
        case .addRule(let rule, let chain):
            message(NFT_MSG_NEWRULE, [NLM_F_CREATE, NLM_F_APPEND], isLast) {
                $0.rule(rule, chain: chain, of: $1)
            }
        }
    }

    private var creating: [Int32] { [NLM_F_CREATE, NLM_F_EXCL] }

    private mutating func begin(
        _ type: nf_tables_msg_types, _ flags: [Int32], firstElement: Int = 0
    ) {
        sequence += 1
        messages.append(
            .init(operation: operation, firstElement: firstElement, offset: writer.count))
        writer.beginMessage(
            type: messageType(NFNL_SUBSYS_NFTABLES, type.rawValue),
            flags: UInt16(flags.reduce(NLM_F_REQUEST, |)), sequence: sequence, family: family)
    }

    /// Only the last message asks for an answer: one for each would overrun the socket.
    private mutating func message(
        _ type: nf_tables_msg_types, _ flags: [Int32], _ isLast: Bool,
        _ attributes: (inout NetlinkWriter, Delta) -> Void
    ) {
        begin(type, isLast ? flags + [NLM_F_ACK] : flags)
        attributes(&writer, delta)
        writer.endMessage()
    }

    private mutating func encode(
        _ elements: [Delta.KeyedElement], of set: String, _ definition: NamedSet,
        _ isLast: Bool, deletes: Bool
    ) {
        let encoder = ElementEncoder(definition, nowMilliseconds: nowMilliseconds)
        let type = deletes ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM
        var index = 0
        while index < elements.count {
            begin(type, deletes ? [] : creating, firstElement: index)
            let offset = messages[messages.count - 1].offset
            writer.put(NFTA_SET_ELEM_LIST_TABLE, delta.table)
            writer.put(NFTA_SET_ELEM_LIST_SET, set)
            let list = writer.beginNest(NFTA_SET_ELEM_LIST_ELEMENTS)
            while index < elements.count, writer.count - list < Self.chunkBytes {
                let element = elements[index]
                if deletes {
                    encoder.name(element.key, in: &writer)
                } else {
                    encoder.add(element.key, element.element, to: &writer)
                }
                index += 1
            }
            writer.endAttribute(list)
            if isLast && index == elements.count { writer.requestAnswer(ofMessageAt: offset) }
            writer.endMessage()
        }
    }
}

extension NetlinkWriter {
    fileprivate mutating func object(_ object: NamedObject, named name: String, table: String) {
        put(NFTA_OBJ_TABLE, table)
        put(NFTA_OBJ_NAME, name)
        put(NFTA_OBJ_TYPE, number: object.objectKind.kernelType)
        if !object.comment.isEmpty {
            var data: [UInt8] = []
            data.appendUserData(0, text: object.comment)
            put(NFTA_OBJ_USERDATA, bytes: data)
        }
        nest(NFTA_OBJ_DATA) { writer in
            switch object.kind {
            case .counter:
                writer.put(NFTA_COUNTER_BYTES, number: UInt64(0))
                writer.put(NFTA_COUNTER_PACKETS, number: UInt64(0))
            case .limit(let limit): writer.limitAttributes(limit)
            }
        }
    }

    fileprivate mutating func chain(_ name: String, _ hook: Chain.Hook?, table: String) {
        put(NFTA_CHAIN_TABLE, table)
        put(NFTA_CHAIN_NAME, name)
        guard let hook else { return }
        put(NFTA_CHAIN_TYPE, "filter")
        put(NFTA_CHAIN_POLICY, number: UInt32(NF_ACCEPT))
        nest(NFTA_CHAIN_HOOK) {
            $0.put(NFTA_HOOK_HOOKNUM, number: hook.point.kernelNumber)
            $0.put(NFTA_HOOK_PRIORITY, number: UInt32(bitPattern: hook.priority))
        }
    }

    fileprivate mutating func rule(_ rule: Rule, chain: String, of delta: Delta) {
        put(NFTA_RULE_TABLE, delta.table)
        put(NFTA_RULE_CHAIN, chain)
        nest(NFTA_RULE_EXPRESSIONS) {
            RuleEncoder.encode(
                rule, family: delta.family, intervalSets: delta.intervalSets, into: &$0)
        }
        put(NFTA_RULE_USERDATA, bytes: rule.userData(family: delta.family))
    }
}

/// Our own attribute of a rule's user data: its fingerprint. nft skips what it does not know.
let fingerprintUserData: UInt8 = 0x77

extension Rule {
    /// The comment as nft keeps it, then the fingerprint, most significant byte first.
    func userData(family: TableFamily) -> [UInt8] {
        var data: [UInt8] = []
        if !comment.isEmpty { data.appendUserData(0, text: comment) }
        let fingerprint = fingerprint(family: family)
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: fingerprint >> UInt64(56 - 8 * $0)) }
        data.appendUserData(fingerprintUserData, bytes)
        return data
    }
}

extension TableFamily {
    /// NFPROTO_*
    var kernelNumber: UInt8 {
        switch self {
        case .inet: 1
        case .netdev: 5
        case .bridge: 7
        }
    }
}

extension Chain.Hook.Point {
    /// NF_INET_*, and NF_BR_* alike
    var kernelNumber: UInt32 {
        switch self {
        case .prerouting: 0
        case .input: 1
        case .forward: 2
        case .output: 3
        case .postrouting: 4
        }
    }

    init?(kernelNumber: UInt32) {
        let all: [Chain.Hook.Point] = [.prerouting, .input, .forward, .output, .postrouting]
        guard kernelNumber < UInt32(all.count) else { return nil }
        self = all[Int(kernelNumber)]
    }
}
