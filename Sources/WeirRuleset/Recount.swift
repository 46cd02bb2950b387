// SPDX-License-Identifier: GPL-3.0-or-later
//
// A new cap, or one that counts something else from now on, has to count the connections that are
// there already. The kernel adds a connection to a count only while it is being set up, so each is
// stood in for by another entry of conntrack, its shadow, that exists in a zone of its own and was
// never set up. A small packet to loopback, marked and with the cap's number as its priority, leads
// the shadow through the cap. All this happens in the table before the commit that makes the cap
// count: what leads there is here, the packets are the kernel target's.

public import WeirModel

/// A cap, or the part of one that some reservations keep out.
public struct LoweredCap: Sendable {
    /// What the packets that it covers lead to.
    public let number: UInt32
    public internal(set) var policy: PolicyID
    /// As the policy's comments say it.
    public let policyName: String
    /// `cap1`, `cap1.without1`
    public let part: String
    public let connections: UInt32
    public let scope: CountingScope
    /// The flows, over the classes of the set table that it was compiled with.
    public let boxes: [Box]
    let keyed: KeyedKind?
}

/// How packets for counting are recognised, and where shadows stand.
public enum Recounting {
    /// Conntrack zones of shadows. Caps have theirs by their number, so that a cap that changes
    /// finds no shadows of earlier ones: looking past those would take as long as there are many.
    public static let zones: ClosedRange<UInt16> = 0xF800...0xFBFF

    /// The zone of a cap's shadows.
    public static func zone(number: UInt32) -> UInt16 {
        zones.lowerBound + UInt16(number % UInt32(zones.count))
    }

    /// The packet mark of those that lead there.
    public static func mark(zone: UInt16) -> UInt32 { firstMark + UInt32(zone - zones.lowerBound) }

    /// "we" and a number.
    private static let firstMark: UInt32 = 0x7765_0000
    static let marks = firstMark...firstMark + UInt32(zones.count - 1)
    public static let entryChain = "recount"
    static let countChain = "recounted"
}

/// What a commit's new caps need before they can count what exists.
public struct Recount: Sendable {
    /// Makes their elements, and the chains that lead packets to them.
    public let before: Delta
    /// Takes that away again, for a commit that did not happen.
    public let undo: Delta
    /// The table after `before`.
    public let prepared: KernelTable
    /// The chains among that; the last connections are counted when the commit is made.
    public let chains: [String: Chain]
}

extension LoweredProgram {
    /// The caps that have counted nothing when this program is in force: new ones, and those that
    /// mean something else than before. Not those whose whole set must be replaced; of these a
    /// delta says that they restart.
    public func freshCaps(since kernel: KernelTable?) -> [LoweredCap] {
        caps.filter { cap in
            guard let keyed = cap.keyed else {
                guard isPreparable(ProgramName.caps, kernel) else { return false }
                let held = kernel?.sets[ProgramName.caps]
                return held?.elements[ElementKey(UInt128(cap.number))] == nil
            }
            guard keyed.dynamicSets.allSatisfy({ isPreparable($0, kernel) }) else { return false }
            let key = ElementKey(UInt128(cap.number))
            return kernel?.sets[keyed.name]?.elements[key] == nil
                || keyed.dynamicSets.contains { kernel?.sets[$0] == nil }
        }
    }

    /// Whether a set can be there before the commit: it is already, or nothing stands in its way.
    private func isPreparable(_ name: String, _ kernel: KernelTable?) -> Bool {
        guard let kernel, let held = kernel.sets[name] else {
            return kernel?.foreignSets.contains(name) != true
        }
        return !kernel.foreignSets.contains(name)
            && ruleset.sets[name]?.sameDefinition(as: held) == true
    }

    /// The steps before a commit in which these fresh caps count what exists.
    public func recount(_ fresh: [LoweredCap], kernel: KernelTable?) -> Recount {
        var builder = RecountBuilder(ruleset, kernel)
        builder.add(fresh)
        return builder.recount
    }
}

extension KernelTable {
    /// What a commit that died while its caps counted left behind, if one did: the way there, and
    /// caps that no packet leads to yet. (They may have counted some of what exists, or all; so they
    /// go, and are counted anew.)
    /// - Returns: what takes it away, and the numbers of such caps.
    public func takingLeftovers() -> (delta: Delta, numbers: [UInt32])? {
        let ways = [Recounting.entryChain, Recounting.countChain].filter { chains[$0] != nil }
        guard !ways.isEmpty else { return nil }
        var delta = Delta(family: family, table: name, revision: revision)
        delta.operations =
            ways.map { .init(.flushChain($0)) } + ways.map { .init(.deleteChain($0)) }
        var used: Set<UInt32> = []
        for (name, set) in sets where name.hasPrefix(ProgramName.capStage) {
            for case .number(let number) in set.elements.values.map(\.value) {
                used.insert(number)
            }
        }
        var numbers: [UInt32] = []
        for (name, set) in sets.sorted(by: { $0.key < $1.key })
        where set.key == [.classid] && set.kind == .set {
            let unused = set.elements.filter { key, element in
                CapFingerprint.digits(in: element.comment) != nil
                    && !used.contains(UInt32(truncatingIfNeeded: key.first))
            }
            guard !unused.isEmpty else { continue }
            numbers += unused.keys.map { UInt32(truncatingIfNeeded: $0.first) }
            let elements = unused.map { Delta.KeyedElement($0.key, $0.value) }
                .sorted { $0.key < $1.key }
            delta.operations.append(
                .init(.deleteElements(elements, set: name, set.definition)))
        }
        return (delta, numbers)
    }
}

extension KeyedKind {
    var dynamicSets: [String] { ["\(name).4", "\(name).6"] }
}

private struct RecountBuilder {
    private let wanted: Ruleset
    private var prepared: KernelTable
    private var before: Delta
    private var undo: Delta
    private var undoings: [Delta.Operation] = []
    private var chains: [String: Chain] = [:]

    init(_ wanted: Ruleset, _ kernel: KernelTable?) {
        self.wanted = wanted
        prepared = kernel ?? KernelTable(family: wanted.family, name: wanted.name)
        before = Delta(family: wanted.family, table: wanted.name)
        undo = before
        before.revision = kernel?.revision ?? Revision()
        undo.revision = before.revision
        // Rules compare what they look up in network order where the set has intervals; none has.
        if kernel == nil {
            before.operations.append(.init(.createTable(comment: Ruleset.tableComment)))
            undoings.append(.init(.deleteTable))
        }
    }

    var recount: Recount {
        var undo = undo
        // Without a table before, all there is to undo is the table.
        undo.operations =
            undoings.first?.kind == .deleteTable ? [undoings[0]] : undoings.reversed()
        return Recount(before: before, undo: undo, prepared: prepared, chains: chains)
    }

    mutating func add(_ fresh: [LoweredCap]) {
        let totals = fresh.filter { $0.keyed == nil }
        let keyed = fresh.filter { $0.keyed != nil }
        if !totals.isEmpty { addSet(ProgramName.caps) }
        for name in Set(keyed.flatMap { $0.keyed?.dynamicSets ?? [] }).sorted() { addSet(name) }
        addElements(totals)
        var rules = Set(fresh.map { Recounting.zone(number: $0.number) }).sorted().map {
            Rule([.equals(.mark, Recounting.mark(zone: $0)), .setConnectionZone($0)])
        }
        if !totals.isEmpty {
            rules.append(
                Rule([.lookup([.priority], set: ProgramName.caps), .verdict(.drop)]))
        }
        for cap in keyed { rules += Self.rules(cap) }
        rules.append(Rule([.verdict(.drop)]))
        addChain(Recounting.countChain, Chain(rules: rules))
        addChain(
            Recounting.entryChain,
            Chain(
                hook: Chain.Hook(point: .prerouting, priority: -500),
                rules: [
                    Rule(
                        [
                            .inputInterface("lo"),
                            .inRange(
                                .mark, Recounting.marks.lowerBound, Recounting.marks.upperBound),
                            .verdict(.goto(Recounting.countChain)),
                        ], comment: "weir counts what exists")
                ]))
    }

    private static func rules(_ cap: LoweredCap) -> [Rule] {
        guard let kind = cap.keyed else { return [] }
        return [(NetworkFamily.ipv4, "4"), (.ipv6, "6")].map { family, suffix in
            Rule([
                .equals(.priority, cap.number), .networkFamily(family),
                .learnConnectionCount(
                    [.priority] + kind.selectors(family, .original), cap.connections,
                    set: "\(kind.name).\(suffix)"),
                .verdict(.drop),
            ])
        }
    }

    private mutating func addSet(_ name: String) {
        guard prepared.sets[name] == nil, let set = wanted.sets[name] else { return }
        before.operations.append(.init(.addSet(name, set.definition)))
        undoings.append(.init(.deleteSet(name)))
        var held = set.asHeld
        held.elements = [:]
        prepared.sets[name] = held
    }

    private mutating func addElements(_ caps: [LoweredCap]) {
        guard let set = wanted.sets[ProgramName.caps] else { return }
        let elements = caps.compactMap { cap -> Delta.KeyedElement? in
            let key = ElementKey(UInt128(cap.number))
            return set.elements[key].map { .init(key, $0) }
        }.sorted { $0.key < $1.key }
        guard !elements.isEmpty else { return }
        let definition = set.definition
        before.operations.append(
            .init(.addElements(elements, set: ProgramName.caps, definition)))
        undoings.append(.init(.deleteElements(elements, set: ProgramName.caps, definition)))
        for item in elements {
            prepared.sets[ProgramName.caps]?.elements[item.key] = item.element
        }
    }

    private mutating func addChain(_ name: String, _ chain: Chain) {
        before.operations.append(.init(.addChain(name, chain.hook)))
        for rule in chain.rules { before.operations.append(.init(.addRule(rule, chain: name))) }
        undoings.append(.init(.deleteChain(name)))
        undoings.append(.init(.flushChain(name)))
        chains[name] = chain
        prepared.chains[name] = KernelChain(
            hook: chain.hook, rules: chain.fingerprints(family: wanted.family))
    }
}
