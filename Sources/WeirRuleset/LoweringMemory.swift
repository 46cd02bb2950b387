// SPDX-License-Identifier: GPL-3.0-or-later
//
// Numbers, counters and slots of the last compilation. While the kernel holds what it held then, or
// what came out of it, numbering all policies again would give the same: only those that differ
// are looked at.

import WeirModel

/// What the last compilation gave to policies, taken over while the kernel's table allows it.
struct LoweringMemory: Sendable {
    /// Policies that decide, in their order, with the numbers of their verdicts.
    var deciding: [PolicyRecord] = []
    var verdicts: [UInt32] = []
    /// Of these, the ones that the kernel did not know: they are numbered again unless it has come
    /// to know them.
    var unknownToKernel: Set<String> = []
    /// The maps from these numbers to counters.
    var verdictMaps: [String: NamedSet] = [:]
    var constraints: ConstraintMemory?
    /// All objects, and the names of those that neither verdicts nor constraints have.
    var objects: [String: NamedObject] = [:]
    var otherObjects: [String] = []

    /// The sets that the kernel held when this came about, and those that it was to hold then.
    private var basis: [String: NamedSet]?
    private var outcome: [String: NamedSet]?

    /// Notes what it was made from and what came of it.
    mutating func settle(from previous: KernelTable?, to ruleset: Ruleset) {
        basis = Self.sets(of: previous)
        outcome = Self.bare(ruleset.allSets.mapValues(\.asHeld))
    }

    /// What may be used for a table in the kernel: all, all but what was never committed, nothing.
    /// Sets that nobody touched share their storage, so that comparing them costs nothing.
    func applying(to previous: KernelTable?) -> LoweringMemory {
        let now = Self.sets(of: previous)
        if now == outcome {
            var known = self
            known.unknownToKernel = []
            return known
        }
        return now == basis && basis != nil ? self : LoweringMemory()
    }

    private static func sets(of table: KernelTable?) -> [String: NamedSet] {
        bare(table?.sets ?? [:])
    }

    /// Without what only says which commit it is.
    private static func bare(_ sets: [String: NamedSet]) -> [String: NamedSet] {
        var sets = sets
        sets[Revision.setName] = nil
        sets[CommitNumber.set] = nil
        return sets
    }
}

/// The limits and caps of the last compilation, whole.
struct ConstraintMemory: Sendable {
    /// Policies with limits or caps that match something, and their numbers then.
    let records: [PolicyRecord]
    let policies: [PolicyID]
    let plans: ConstraintPlans
    let caps: [LoweredCap]
    let sets: [String: NamedSet]
    /// Names of their objects.
    let objects: [String]

    /// The caps of the same policies under the numbers that they have now.
    func caps(for now: [PolicyID]) -> [LoweredCap] {
        guard now != policies else { return caps }
        let renamed = Dictionary(uniqueKeysWithValues: zip(policies, now))
        return caps.map { cap in
            var cap = cap
            cap.policy = renamed[cap.policy] ?? cap.policy
            return cap
        }
    }

    /// The plans for the same policies under the numbers that they have now.
    func plans(for now: [PolicyID]) -> ConstraintPlans {
        guard now != policies else { return plans }
        let renamed = Dictionary(uniqueKeysWithValues: zip(policies, now))
        func rename(_ plans: [StagePlan]) -> [StagePlan] {
            plans.map { plan in
                var plan = plan
                plan.policies = plan.policies.map { renamed[$0] ?? $0 }
                return plan
            }
        }
        var result = plans
        result.limits = rename(plans.limits)
        result.caps = rename(plans.caps)
        result.meters = rename(plans.meters)
        return result
    }
}
