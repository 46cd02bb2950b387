// SPDX-License-Identifier: GPL-3.0-or-later
//
// Caps and limits against each other: one that can never bind because a tighter one covers all of
// its flows. Both sides are brought to the same counters first, so that a per-source limit and a
// total can be compared.

import WeirModel

extension Analyzer {
    /// One cap or limit of a policy.
    struct ConstraintReference: Hashable {
        let slot: Int
        let part: Finding.Part
    }

    /// The caps and limits of a policy.
    func constraints(_ slot: Int) -> [ConstraintReference] {
        policies.entry(slot).limits.indices.map { .init(slot: slot, part: .limit($0)) }
            + policies.entry(slot).caps.indices.map { .init(slot: slot, part: .cap($0)) }
    }

    /// `masked-limit` for each constraint of a policy.
    ///
    /// - Parameters:
    ///   - admitted: its flows that may be admitted; nil if nobody's numbers depend on them.
    ///   - others: policies in force whenever this one is, with all these flows; perhaps itself.
    ///   - first: one of these flows.
    func maskedFindings(
        _ slot: Int, _ admitted: [Cell]?, _ others: [Int], _ first: Point
    ) -> [Finding] {
        let admitted = admitted ?? []
        let pairing = Pairing(admitted, census)
        let candidates = policies.inOrder(others).flatMap(constraints)
        return constraints(slot).compactMap { constraint in
            for tighter in candidates where tighter != constraint {
                guard let numbers = masks(tighter, constraint, admitted, pairing),
                    numbers.isStrict || hasPriority(tighter, over: constraint)
                else { continue }
                return Finding(
                    code: .maskedLimit,
                    policies: [
                        .init(handle(slot), .subject, constraint.part),
                        .init(handle(tighter.slot), .tighter, tighter.part),
                    ],
                    witness: Finding.Witness(
                        flow: space.flow(first), state: state(at: first, enabling: [slot]),
                        timeDependent: policies[slot].time != 0, arithmetic: numbers.shown),
                    fix: .removePart(handle(slot), constraint.part))
            }
            return nil
        }
    }

    /// The flows of a policy that may be admitted while it is in force.
    func admissible(_ slot: Int, _ near: [Int]) -> [Cell]? {
        admissible(region(slot), among: near + [slot], .free(assuming: slot))
    }

    /// Whether one policy is in force in every state in which another is.
    func isInForce(_ slot: Int, whenever other: Int) -> Bool {
        let (a, b) = (policies[slot], policies[other])
        return slot == other
            || !a.standby && a.isLive && space.times[b.time].isSubset(of: space.times[a.time])
    }

    /// Of two constraints with the same effect on the flows of one the other is masked: the one
    /// whose policy matches less, or else the later one.
    private func hasPriority(
        _ a: ConstraintReference, over b: ConstraintReference
    ) -> Bool {
        if a.slot != b.slot {
            let isWider = isCovered(region(b.slot), by: a.slot)
            let isNarrower = isCovered(region(a.slot), by: b.slot)
            if isWider != isNarrower { return isWider }
            return policies.comesBefore(a.slot, b.slot)
        }
        let list = constraints(a.slot)
        return (list.firstIndex(of: a) ?? 0) < (list.firstIndex(of: b) ?? 0)
    }

    /// Whether counters or reservations must be known to tell if a policy masks another.
    func mustCount(_ tighter: Int, _ slot: Int) -> Bool {
        let (other, own) = (policies.entry(tighter), policies.entry(slot))
        if other.reserves, !own.caps.isEmpty { return true }
        func count(_ scope: CountingScope, _ key: CountingScope) -> Bool {
            !(scope == .total || scope == key || key == .pair)
        }
        return own.caps.contains { mine in other.caps.contains { count($0.scope, mine.scope) } }
            || own.limits.contains { mine in
                other.limits.contains { count($0.scope, mine.scope) }
            }
    }

    /// Whether, by the numbers alone, some constraint of one policy might mask one of another.
    func mightMask(_ tighter: Int, _ slot: Int) -> Bool {
        let (other, own) = (policies.entry(tighter), policies.entry(slot))
        let caps = own.caps.indices.contains { mine in
            let bound = bound(slot, mine)
            return other.caps.indices.contains { index in
                let all = promised(tighter, index).reduce(0, saturatingSum)
                let most = other.caps[index].connections
                return (tighter, index) != (slot, mine) && most - min(most, all) <= bound
            }
        }
        return caps
            || own.limits.indices.contains { mine in
                other.limits.indices.contains { index in
                    (tighter, index) != (slot, mine)
                        && masks(other.limits[index], own.limits[mine]) { 1 } != nil
                }
            }
    }

    /// What a constraint lets through, beside what another would.
    private struct Comparison {
        let shown: Finding.Arithmetic
        let isStrict: Bool
    }

    /// The numbers that show that `tighter` lets through no more than `constraint` would, given
    /// that it covers all its flows that may be admitted.
    private func masks(
        _ tighter: ConstraintReference, _ constraint: ConstraintReference, _ admitted: [Cell],
        _ pairing: Pairing
    ) -> Comparison? {
        switch (tighter.part, constraint.part) {
        case (.cap(let a), .cap(let b)):
            let other = policies.entry(tighter.slot).caps[a]
            let own = policies.entry(constraint.slot).caps[b]
            let bound = bound(constraint.slot, b)
            let numbers = Finding.Arithmetic(
                terms: [
                    .init(
                        counters: pairing.counters(other.scope, per: own.scope).most,
                        scope: other.scope, each: available(tighter.slot, a, to: admitted))
                ], relation: .atMost, bound: .init(scope: own.scope, each: bound))
            guard numbers.total <= bound else { return nil }
            return Comparison(shown: numbers, isStrict: numbers.total < bound)
        case (.limit(let a), .limit(let b)):
            let (other, own) = (
                policies.entry(tighter.slot).limits[a], policies.entry(constraint.slot).limits[b]
            )
            return masks(other, own) { pairing.counters(other.scope, per: own.scope).most }
        default: return nil
        }
    }

    /// The least at which a cap refuses somebody.
    private func bound(_ slot: Int, _ cap: Int) -> UInt64 {
        let connections = policies.entry(slot).caps[cap].connections
        return connections - min(connections, promised(slot, cap).reduce(0, saturatingSum))
    }

    private func masks(
        _ other: Limit, _ own: Limit, _ counters: () -> UInt64
    ) -> Comparison? {
        guard other.unit == own.unit, other.excess != .markECN else { return nil }
        let counters = counters()
        guard other.rate.isAtMost(own.rate, times: counters),
            saturatingProduct(other.burst, counters) <= own.burst
        else { return nil }
        let numbers = Finding.Arithmetic(
            terms: [
                .init(
                    counters: counters, scope: other.scope, each: other.rate.amount,
                    perSeconds: other.rate.intervalSeconds)
            ],
            relation: .atMost,
            bound: .init(
                scope: own.scope, each: own.rate.amount, perSeconds: own.rate.intervalSeconds),
            unit: own.unit)
        let isEqual =
            saturatingProduct(other.burst, counters) == own.burst
            && other.rate.isAtLeast(own.rate, times: counters)
        return Comparison(shown: numbers, isStrict: !isEqual)
    }

    /// Connections that each reservation of a cap promises, those left out that match nothing.
    func promised(_ slot: Int, _ cap: Int) -> [UInt64] {
        let entry = policies.entry(slot)
        return entry.caps[cap].reservations.indices
            .filter { !entry.reserved[cap][$0].isEmpty }
            .map { entry.caps[cap].reservations[$0].connections }
    }

    /// What the reservations of a cap, or of all caps of a policy, promise at most.
    func mostPromised(_ slot: Int, _ cap: Int? = nil) -> UInt64 {
        let entry = policies.entry(slot)
        var sum: UInt64 = 0
        for (index, item) in entry.caps.enumerated() where cap == nil || cap == index {
            for (number, reservation) in item.reservations.enumerated() {
                let counters =
                    item.scope == .total
                    ? 1
                    : Pairing(entry.reserved[index][number].map(space.cell), census)
                        .counters(item.scope)
                sum = saturatingSum(sum, saturatingProduct(reservation.connections, counters))
            }
        }
        return sum
    }

    /// What one counter of a cap leaves to a region: all but what is reserved for flows that are
    /// not in the region.
    func available(_ slot: Int, _ cap: Int, to region: [Cell]) -> UInt64 {
        let entry = policies.entry(slot)
        var rest = entry.caps[cap].connections
        for (index, reservation) in entry.caps[cap].reservations.enumerated() {
            let bricks = entry.reserved[cap][index]
            guard !bricks.isEmpty, !space.meets(region, bricks) else { continue }
            rest -= min(rest, reservation.connections)
        }
        return rest
    }
}

extension Space {
    func meets(_ region: [Cell], _ bricks: [Brick]) -> Bool {
        region.contains { cell in bricks.contains { intersects(cell, $0) } }
    }
}

extension RatePerInterval {
    /// Whether so many of this rate together are at least another rate.
    fileprivate func isAtLeast(_ other: RatePerInterval, times count: UInt64) -> Bool {
        let (sum, overflow) = UInt128(saturatingProduct(amount, count))
            .multipliedReportingOverflow(by: UInt128(other.intervalSeconds))
        return overflow || sum >= UInt128(other.amount) * UInt128(intervalSeconds)
    }

    /// Whether so many of this rate together are at most another rate.
    func isAtMost(_ other: RatePerInterval, times count: UInt64) -> Bool {
        let (sum, overflow) = UInt128(saturatingProduct(amount, count))
            .multipliedReportingOverflow(by: UInt128(other.intervalSeconds))
        return !overflow && sum <= UInt128(other.amount) * UInt128(intervalSeconds)
    }
}
