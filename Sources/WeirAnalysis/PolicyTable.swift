// SPDX-License-Identifier: GPL-3.0-or-later
//
// The policies as the checker sees them: what they match as bricks, what they decide and whom they
// override by slot number. A slot keeps its number for as long as the policy exists, while policy
// identifiers shift with every edit.

import WeirModel

/// A policy without names and expressions.
struct PolicyEntry {
    var id: PolicyID
    let layer: Int
    let action: Action?
    let standby: Bool
    let staged: Bool
    let time: TimeID
    /// All interactions together.
    let bricks: [Brick]
    /// Interactions that match nothing, by index.
    let emptyInteractions: [Int]
    /// Slots, of any layer, in the order of their declaration.
    let overriding: [Int]
    let caps: [Cap]
    let limits: [Limit]
    /// What each reservation of each cap promises its flows to.
    let reserved: [[[Brick]]]
    let hasEffects: Bool

    /// Whether it can ever be in force and match anything.
    var isLive: Bool { !staged && !bricks.isEmpty }
    var decides: Bool { isLive && action != nil }
    /// Whether it decides without anybody enabling it.
    var isSteadyDecider: Bool { decides && !standby }
    var constrains: Bool { isLive && !(caps.isEmpty && limits.isEmpty) }
}

/// All policies by slot.
struct PolicyTable {
    /// nil where the slot's policy was removed.
    private(set) var entries: [PolicyEntry?] = []
    /// Slot of each policy of the policy set.
    private(set) var slots: [Int]
    /// Slots of deciding policies of the same layer that override a policy.
    private(set) var overriders: [[Int]] = []

    init(_ policySet: PolicySet, _ space: inout Space, now: Int64) {
        slots = Array(policySet.policies.indices)
        for id in policySet.policyIDs {
            entries.append(Self.entry(id, policySet, slots, &space, now: now))
        }
        overriders = [[Int]](repeating: [], count: entries.count)
        for slot in entries.indices { connect(slot) }
    }

    subscript(_ slot: Int) -> PolicyEntry {
        guard let entry = entries[slot] else { preconditionFailure("the slot is in use") }
        return entry
    }

    /// Slots in use, in the order of their policies.
    var order: [Int] { slots }

    private mutating func connect(_ slot: Int) {
        guard let entry = entries[slot], entry.decides else { return }
        for target in entry.overriding where target != slot {
            guard entries[target]?.layer == entry.layer, !overriders[target].contains(slot)
            else { continue }
            overriders[target].append(slot)
        }
    }

    private static func entry(
        _ id: PolicyID, _ policySet: PolicySet, _ slots: [Int], _ space: inout Space, now: Int64
    ) -> PolicyEntry {
        let policy = policySet[id]
        let slot = slots[id.index]
        guard let time = space.times.id(policy.activation, now: now) else {
            preconditionFailure("the time table was made for this policy set")
        }
        let matched = policy.interactions.map { space.bricks($0, time: time, owner: slot) }
        // A policy that is over matches something all the same.
        let empty = policy.interactions.indices.filter {
            matched[$0].isEmpty
                && space.bricks(policy.interactions[$0], time: 0, owner: slot).isEmpty
        }
        let bricks = matched.flatMap { $0 }
        let reserved = policy.caps.map { cap in
            cap.reservations.map { space.bricks(bricks, from: $0.beneficiary) }
        }
        var named: Set<Int> = []
        let overriding = policy.overriding.map { slots[$0.policy.index] }
            .filter { named.insert($0).inserted }
        return PolicyEntry(
            id: id, layer: policy.layer, action: policy.decision?.action,
            standby: policy.activation.standby, staged: policy.activation.staged, time: time,
            bricks: bricks, emptyInteractions: empty,
            overriding: overriding, caps: policy.caps,
            limits: policy.limits, reserved: reserved, hasEffects: !policy.effects.isEmpty)
    }
}

extension Space {
    /// The part of bricks whose source lies in a set.
    mutating func bricks(_ bricks: [Brick], from beneficiary: AddressSet) -> [Brick] {
        let wanted = table.intern(beneficiary)
        return bricks.compactMap { brick in
            let source = table.intern(table[brick.source].intersection(table[wanted]))
            guard !table[source].isEmpty else { return nil }
            return Brick(
                source: source, destination: brick.destination, low: brick.low, high: brick.high,
                time: brick.time, owner: brick.owner)
        }
    }
}
