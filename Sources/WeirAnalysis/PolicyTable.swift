// SPDX-License-Identifier: GPL-3.0-or-later
//
// The policies as the checker sees them: what they match as bricks, what they decide and whom they
// override by slot number. A slot keeps its number for as long as the policy exists, while policy
// identifiers shift with every edit; inside the checker `PolicyID(index: slot)` stands for both.

import WeirModel

/// A policy without names and expressions.
struct PolicyEntry {
    let layer: Int
    let action: Action?
    let standby: Bool
    let staged: Bool
    let time: TimeID
    let until: Int64?
    /// All interactions together.
    let bricks: [Brick]
    /// Interactions that match nothing, by index.
    let emptyInteractions: [Int]
    /// Slots, of any layer, in the order of their declaration, each once.
    var overriding: [Int]
    let caps: [Cap]
    let limits: [Limit]
    /// What each reservation of each cap promises its flows to.
    let reserved: [[[Brick]]]
    let hasEffects: Bool
    /// The first point of all it matches; its instant may be renumbered.
    var anchor: Point?

    /// Whether it can ever be in force and match anything.
    var isLive: Bool { !staged && !bricks.isEmpty }
    var decides: Bool { isLive && action != nil }
    /// Whether it decides without anybody enabling it.
    var isSteadyDecider: Bool { decides && !standby }
    var constrains: Bool { isLive && !(caps.isEmpty && limits.isEmpty) }
    var reserves: Bool { isLive && caps.contains { !$0.reservations.isEmpty } }
}

/// All policies by slot.
struct PolicyTable {
    /// nil where the slot's policy was removed.
    private var entries: [PolicyEntry?] = []
    /// Slot of each policy of the policy set, in its order.
    private(set) var order: [Int] = []
    /// Place of each slot in ``order``.
    private(set) var ranks: [Int] = []
    /// Slots of deciding policies of the same layer that override a policy.
    private(set) var overriders: [[Int]] = []
    /// Slots whose `overriding` names a policy.
    private(set) var namers: [[Int]] = []
    /// Slots that a trigger watches or enables.
    var triggered: Set<Int> = []
    /// Slots of policies with reservations.
    private(set) var reserving: Set<Int> = []
    private var free: [Int] = []

    var slotCount: Int { entries.count }

    subscript(_ slot: Int) -> PolicyEntry {
        guard let entry = entries[slot] else { preconditionFailure("the slot is in use") }
        return entry
    }

    func comesBefore(_ a: Int, _ b: Int) -> Bool { ranks[a] < ranks[b] }

    /// Slots in the order of their policies.
    func inOrder(_ slots: some Sequence<Int>) -> [Int] { slots.sorted { ranks[$0] < ranks[$1] } }

    /// Whether an `overriding` or a trigger names a policy.
    func isReferredTo(_ slot: Int) -> Bool {
        !namers[slot].isEmpty || triggered.contains(slot)
    }

    /// A slot for a policy that comes to stand at a place of the policy set.
    mutating func reserve(at place: Int) -> Int {
        let slot = free.popLast() ?? entries.count
        if slot == entries.count {
            entries.append(nil)
            ranks.append(0)
            overriders.append([])
            namers.append([])
        }
        order.insert(slot, at: place)
        for index in place..<order.count { ranks[order[index]] = index }
        return slot
    }

    /// Slots for all policies of an empty table.
    mutating func reserveAll(_ count: Int) {
        entries = [PolicyEntry?](repeating: nil, count: count)
        order = Array(0..<count)
        ranks = order
        overriders = [[Int]](repeating: [], count: count)
        namers = overriders
    }

    mutating func set(_ slot: Int, _ entry: PolicyEntry) {
        entries[slot] = entry
        if entry.reserves { reserving.insert(slot) }
        for target in entry.overriding { namers[target].append(slot) }
    }

    /// Lets a policy that decides count as an overrider of those it names in its layer. They must
    /// be in the table.
    mutating func connect(_ slot: Int) {
        guard let entry = entries[slot], entry.decides else { return }
        for target in entry.overriding where target != slot {
            if entries[target]?.layer == entry.layer { overriders[target].append(slot) }
        }
    }

    /// Takes a policy out of its slot; the slot keeps its place.
    mutating func clear(_ slot: Int) {
        for target in entries[slot]?.overriding ?? [] {
            overriders[target].removeAll { $0 == slot }
            namers[target].removeAll { $0 == slot }
        }
        reserving.remove(slot)
        entries[slot] = nil
    }

    /// Gives up a cleared slot. Nobody names it any more.
    mutating func release(_ slot: Int) {
        let place = ranks[slot]
        order.remove(at: place)
        for index in place..<order.count { ranks[order[index]] = index }
        for namer in namers[slot] { entries[namer]?.overriding.removeAll { $0 == slot } }
        overriders[slot] = []
        namers[slot] = []
        free.append(slot)
    }

    /// Instants were renumbered.
    mutating func renumber(_ instants: [Int]) {
        for slot in entries.indices { entries[slot]?.anchor?.renumber(instants) }
    }
}

extension Space {
    /// A policy without names and expressions; its sets become sides.
    mutating func entry(_ policy: Policy, slot: Int, overriding: [Int], now: Int64) -> PolicyEntry {
        let time = times.id(policy.activation)
        let matched = policy.interactions.map { bricks($0, time: time, owner: slot) }
        // A policy that is over matches something all the same.
        let empty = policy.interactions.indices.filter {
            matched[$0].isEmpty
                && bricks(policy.interactions[$0], time: 0, owner: slot).isEmpty
        }
        let all = matched.flatMap { $0 }
        let reserved = policy.caps.map { cap in
            cap.reservations.map { bricks(all, from: $0.beneficiary) }
        }
        register(all)
        var named: Set<Int> = []
        return PolicyEntry(
            layer: policy.layer, action: policy.decision?.action,
            standby: policy.activation.standby, staged: policy.activation.staged, time: time,
            until: policy.activation.until ?? policy.activation.forSeconds.map { now + $0 },
            bricks: all, emptyInteractions: empty,
            overriding: overriding.filter { named.insert($0).inserted }, caps: policy.caps,
            limits: policy.limits, reserved: reserved, hasEffects: !policy.effects.isEmpty,
            anchor: all.first.flatMap { firstCommon($0, $0) })
    }

    /// The part of bricks whose source lies in a set.
    private mutating func bricks(_ bricks: [Brick], from beneficiary: AddressSet) -> [Brick] {
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
