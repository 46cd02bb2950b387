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
        policies[slot].limits.indices.map { .init(slot: slot, part: .limit($0)) }
            + policies[slot].caps.indices.map { .init(slot: slot, part: .cap($0)) }
    }

    /// `masked-limit` for each constraint of a policy.
    func maskedFindings(_ slot: Int, _ near: [Int]) -> [Finding] {
        let entry = policies[slot]
        guard entry.constrains else { return [] }
        let covering = near.filter { policies[$0].constrains && isInForce($0, whenever: slot) }
        guard !covering.isEmpty || constraints(slot).count > 1 else { return [] }
        guard let admitted = admissible(slot, near) else {
            return [
                Finding(
                    code: .maskedLimit, certainty: .undecided,
                    policies: [.init(entry.id, .subject)])
            ]
        }
        guard let first = admitted.first?.firstPoint else { return [] }
        let candidates = (covering.filter { isCovered(admitted, by: $0) } + [slot])
            .sorted { policies[$0].id < policies[$1].id }.flatMap(constraints)
        return constraints(slot).compactMap { constraint in
            let masking = candidates.first { tighter in
                guard tighter != constraint, masks(tighter, constraint, admitted) != nil else {
                    return false
                }
                return !isTie(constraint, tighter) || precedes(tighter, constraint)
            }
            guard let masking, let numbers = masks(masking, constraint, admitted) else {
                return nil
            }
            return Finding(
                code: .maskedLimit,
                policies: [
                    .init(entry.id, .subject, constraint.part),
                    .init(policies[masking.slot].id, .tighter, masking.part),
                ],
                witness: Finding.Witness(
                    flow: space.flow(first), state: state(at: first, enabling: [slot]),
                    timeDependent: entry.time != 0, arithmetic: numbers),
                fix: .removePart(entry.id, constraint.part))
        }
    }

    /// The flows of a policy that may be admitted while it is in force.
    func admissible(_ slot: Int, _ near: [Int]) -> [Cell]? {
        admissible(region(slot), among: near + [slot], .free(assuming: slot))
    }

    /// What a policy matches.
    func region(_ slot: Int) -> [Cell] { policies[slot].bricks.map(space.cell) }

    /// Whether one policy is in force in every state in which another is.
    func isInForce(_ slot: Int, whenever other: Int) -> Bool {
        let (a, b) = (policies[slot], policies[other])
        return slot == other
            || !a.standby && a.isLive && space.times[b.time].isSubset(of: space.times[a.time])
    }

    /// Whether the masked constraint would mask the other just as well.
    private func isTie(_ constraint: ConstraintReference, _ tighter: ConstraintReference) -> Bool {
        guard isInForce(constraint.slot, whenever: tighter.slot),
            let admitted = admissible(tighter.slot, overlapping(tighter.slot)),
            isCovered(admitted, by: constraint.slot)
        else { return false }
        return masks(constraint, tighter, admitted) != nil
    }

    private func precedes(_ a: ConstraintReference, _ b: ConstraintReference) -> Bool {
        if a.slot != b.slot { return policies[a.slot].id < policies[b.slot].id }
        let list = constraints(a.slot)
        return (list.firstIndex(of: a) ?? 0) < (list.firstIndex(of: b) ?? 0)
    }

    /// The numbers that show that `tighter` lets through no more than `constraint` would, given
    /// that it covers all its flows that may be admitted.
    private func masks(
        _ tighter: ConstraintReference, _ constraint: ConstraintReference, _ admitted: [Cell]
    ) -> Finding.Arithmetic? {
        let pairing = Pairing(admitted, census)
        switch (tighter.part, constraint.part) {
        case (.cap(let a), .cap(let b)):
            let other = policies[tighter.slot].caps[a]
            let own = policies[constraint.slot].caps[b]
            let counters = pairing.counters(other.scope, per: own.scope).most
            let each = available(tighter.slot, a, to: admitted)
            let reserved = promised(constraint.slot, b).reduce(0, saturatingSum)
            let bound = own.connections - min(own.connections, reserved)
            let numbers = Finding.Arithmetic(
                terms: [.init(counters: counters, scope: other.scope, each: each)],
                relation: .atMost, bound: .init(counters: 1, scope: own.scope, each: bound))
            return numbers.total <= bound ? numbers : nil
        case (.limit(let a), .limit(let b)):
            return masks(
                policies[tighter.slot].limits[a], policies[constraint.slot].limits[b], pairing)
        default: return nil
        }
    }

    private func masks(
        _ other: Limit, _ own: Limit, _ pairing: Pairing
    ) -> Finding.Arithmetic? {
        guard other.unit == own.unit, other.excess != .markECN else { return nil }
        let counters = pairing.counters(other.scope, per: own.scope).most
        guard other.rate.isAtMost(own.rate, times: counters),
            saturatingProduct(other.burst, counters) <= own.burst
        else { return nil }
        return Finding.Arithmetic(
            terms: [
                .init(
                    counters: counters, scope: other.scope, each: other.rate.amount,
                    perSeconds: other.rate.intervalSeconds)
            ],
            relation: .atMost,
            bound: .init(
                scope: own.scope, each: own.rate.amount, perSeconds: own.rate.intervalSeconds),
            unit: own.unit)
    }

    /// Connections that each reservation of a cap promises, those left out that match nothing.
    func promised(_ slot: Int, _ cap: Int) -> [UInt64] {
        let entry = policies[slot]
        return entry.caps[cap].reservations.indices
            .filter { !entry.reserved[cap][$0].isEmpty }
            .map { entry.caps[cap].reservations[$0].connections }
    }

    /// What one counter of a cap leaves to a region: all but what is reserved for flows that are
    /// not in the region.
    func available(_ slot: Int, _ cap: Int, to region: [Cell]) -> UInt64 {
        let entry = policies[slot]
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
    /// Whether so many of this rate together are at most another rate.
    func isAtMost(_ other: RatePerInterval, times count: UInt64) -> Bool {
        let (sum, overflow) = UInt128(saturatingProduct(amount, count))
            .multipliedReportingOverflow(by: UInt128(other.intervalSeconds))
        return !overflow && sum <= UInt128(other.amount) * UInt128(intervalSeconds)
    }
}
