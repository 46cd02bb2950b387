// SPDX-License-Identifier: GPL-3.0-or-later
//
// What caps and limits let through to a service against what the service says it can take. Only
// caps that are meant for the service (all their flows go to it) raise the question; wider caps
// can only help to answer it.

import WeirModel

extension Analyzer {
    /// `overcommitted-capacity`.
    mutating func capacityFindings() -> [Finding] {
        var found: [Finding] = []
        for (service, slots) in dedicatedPolicies() {
            let capacity = policySet.landscape.services[service].capacity
            if let connections = capacity.connections {
                found += overcommitment(
                    service, slots, .init(each: connections), Self.capWeight)
            }
            if let rate = capacity.connectionRate {
                let bound = Finding.Arithmetic.Term(
                    each: rate.amount, perSeconds: rate.intervalSeconds)
                found += overcommitment(service, slots, bound, Self.rateWeight)
            }
        }
        return found
    }

    /// Policies with caps or limits all of whose flows go to one service that declares a
    /// capacity, by service.
    private mutating func dedicatedPolicies() -> [(Int, [Int])] {
        var found: [Int: [Int]] = [:]
        for slot in policies.order where policies[slot].constrains {
            for service in dedicatedServices(slot) { found[service, default: []].append(slot) }
        }
        return found.sorted { $0.key < $1.key }
    }

    /// Services with a declared capacity that all flows of a policy go to.
    private mutating func dedicatedServices(_ slot: Int) -> [Int] {
        let bricks = policies[slot].bricks
        guard let one = bricks.first.flatMap({ space.table[$0.destination].first }) else {
            return []
        }
        return space.table.classes.classes[one].services.filter { service in
            guard policySet.landscape.services[service].capacity != Capacity() else {
                return false
            }
            let id = space.table.intern(.service(service))
            let all = space.table[id]
            return bricks.allSatisfy { space.table[$0.destination].isSubset(of: all) }
        }
    }

    /// What each cap, or each limit on connections, of a policy lets through per counter.
    private typealias Weight =
        @Sendable (PolicyEntry) -> [(
            part: Finding.Part, scope: CountingScope, rate: RatePerInterval?
        )]

    private static let capWeight: Weight = { entry in
        entry.caps.enumerated().map { (.cap($0), $1.scope, nil) }
    }

    private static let rateWeight: Weight = { entry in
        entry.limits.enumerated().filter { $1.unit == .connections && $1.excess != .markECN }
            .map { (.limit($0), $1.scope, $1.rate) }
    }

    /// The finding that some set of dedicated policies, in force together, lets through more
    /// than `bound` however the other caps help.
    private func overcommitment(
        _ service: Int, _ dedicated: [Int], _ bound: Finding.Arithmetic.Term, _ weight: Weight
    ) -> [Finding] {
        let dedicated = dedicated.filter { !weight(policies[$0]).isEmpty }
        let optional = dedicated.filter { policies[$0].standby }
        let steady = dedicated.filter { !policies[$0].standby }
        var undecided: [Int]?
        let broad = overlappingConstraints(dedicated).filter { !weight(policies[$0]).isEmpty }
        for enabled in subsets(optional) {
            let own = steady + enabled
            let deciders = deciders(meeting: own.flatMap(region))
            for instant in instants(telling: own + broad + deciders, among: own.flatMap(region)) {
                let active = own.filter { space.times[policies[$0].time].contains(instant) }
                let requiredAll = enabled.allSatisfy(active.contains)
                guard requiredAll, !active.isEmpty else { continue }
                let others = broad.filter { slot in
                    !policies[slot].standby && !active.contains(slot)
                        && space.times[policies[slot].time].contains(instant)
                }
                let matched = active.flatMap(region)
                guard
                    let admitted = admissible(
                        matched, among: deciders, .exactly(Set(active)))
                else {
                    undecided = undecided ?? active
                    continue
                }
                let cells = admitted.filter { $0.time.contains(instant) }.map { $0.at(instant) }
                guard !cells.isEmpty else { continue }
                switch lightest(cells, active + others, bound, weight) {
                case .fits: break
                case .undecided: undecided = undecided ?? active
                case .exceeds(let family):
                    return [
                        exceeding(service, family, active, bound, at: cells[0].firstPoint)
                    ]
                }
            }
        }
        return undecided.map { slots in
            [
                Finding(
                    code: .overcommittedCapacity, certainty: .undecided,
                    policies: slots.map { .init(policies[$0].id, .admits) },
                    subject: .service(service))
            ]
        } ?? []
    }

    private enum Load {
        case fits, undecided
        case exceeds([CoveringCap])
    }

    private func lightest(
        _ cells: [Cell], _ slots: [Int], _ bound: Finding.Arithmetic.Term, _ weight: Weight
    ) -> Load {
        let caps = slots.sorted { policies[$0].id < policies[$1].id }.flatMap { slot in
            let entry = policies[slot]
            let shared = cells.flatMap { cell in
                entry.bricks.compactMap { space.intersection(cell, $0) }
            }
            guard !shared.isEmpty else { return [CoveringCap]() }
            let pairing = Pairing(shared, census)
            return weight(entry).map { item in
                let each: UInt64 =
                    if let rate = item.rate {
                        saturatingProduct(rate.amount, 3_600 / rate.intervalSeconds)
                    } else if case .cap(let index) = item.part {
                        available(slot, index, to: cells)
                    } else { 0 }
                return CoveringCap(
                    slot: slot, part: item.part, bricks: entry.bricks,
                    term: .init(
                        counters: pairing.counters(item.scope), scope: item.scope, each: each))
            }
        }
        let limit = saturatingProduct(bound.each, bound.perSeconds.map { 3_600 / $0 } ?? 1)
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
                return policies[item.slot].limits[index].rate
            }
            let rate = policies[cap.slot].limits[index].rate
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
            policies: family.map { .init(policies[$0.slot].id, .admits, $0.part) },
            subject: .service(service),
            witness: Finding.Witness(
                flow: space.flow(point), state: state(at: point, enabling: enabled),
                timeDependent: enabled.contains { policies[$0].time != 0 },
                arithmetic: Finding.Arithmetic(terms: terms, relation: .greater, bound: bound)))
    }

    private func deciders(meeting region: [Cell]) -> [Int] {
        policies.order.filter { slot in
            policies[slot].decides && space.meets(region, policies[slot].bricks)
        }
    }

    /// Policies with caps or limits that meet some of `slots`, these included.
    private func overlappingConstraints(_ slots: [Int]) -> [Int] {
        policies.order.filter { other in
            policies[other].constrains
                && (slots.contains(other)
                    || slots.contains { slot in
                        policies[slot].bricks.contains { own in
                            policies[other].bricks.contains { space.meets(own, $0) }
                        }
                    })
        }
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
