// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reservations that cannot be used because their flows are denied, and reservations of several
// policies that one cap around them cannot honour together.

import WeirDiagnostics
import WeirModel

extension Analyzer {
    /// Reports a reservation all of whose flows are denied in some state. Enabling more policies
    /// that deny never admits anything (without an ambiguous decision), so it is enough to look
    /// with all of them enabled and then to leave out those that are not needed. A flow at every
    /// instant that is admitted shows that there is none.
    func examineDenied(
        _ reservation: ReservationReference, _ near: [Int], _ facts: inout SlotFacts
    ) {
        let slot = reservation.slot
        let bricks = policies.entry(slot).reserved[reservation.cap][reservation.index]
        let slots = near.filter { policies[$0].decides } + [slot]
        let deniers = slots.filter { other in
            policies[other].standby && other != slot && policies[other].action != .allow
                && policies.bricks[other].contains { brick in
                    bricks.contains { space.meets($0, brick) }
                }
        }
        let cells = bricks.map(space.cell)
        let moments = instants(telling: slots, among: cells).map { instant in
            cells.map { $0.at(instant) }
        }
        var isUndecided = false
        for enabled in deniers.isEmpty ? [[]] : [[], deniers] {
            for now in moments {
                switch denied(now, slots, [slot] + enabled) {
                case .uncovered(let point): facts.points.append(point)
                case .undecided: isUndecided = true
                case .covered:
                    let needed = leastEnabled(enabled) {
                        if case .covered = denied(now, slots, [slot] + $0) { return true }
                        return false
                    }
                    // Whose names are told is decided at these.
                    facts.points += now.map(\.firstPoint)
                    facts.broad.insert(needed.isEmpty ? .denied : .numbers)
                    facts.findings += [unusable(reservation, now, slots, enabling: needed)]
                        .compactMap { $0 }
                    return
                }
            }
        }
        guard isUndecided else { return }
        facts.broad.insert(.numbers)
        facts.findings.append(
            Finding(
                code: .brokenReservation, severity: .warning, certainty: .undecided,
                policies: [.init(handle(slot), .subject, reservation.part)]))
    }

    private func denied(_ cells: [Cell], _ slots: [Int], _ enabled: [Int]) -> CoverResult {
        reach(.admitted, cells, among: slots, .exactly(Set(enabled))).result
    }

    /// The fewest of some policies that still have a property which all of them have and which
    /// more of them never lose: none, one, or what is left when each is tried without.
    private func leastEnabled(_ slots: [Int], _ holds: ([Int]) -> Bool) -> [Int] {
        if holds([]) { return [] }
        if let one = slots.first(where: { holds([$0]) }) { return [one] }
        var rest = slots
        for slot in slots {
            let without = rest.filter { $0 != slot }
            if holds(without) { rest = without }
        }
        return rest
    }

    private func unusable(
        _ reservation: ReservationReference, _ cells: [Cell], _ slots: [Int],
        enabling deniers: [Int]
    ) -> Finding? {
        let slot = reservation.slot
        guard let point = cells.first?.firstPoint else { return nil }
        let enabling = Enabling.exactly(Set([slot] + deniers))
        let rulings = cells.map { ruling(matching($0.firstPoint, among: slots, enabling)) }
        let denying = policies.inOrder(Set(rulings.flatMap(\.standing)))
        return Finding(
            code: .brokenReservation, severity: deniers.isEmpty ? nil : .warning,
            certainty: deniers.isEmpty && !policies[slot].standby ? .provable : .possible,
            policies: [.init(handle(slot), .subject, reservation.part)]
                + denying.map { .init(handle($0), .denies) },
            witness: Finding.Witness(
                flow: space.flow(point), state: state(at: point, enabling: [slot] + deniers),
                timeDependent: point.instant != 0
                    || (denying + [slot]).contains { policies[$0].time != 0 },
                defaultLayer: rulings.compactMap(\.defaultLayer).first))
    }

    /// A reservation as another cap sees it.
    private struct Promise {
        let slot: Int
        let part: Finding.Part
        let cells: [Cell]
        let term: Finding.Arithmetic.Term
        let isOwn: Bool
    }

    /// The finding that a total cap cannot honour reservations of several caps on flows apart.
    func sharedReservations(_ slot: Int, _ cap: Int, _ near: [Int]) -> Finding? {
        let entry = policies.entry(slot)
        let own = entry.caps[cap]
        guard own.scope == .total, promised(slot, cap).reduce(0, saturatingSum) <= own.connections
        else { return nil }
        let promises = promises(within: slot, cap, near)
        let total = promises.reduce(0) { saturatingSum($0, $1.term.product) }
        guard total > own.connections, promises.contains(where: { !$0.isOwn }) else { return nil }
        let steady = promises.filter { !policies[$0.slot].standby || $0.slot == slot }
        return heaviest(slot, cap, steady) ?? heaviest(slot, cap, promises)
    }

    private func heaviest(_ slot: Int, _ cap: Int, _ promises: [Promise]) -> Finding? {
        let entry = policies.entry(slot)
        let own = entry.caps[cap]
        let all = promises.map(\.slot) + [slot]
        for instant in instants(telling: all, among: region(slot)) {
            let active = promises.filter {
                space.times[policies[$0.slot].time].contains(instant)
            }
            var search = HeaviestApart(
                weights: active.map(\.term.product),
                apart: { apart(active[$0].cells, active[$1].cells) },
                accepts: { chosen in chosen.contains { !active[$0].isOwn } },
                budget: options.searchBudget)
            let chosen = search.run(above: own.connections).map { active[$0] }
            guard let point = chosen.first?.cells.first?.firstPoint else { continue }
            let here = Point(
                source: point.source, destination: point.destination, port: point.port,
                instant: instant)
            let enabled = chosen.map(\.slot) + [slot]
            let needsOthers = chosen.contains { $0.slot != slot && policies[$0.slot].standby }
            return Finding(
                code: .brokenReservation, severity: needsOthers ? .warning : nil,
                certainty: enabled.contains { policies[$0].standby } ? .possible : .provable,
                policies: [.init(handle(slot), .subject, .cap(cap))]
                    + chosen.map { .init(handle($0.slot), .reserves, $0.part) },
                witness: Finding.Witness(
                    flow: space.flow(here), state: state(at: here, enabling: enabled),
                    timeDependent: enabled.contains { policies[$0].time != 0 },
                    arithmetic: Finding.Arithmetic(
                        terms: chosen.map(\.term), relation: .greater,
                        bound: .init(each: own.connections))))
        }
        return nil
    }

    /// The reservations whose flows all lie in a cap and which it could honour one by one.
    private func promises(within slot: Int, _ cap: Int, _ near: [Int]) -> [Promise] {
        let bound = ConstraintReference(slot: slot, part: .cap(cap))
        let slots = policies.inOrder(near + [slot])
        return slots.flatMap { other in
            policies.entry(other).caps.indices.flatMap { index -> [Promise] in
                let isOwn = ConstraintReference(slot: other, part: .cap(index)) == bound
                return policies.entry(other).reserved[index].indices.compactMap { number in
                    let around = other == slot ? near : overlapping(other)
                    // What is too scattered to follow is reported as undecided where it is starved.
                    guard let cells = promisedFlows(other, index, number, around),
                        !cells.isEmpty, isOwn || isCovered(cells, by: slot)
                    else { return nil }
                    let item = policies.entry(other).caps[index]
                    let term = Finding.Arithmetic.Term(
                        counters: Pairing(cells, census).counters(item.scope), scope: item.scope,
                        each: item.reservations[number].connections)
                    guard isOwn || term.product <= available(slot, cap, to: cells) else {
                        return nil
                    }
                    return Promise(
                        slot: other, part: .reservation(cap: index, number), cells: cells,
                        term: term, isOwn: isOwn)
                }
            }
        }
    }

    private func apart(_ a: [Cell], _ b: [Cell]) -> Bool {
        !a.contains { left in
            b.contains { right in
                max(left.low, right.low) <= min(left.high, right.high)
                    && left.source.intersects(right.source)
                    && left.destination.intersects(right.destination)
            }
        }
    }

    /// Whether a policy matches all of a region, at the times when it is in force.
    func isCovered(_ region: [Cell], by slot: Int) -> Bool {
        let now = region.map { cell in
            var cell = cell
            cell.time.formIntersection(space.times[policies[slot].time])
            return cell
        }
        var search = CoverSearch(space, budget: options.searchBudget)
        if case .covered = search.run(now, policies.bricks[slot]) { return true }
        return false
    }
}

/// The heaviest set of items that are pairwise apart, by branch and bound.
struct HeaviestApart {
    private let weights: [UInt64]
    private let apart: (Int, Int) -> Bool
    private let accepts: ([Int]) -> Bool
    private var budget: Int
    private var best: (weight: UInt64, chosen: [Int])?

    init(
        weights: [UInt64], apart: @escaping (Int, Int) -> Bool,
        accepts: @escaping ([Int]) -> Bool, budget: Int
    ) {
        self.weights = weights
        self.apart = apart
        self.accepts = accepts
        self.budget = budget
    }

    /// Its items in ascending order; empty if none is heavier than `bound`.
    mutating func run(above bound: UInt64) -> [Int] {
        let order = weights.indices.sorted { (weights[$1], $0) < (weights[$0], $1) }
        search(order[...], [], 0, above: bound)
        return (best?.chosen ?? []).sorted()
    }

    private mutating func search(
        _ rest: ArraySlice<Int>, _ chosen: [Int], _ weight: UInt64, above bound: UInt64
    ) {
        budget -= 1
        if weight > best?.weight ?? bound, accepts(chosen) { best = (weight, chosen) }
        let possible = rest.reduce(weight) { saturatingSum($0, weights[$1]) }
        guard budget > 0, possible > best?.weight ?? bound, let item = rest.first else { return }
        let fitting = rest.dropFirst().filter { apart(item, $0) }
        search(
            fitting[...], chosen + [item], saturatingSum(weight, weights[item]), above: bound)
        search(rest.dropFirst(), chosen, weight, above: bound)
    }
}
