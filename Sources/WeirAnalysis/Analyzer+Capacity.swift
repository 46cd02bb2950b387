// SPDX-License-Identifier: GPL-3.0-or-later
//
// What caps and limits let through to a service against what the service says it can take. Only
// caps that are meant for the service (all their flows go to it) raise the question; wider caps
// can only help to answer it.

import WeirModel

extension Analyzer {
    /// `overcommitted-capacity` of a service, given the slots of the policies meant for it.
    func capacityFact(_ service: Int, _ dedicated: [Int]) -> CapacityFact {
        var fact = CapacityFact(dedicated: policies.inOrder(dedicated))
        let capacity = landscape.services[service].capacity
        if let connections = capacity.connections {
            judge(service, &fact, .init(each: connections), Self.capWeight)
        }
        if let rate = capacity.connectionRate {
            let bound = Finding.Arithmetic.Term(
                each: rate.amount, perSeconds: rate.intervalSeconds)
            judge(service, &fact, bound, Self.rateWeight)
        }
        return fact
    }

    private func judge(
        _ service: Int, _ fact: inout CapacityFact, _ bound: Finding.Arithmetic.Term,
        _ weight: Weight
    ) {
        let dedicated = fact.dedicated.filter { !weight(policies.entry($0)).isEmpty }
        guard !fitsAnyway(dedicated, bound, weight) else { return }
        fact.dependsOnOthers = true
        fact.findings += [overcommitment(service, dedicated, bound, weight)].compactMap { $0 }
    }

    /// Whether the lightest parts of all dedicated policies together fit, whoever may be admitted
    /// and whatever other caps do.
    private func fitsAnyway(
        _ dedicated: [Int], _ bound: Finding.Arithmetic.Term, _ weight: Weight
    ) -> Bool {
        let sum = dedicated.reduce(UInt64(0)) { sum, slot in
            let pairing = Pairing(region(slot), census)
            let lightest = weight(policies.entry(slot)).map { item in
                saturatingProduct(item.each, pairing.counters(item.scope))
            }.min()
            return saturatingSum(sum, lightest ?? 0)
        }
        return sum <= Self.comparable(bound)
    }

    /// A rate as a number per hour; a number of connections as it is.
    private static func comparable(_ term: Finding.Arithmetic.Term) -> UInt64 {
        saturatingProduct(term.each, term.perSeconds.map { 3_600 / $0 } ?? 1)
    }

    /// Services with a declared capacity that all flows of a policy go to.
    mutating func dedicatedServices(_ slot: Int) -> [Int] {
        guard policies[slot].constrains else { return [] }
        let bricks = policies.bricks[slot]
        guard let one = bricks.first.flatMap({ space.table[$0.destination].first }) else {
            return []
        }
        return space.table.classes.classes[one].services.filter { service in
            guard landscape.services[service].capacity != Capacity() else {
                return false
            }
            let id = space.table.intern(.service(service))
            let all = space.table[id]
            return bricks.allSatisfy { space.table[$0.destination].isSubset(of: all) }
        }
    }

    /// A cap or a limit on connections: what one counter of it lets through.
    private struct Weighed {
        let part: Finding.Part
        let scope: CountingScope
        /// Connections, or new connections per hour.
        let each: UInt64
    }

    private typealias Weight = @Sendable (PolicyEntry) -> [Weighed]

    private static let capWeight: Weight = { entry in
        entry.caps.enumerated().map {
            Weighed(part: .cap($0), scope: $1.scope, each: $1.connections)
        }
    }

    private static let rateWeight: Weight = { entry in
        entry.limits.enumerated().filter { $1.unit == .connections && $1.excess != .markECN }
            .map {
                Weighed(
                    part: .limit($0), scope: $1.scope,
                    each: saturatingProduct($1.rate.amount, 3_600 / $1.rate.intervalSeconds))
            }
    }

    /// The finding that some set of dedicated policies, in force together, lets through more
    /// than `bound` however the other caps help.
    private func overcommitment(
        _ service: Int, _ dedicated: [Int], _ bound: Finding.Arithmetic.Term, _ weight: Weight
    ) -> Finding? {
        let steady = dedicated.filter { !policies[$0].standby }
        let around = policies.inOrder(Set(dedicated.flatMap(overlapping) + dedicated))
        let broad = around.filter { !dedicated.contains($0) && !policies[$0].standby }
            .filter { !weight(policies.entry($0)).isEmpty }
        var undecided: [Int]?
        for enabled in subsets(dedicated.filter { policies[$0].standby }) {
            let own = policies.inOrder(steady + enabled)
            for instant in instants(telling: around, among: own.flatMap(region)) {
                let active = own.filter { isInForce($0, at: instant) }
                guard !active.isEmpty, enabled.allSatisfy(active.contains) else { continue }
                let admitted = admissible(
                    active.flatMap(region), among: around, .exactly(Set(active)))
                guard let admitted else {
                    undecided = undecided ?? active
                    continue
                }
                let cells = admitted.filter { $0.time.contains(instant) }.map { $0.at(instant) }
                guard let first = cells.first?.firstPoint else { continue }
                let others = broad.filter { isInForce($0, at: instant) }
                switch lightest(cells, active + others, bound, weight) {
                case .fits: break
                case .undecided: undecided = undecided ?? active
                case .exceeds(let family):
                    return exceeding(service, family, active, bound, at: first)
                }
            }
        }
        return undecided.map { slots in
            Finding(
                code: .overcommittedCapacity, certainty: .undecided,
                policies: slots.map { .init(handle($0), .admits) }, subject: .service(service))
        }
    }

    private func isInForce(_ slot: Int, at instant: Int) -> Bool {
        space.times[policies[slot].time].contains(instant)
    }

    private enum Load {
        case fits, undecided
        case exceeds([CoveringCap])
    }

    private func lightest(
        _ cells: [Cell], _ slots: [Int], _ bound: Finding.Arithmetic.Term, _ weight: Weight
    ) -> Load {
        let caps = policies.inOrder(slots).flatMap { slot in
            let entry = policies.entry(slot)
            let shared = cells.flatMap { cell in
                entry.bricks.compactMap { space.intersection(cell, $0) }
            }
            guard !shared.isEmpty else { return [CoveringCap]() }
            let pairing = Pairing(shared, census)
            return weight(entry).map { item in
                let each =
                    if case .cap(let index) = item.part {
                        available(slot, index, to: cells)
                    } else { item.each }
                return CoveringCap(
                    slot: slot, part: item.part, bricks: entry.bricks,
                    term: .init(
                        counters: pairing.counters(item.scope), scope: item.scope, each: each))
            }
        }
        let limit = Self.comparable(bound)
        let fitting = LeastCover(
            space, cells, caps, below: saturatingSum(limit, 1), budget: options.searchBudget)
        if fitting.family != nil { return .fits }
        if fitting.isUndecided { return .undecided }
        let least = LeastCover(
            space, cells, caps, below: .max, budget: options.searchBudget)
        return .exceeds(least.family ?? caps)
    }

    private func exceeding(
        _ service: Int, _ family: [CoveringCap], _ active: [Int],
        _ bound: Finding.Arithmetic.Term, at point: Point
    ) -> Finding {
        let terms = family.map { cap -> Finding.Arithmetic.Term in
            guard case .limit(let index) = cap.part, bound.perSeconds != nil else {
                return cap.term
            }
            let rates = family.compactMap { item -> RatePerInterval? in
                guard case .limit(let index) = item.part else { return nil }
                return policies.entry(item.slot).limits[index].rate
            }
            let rate = policies.entry(cap.slot).limits[index].rate
            let same = Set(rates.map(\.intervalSeconds)).count == 1
            return .init(
                counters: cap.term.counters, scope: cap.term.scope,
                each: same ? rate.amount : cap.term.each,
                perSeconds: same ? rate.intervalSeconds : 3_600)
        }
        let enabled = family.map(\.slot) + active
        let needsEnabling = enabled.contains { policies[$0].standby }
        return Finding(
            code: .overcommittedCapacity, certainty: needsEnabling ? .possible : .provable,
            policies: family.map { .init(handle($0.slot), .admits, $0.part) },
            subject: .service(service),
            witness: Finding.Witness(
                flow: space.flow(point), state: state(at: point, enabling: enabled),
                timeDependent: enabled.contains { policies[$0].time != 0 },
                arithmetic: Finding.Arithmetic(terms: terms, relation: .greater, bound: bound)))
    }

    /// All subsets of up to eight standby policies, the smallest first; of more, those of at
    /// most two and the whole.
    func subsets(_ slots: [Int]) -> [[Int]] {
        guard slots.count > 8 else {
            return (0..<(1 << slots.count)).sorted {
                ($0.nonzeroBitCount, $0) < ($1.nonzeroBitCount, $1)
            }.map { mask in slots.indices.filter { mask >> $0 & 1 == 1 }.map { slots[$0] } }
        }
        let pairs = slots.indices.flatMap { a in
            slots[..<a].map { [$0, slots[a]] }
        }
        return [[]] + slots.map { [$0] } + pairs + [slots]
    }
}
