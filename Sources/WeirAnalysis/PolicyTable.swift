// SPDX-License-Identifier: GPL-3.0-or-later
//
// The policies as the checker sees them: what they match as bricks, what they decide and whom they
// override by slot number. A slot keeps its number for as long as the policy exists, while policy
// identifiers shift with every edit; inside the checker `PolicyID(index: slot)` stands for both.

import WeirModel

/// What most questions about a policy need, without reference counts.
struct PolicyHead {
    let layer: Int
    let action: Action?
    let standby: Bool
    let staged: Bool
    let time: TimeID
    let until: Int64?
    let hasEffects: Bool
    /// Whether it can ever be in force and match anything.
    let isLive: Bool
    let constrains: Bool
    let reserves: Bool
    /// The first point of all it matches; its instant may be renumbered.
    var anchor: Point?

    var decides: Bool { isLive && action != nil }
    /// Whether it decides or constrains; others bear on nothing.
    var matters: Bool { decides || constrains }
    /// Whether it decides without anybody enabling it.
    var isSteadyDecider: Bool { decides && !standby }
}

/// A policy without names and expressions.
@dynamicMemberLookup
struct PolicyEntry {
    fileprivate(set) var head: PolicyHead
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

    subscript<Value>(dynamicMember member: KeyPath<PolicyHead, Value>) -> Value {
        head[keyPath: member]
    }
}

/// All policies by slot.
struct PolicyTable {
    /// nil where the slot's policy was removed.
    private var entries: [PolicyEntry?] = []
    /// Those of the entries; stale where a slot is not in use.
    private var heads: [PolicyHead?] = []
    /// Those of the entries; empty where a slot is not in use.
    private(set) var bricks: [[Brick]] = []
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

    subscript(_ slot: Int) -> PolicyHead {
        guard let head = heads[slot] else { preconditionFailure("the slot is in use") }
        return head
    }

    func entry(_ slot: Int) -> PolicyEntry {
        guard let entry = entries[slot] else { preconditionFailure("the slot is in use") }
        return entry
    }

    func isInUse(_ slot: Int) -> Bool { heads[slot] != nil }

    func comesBefore(_ a: Int, _ b: Int) -> Bool { ranks[a] < ranks[b] }

    /// Slots in the order of their policies.
    func inOrder(_ slots: some Sequence<Int>) -> [Int] {
        slots.map { ranks[$0] }.sorted().map { order[$0] }
    }

    /// The same, each once.
    func distinct(_ slots: [Int32]) -> [Int] {
        var last = -1
        return slots.map { ranks[Int($0)] }.sorted().compactMap { rank in
            defer { last = rank }
            return rank == last ? nil : order[rank]
        }
    }

    /// Whether an `overriding` or a trigger names a policy.
    func isReferredTo(_ slot: Int) -> Bool {
        !namers[slot].isEmpty || triggered.contains(slot)
    }

    /// A slot for a policy that comes to stand at a place of the policy set.
    mutating func reserve(at place: Int) -> Int {
        let slot = free.popLast() ?? entries.count
        if slot == entries.count {
            entries.append(nil)
            heads.append(nil)
            bricks.append([])
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
        heads = [PolicyHead?](repeating: nil, count: count)
        bricks = [[Brick]](repeating: [], count: count)
        order = Array(0..<count)
        ranks = order
        overriders = [[Int]](repeating: [], count: count)
        namers = overriders
    }

    mutating func set(_ slot: Int, _ entry: PolicyEntry) {
        entries[slot] = entry
        heads[slot] = entry.head
        bricks[slot] = entry.bricks
        if entry.head.reserves { reserving.insert(slot) }
        for target in entry.overriding { namers[target].append(slot) }
    }

    /// Lets a policy that decides count as an overrider of those it names in its layer. They must
    /// be in the table.
    mutating func connect(_ slot: Int) {
        guard let entry = entries[slot], entry.head.decides else { return }
        for target in entry.overriding where target != slot {
            if heads[target]?.layer == entry.head.layer { overriders[target].append(slot) }
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
        heads[slot] = nil
        bricks[slot] = []
    }

    /// Lets nobody name a policy any more.
    mutating func dropNames(of slot: Int) {
        for namer in namers[slot] { entries[namer]?.overriding.removeAll { $0 == slot } }
        overriders[slot] = []
        namers[slot] = []
    }

    /// Gives up a cleared slot that nobody names.
    mutating func release(_ slot: Int) {
        let place = ranks[slot]
        order.remove(at: place)
        for index in place..<order.count { ranks[order[index]] = index }
        free.append(slot)
    }

    /// Instants were renumbered.
    mutating func renumber(_ instants: [Int]) {
        for slot in heads.indices {
            heads[slot]?.anchor?.renumber(instants)
            entries[slot]?.head.anchor?.renumber(instants)
        }
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
        let isLive = !policy.activation.staged && !all.isEmpty
        let head = PolicyHead(
            layer: policy.layer, action: policy.decision?.action,
            standby: policy.activation.standby, staged: policy.activation.staged, time: time,
            until: policy.activation.until ?? policy.activation.forSeconds.map { now + $0 },
            hasEffects: !policy.effects.isEmpty, isLive: isLive,
            constrains: isLive && !(policy.caps.isEmpty && policy.limits.isEmpty),
            reserves: isLive && policy.caps.contains { !$0.reservations.isEmpty },
            anchor: all.first.flatMap { firstCommon($0, $0) })
        return PolicyEntry(
            head: head, bricks: all, emptyInteractions: empty,
            overriding: overriding.filter { named.insert($0).inserted }, caps: policy.caps,
            limits: policy.limits, reserved: reserved)
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
