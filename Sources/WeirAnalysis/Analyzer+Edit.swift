// SPDX-License-Identifier: GPL-3.0-or-later
//
// One edit. Decisions change only for flows that the old or the new policy matches, so only what
// rests on such flows is looked at again; the result is that of a full check.

public import WeirModel

/// One edit of a policy set.
public enum PolicyEdit: Hashable, Sendable {
    /// The policy has this identifier in the new policy set; those behind it moved up by one.
    case added(PolicyID)
    /// The policy had this identifier in the old policy set; those behind it moved down by one.
    /// Nobody overrides it any more.
    case removed(PolicyID)
    /// The policy keeps its name, its layer and its identifier.
    case replaced(PolicyID)
    /// Services have other endpoints, the policies are the same. Where amounts follow the
    /// landscape, the policies that changed with it are to be given as replaced afterwards.
    case endpoints
    /// Anything else: services, zones, layers, assertions, triggers, several policies.
    case other
}

extension Analyzer {
    /// Takes over an edited policy set; ``findings`` are then what ``analyze`` gives for it.
    ///
    /// Policies are read only where the edit says so. An edit that names an address range which
    /// no other policy names, or gives up such a range, costs a full check, as `other` does:
    /// it divides the addresses differently.
    public mutating func apply(_ edit: PolicyEdit, giving policySet: PolicySet) {
        switch edit {
        case .other: self = Analyzer(policySet, options: options)
        case .endpoints:
            if !changeEndpoints(to: policySet.landscape) {
                self = Analyzer(policySet, options: options)
            }
        case .replaced(let id):
            let slot = policies.order[id.index]
            let policy = policySet[id]
            guard exchangeLiterals(of: slot, for: policy.literalRanges) else {
                self = Analyzer(policySet, options: options)
                return
            }
            change(slot, to: policy)
        case .added(let id):
            let policy = policySet[id]
            let slot = policies.reserve(at: id.index)
            makeRoom(for: slot)
            guard exchangeLiterals(of: slot, for: policy.literalRanges) else {
                self = Analyzer(policySet, options: options)
                return
            }
            change(slot, to: policy)
        case .removed(let id):
            let slot = policies.order[id.index]
            guard exchangeLiterals(of: slot, for: []) else {
                self = Analyzer(policySet, options: options)
                return
            }
            let namers = policies.namers[slot].filter { $0 != slot }
            policies.dropNames(of: slot)
            change(slot, to: nil)
            for namer in namers { nameFindings[namer] = namesAndEmptiness(namer) }
        }
    }

    private mutating func makeRoom(for slot: Int) {
        while facts.count <= slot {
            facts.append(SlotFacts())
            nameFindings.append([])
            services.append([])
            literalsOfSlot.append([])
        }
        pairs.makeRoom(for: slot)
    }

    /// Notes the ranges that a policy names; false if the address classes are not made for them.
    private mutating func exchangeLiterals(
        of slot: Int, for ranges: Set<AddressRange>
    ) -> Bool {
        let old = literalsOfSlot[slot]
        guard old != ranges else { return true }
        for range in old.subtracting(ranges) {
            guard let count = literals[range], count > 1 else { return false }
            literals[range] = count - 1
        }
        for range in ranges.subtracting(old) {
            guard let count = literals[range] else { return false }
            literals[range] = count + 1
        }
        literalsOfSlot[slot] = ranges
        return true
    }

    /// What an edit replaces and puts there.
    struct Change {
        let slot: Int
        let old: PolicyEntry?
        let new: PolicyEntry?
        /// Slots that meet one of them, that of the edit left out.
        var near: [Int] = []
        /// By slot, whether it is near.
        var isNear: [Bool] = []

        /// Of the versions for which something holds.
        func bricks(where holds: (PolicyHead) -> Bool) -> [Brick] {
            [old, new].compactMap { $0 }.filter { holds($0.head) }.flatMap(\.bricks)
        }

        var bricks: [Brick] { bricks { $0.decides || $0.constrains } }
        var dependsOnTime: Bool { [old, new].contains { $0.map { $0.head.time != 0 } == true } }
        var isSteady: Bool {
            old?.head.isSteadyDecider == true || new?.head.isSteadyDecider == true
        }
        var decides: Bool { old?.head.decides == true || new?.head.decides == true }
        var constrains: Bool { old?.head.constrains == true || new?.head.constrains == true }
        var reserves: Bool { old?.head.reserves == true || new?.head.reserves == true }
        var named: [Int] { (old?.overriding ?? []) + (new?.overriding ?? []) }
    }

    /// Puts another policy, or none, into a slot.
    private mutating func change(_ slot: Int, to policy: Policy?) {
        let old = policies.isInUse(slot) ? policies.entry(slot) : nil
        let before = old?.head.matters == true ? overlapping(slot) : []
        pairs.removeAll(of: slot)
        bricks.remove(slot)
        if old != nil { policies.clear(slot) }
        if policy == nil { policies.release(slot) }
        for other in before where anchorLies(other, in: old?.bricks ?? []) {
            facts[other].anchorOwners.removeAll { $0 == slot }
        }
        if let policy, !space.times.knows(policy.activation) { extendTimes(policy.activation) }
        var new: PolicyEntry?
        if let policy {
            let overriding = policy.overriding.map { policies.order[$0.policy.index] }
            let entry = space.entry(
                policy, slot: slot, overriding: overriding, now: options.epochSeconds)
            policies.set(slot, entry)
            policies.connect(slot)
            new = entry
        }
        var change = Change(slot: slot, old: old, new: new)
        var after: [Int] = []
        if let new, new.head.matters {
            bricks.add(new.bricks, of: slot, space.sides)
            after = overlapping(slot)
            for other in after where anchorLies(other, in: new.bricks) {
                facts[other].anchorOwners.append(slot)
            }
        }
        change.isNear = [Bool](repeating: false, count: facts.count)
        for other in before { change.isNear[other] = true }
        change.near = before + after.filter { !change.isNear[$0] }
        for other in after { change.isNear[other] = true }
        settle(change, after)
    }

    private mutating func extendTimes(_ activation: PolicyActivation) {
        let renumbering = space.times.extend(activation)
        policies.renumber(renumbering)
        pairs.renumber(renumbering)
        for slot in facts.indices {
            for index in facts[slot].points.indices {
                facts[slot].points[index].renumber(renumbering)
            }
        }
    }

    private func anchorLies(_ slot: Int, in bricks: [Brick]) -> Bool {
        guard let anchor = policies[slot].anchor else { return false }
        return bricks.contains { space.contains($0, anchor) }
    }

    /// Brings all that is known up to date after a change.
    private mutating func settle(_ change: Change, _ after: [Int]) {
        let slot = change.slot
        facts[slot] = SlotFacts()
        sharing.remove(slot)
        if let new = change.new {
            facts[slot].anchorOwners = owners(ofAnchorOf: slot, among: after)
            nameFindings[slot] = namesAndEmptiness(slot)
            if new.head.matters {
                examine(slot, after)
                addPairs(slot, after, with: after)
            }
        } else {
            nameFindings[slot] = []
        }
        for other in change.near where isShaken(other, by: change) { examine(other) }
        examineSharing(change)
        for target in Set(change.named) where target != slot && policies.isInUse(target) {
            // Whether somebody names it matters even if the two do not meet.
            if policies[target].matters { examine(target) }
        }
        refreshPairs(change)
        for namer in policies.namers[slot] where namer != slot && change.new != nil {
            nameFindings[namer] = namesAndEmptiness(namer)
        }
        if !loops.isEmpty || !change.named.isEmpty || !policies.namers[slot].isEmpty {
            loops = overrideLoops()
        }
        refreshAssertions(change)
        refreshLockouts(change)
        refreshCapacities(change)
    }

    /// Caps around reservations whose flows the change may have opened or closed, though it does
    /// not meet the cap itself.
    private mutating func examineSharing(_ change: Change) {
        guard change.decides, !sharing.isEmpty else { return }
        for reserving in change.near where policies[reserving].reserves {
            for slot in sharing where !change.isNear[slot] && slot != change.slot {
                let meets = policies.bricks[slot].contains { own in
                    policies.bricks[reserving].contains { space.meets(own, $0) }
                }
                if meets { examine(slot) }
            }
        }
    }

    /// Whether what is known of a policy may not hold any more.
    private func isShaken(_ slot: Int, by change: Change) -> Bool {
        let known = facts[slot]
        let head = policies[slot]
        if change.reserves, head.constrains, !policies.entry(slot).caps.isEmpty { return true }
        if known.broad.contains(.numbers), change.decides || change.constrains { return true }
        if known.broad.contains(.constraints), change.constrains { return true }
        if change.decides, isBroadlyShaken(known.broad, head, slot, change) { return true }
        if known.broad.contains(.everyInstant), change.dependsOnTime { return true }
        let bricks =
            change.bricks { version in
                version.decides || version.constrains && head.constrains
            }
        return !bricks.isEmpty
            && (anchorLies(slot, in: bricks)
                || known.points.contains { point in
                    bricks.contains { space.contains($0, point) }
                })
    }

    /// Whether a change of who decides bears on what does not rest on single flows.
    private func isBroadlyShaken(
        _ broad: SlotFacts.Broad, _ head: PolicyHead, _ slot: Int, _ change: Change
    ) -> Bool {
        guard !broad.isEmpty, let version = change.new ?? change.old else { return false }
        let isAbove = version.head.layer < head.layer || change.named.contains(slot)
        if broad.contains(.shadowed), isAbove, change.isSteady { return true }
        if broad.contains(.redundant),
            change.isSteady || version.head.layer >= head.layer
        {
            return true
        }
        // What is denied stays so unless somebody comes to allow it or a steady denial goes.
        let allows = change.new.map { $0.head.decides && $0.head.action == .allow } == true
        let opens = change.old?.head.isSteadyDecider == true
        if broad.contains(.unallowed), allows { return true }
        if broad.contains(.dead), allows || opens { return true }
        return broad.contains(.denied) && (allows || change.isSteady)
    }

    /// Pairs of other policies that the changed one may stand between.
    private mutating func refreshPairs(_ change: Change) {
        guard change.isSteady,
            let layer = (change.new ?? change.old)?.head.layer
        else { return }
        let named = Set(change.named)
        let new = change.new?.bricks ?? []
        for upper in change.near where policies[upper].layer >= layer {
            for index in pairs.bySlot[upper] {
                guard let pair = pairs.facts[index], pair.upper == upper else { continue }
                let mayStandBetween =
                    pair.conflict != .ambiguous && layer < policies[upper].layer
                    || named.contains(upper) || named.contains(pair.lower)
                guard mayStandBetween else { continue }
                if pair.isFirst {
                    guard let point = pair.result.witness,
                        new.contains(where: { space.contains($0, point) })
                    else { continue }
                } else if !change.isNear[pair.lower] {
                    continue
                }
                refreshPair(index)
            }
        }
        // An overrider in the lower policy's layer lies below the upper one's.
        for lower in named where policies.isInUse(lower) && change.isNear[lower] {
            for index in pairs.bySlot[lower] where pairs.facts[index]?.lower == lower {
                refreshPair(index)
            }
        }
    }

    private mutating func refreshAssertions(_ change: Change) {
        for index in assertionFacts.indices {
            let fact = assertionFacts[index]
            let shared = fact.bricks.flatMap { own in
                change.bricks.compactMap { space.intersection(own, $0) }
            }
            guard !shared.isEmpty else { continue }
            var mustLook = !fact.failures.isEmpty
            if !mustLook, change.constrains { mustLook = assertions[index].connections != nil }
            if !mustLook, change.decides {
                // Only flows that the change touches can have come to fail.
                let slots = change.near + (change.new == nil ? [] : [change.slot])
                let answer = reach(
                    forbidden(assertions[index]), shared, among: slots, .free(assuming: nil))
                if case .covered = answer.result {} else { mustLook = true }
            }
            if mustLook { assertionFacts[index].failures = failures(index, fact.bricks) }
        }
    }

    private mutating func refreshLockouts(_ change: Change) {
        for index in lockouts.indices {
            let point = space.point(options.channels[index].flow, instant: 0)
            let isTouched = change.bricks.contains { brick in
                brick.low <= point.port && point.port <= brick.high
                    && space.table[brick.source].contains(point.source)
                    && space.table[brick.destination].contains(point.destination)
            }
            if isTouched { lockouts[index] = lockout(index) }
        }
    }

    private mutating func refreshCapacities(_ change: Change) {
        let before = services[change.slot]
        services[change.slot] = change.new == nil ? [] : dedicatedServices(change.slot)
        var touched = Set(before).union(services[change.slot])
        // A standby policy that does not constrain is not enabled in this question.
        for other in change.near where change.isSteady || change.constrains {
            for service in services[other] where capacities[service]?.dependsOnOthers == true {
                touched.insert(service)
            }
        }
        for service in touched.sorted() {
            var dedicated = (capacities[service]?.dedicated ?? []).filter { $0 != change.slot }
            if services[change.slot].contains(service) { dedicated.append(change.slot) }
            capacities[service] =
                dedicated.isEmpty ? nil : capacityFact(service, dedicated)
        }
    }
}
