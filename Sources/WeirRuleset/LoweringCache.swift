// SPDX-License-Identifier: GPL-3.0-or-later
//
// What one compilation leaves to the next: the address classes, and every stage whose entries did
// not change. An edit then costs what its own stages cost, not what the landscape costs. Whatever
// is found here is what would have been computed; tests hold one against the other.

public import WeirModel

/// Parts of compilations that may be used again. Belongs to one kernel table.
public struct LoweringCache: Sendable {
    private var literals: Set<AddressRange> = []
    private var landscape: Landscape?
    private var vantage: Vantage?
    private var table: SetTable?
    private var records = PolicyRecords()
    private var fingerprint = CapFingerprint()
    private var spaces: [String: (used: [SetID], classes: StageClasses)] = [:]
    private var stages: [String: (key: StageKey, stage: CompiledStage)] = [:]
    private var slots: [String: SlotMemory] = [:]
    private var memory = LoweringMemory()
    private var versions = 0

    public init() {}

    /// The set table and the records of a policy set. The table is the same one while endpoints,
    /// zones and the ranges that policies name stay the same; then records are taken over from the
    /// last compilation, except those of policies that do something else now.
    mutating func prepare(
        _ policySet: PolicySet, _ vantage: Vantage
    ) -> (SetTable, [PolicyRecord]) {
        var known = records.matching(policySet)
        var ranges = policySet.assertedRanges
        for (index, record) in known.enumerated() {
            let own = record?.literals ?? policySet.policies[index].literalRanges
            if !own.isEmpty { ranges.formUnion(own) }
        }
        if table == nil || literals != ranges || self.vantage != vantage
            || landscape != policySet.landscape
        {
            self = LoweringCache()
            (literals, landscape, self.vantage) = (ranges, policySet.landscape, vantage)
            table = SetTable(landscape: policySet.landscape, literals: ranges)
            known = known.map { _ in nil }
        }
        guard var table else { preconditionFailure("made above") }
        self.table = nil
        var own: Bitset?
        if case .host(let addresses) = vantage {
            own = Bitset(
                capacity: table.classes.count, addresses.map { table.classes.classIndex(of: $0) })
        }
        let made = known.indices.map { index -> PolicyRecord in
            if let record = known[index] { return record }
            let policy = policySet.policies[index]
            return PolicyRecord(
                policy, layerName: policySet.layers[policy.layer].name, table: &table,
                fingerprint: &fingerprint, concerns: own)
        }
        records.keep(made, policySet)
        return (table, made)
    }

    /// What the last compilation gave out, for its only user to change.
    mutating func takeMemory(for previous: KernelTable?) -> LoweringMemory {
        let known = memory.applying(to: previous)
        memory = LoweringMemory()
        return known
    }

    mutating func keep(_ memory: LoweringMemory) { self.memory = memory }

    /// The slots of a kind as the last compilation left them, for its only user to change.
    mutating func takeSlots(_ kind: String) -> SlotMemory {
        slots.removeValue(forKey: kind) ?? SlotMemory()
    }

    mutating func keep(_ memory: SlotMemory, _ kind: String) { slots[kind] = memory }

    /// Keeps what a compilation added to the table.
    mutating func keep(_ table: SetTable) { self.table = table }

    /// The set table that the last compilation used.
    public var currentTable: SetTable? { table }

    mutating func classes(
        _ space: String, _ side: StageClasses.Side, used: [SetID],
        compute: () -> StageClasses
    ) -> StageClasses {
        let name = "\(space).\(side.prefix)"
        let used = Array(Set(used)).sorted()
        if let known = spaces[name], known.used == used { return known.classes }
        versions += 1
        var classes = compute()
        classes.version = versions
        spaces[name] = (used, classes)
        return classes
    }

    mutating func stage(_ key: StageKey, compute: () -> CompiledStage) -> CompiledStage {
        let name = key.plan.name.text
        if let known = stages[name], known.key.isSame(as: key) { return known.stage }
        let stage = compute()
        stages[name] = (key, stage)
        return stage
    }
}

/// What a compiled stage depends on.
struct StageKey: Sendable {
    let plan: StagePlan
    let sourceVersion: Int
    let destinationVersion: Int

    /// Whose the entries are is left aside: a policy has another number when one is added.
    func isSame(as other: StageKey) -> Bool {
        sourceVersion == other.sourceVersion && destinationVersion == other.destinationVersion
            && plan.hasSameContent(as: other.plan)
    }
}
