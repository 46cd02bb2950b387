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
    private var table: SetTable?
    private var spaces: [String: (used: [SetID], classes: StageClasses)] = [:]
    private var stages: [String: (key: StageKey, stage: CompiledStage)] = [:]
    private var versions = 0

    public init() {}

    /// The set table of a policy set: the same one while endpoints, zones and the ranges that
    /// policies name stay the same.
    mutating func setTable(for policySet: PolicySet) -> SetTable {
        let literals = policySet.literalRanges
        if let table, self.literals == literals, landscape == policySet.landscape { return table }
        let table = SetTable(landscape: policySet.landscape, literals: literals)
        self = LoweringCache()
        (self.literals, landscape, self.table) = (literals, policySet.landscape, table)
        return table
    }

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
        if let known = stages[name], known.key == key { return known.stage }
        let stage = compute()
        stages[name] = (key, stage)
        return stage
    }
}

/// What a compiled stage depends on.
struct StageKey: Equatable, Sendable {
    let plan: StagePlan
    let sourceVersion: Int
    let destinationVersion: Int
}
