// SPDX-License-Identifier: GPL-3.0-or-later
//
// The codes that are about numbers, by counting addresses and trying every family of caps.

import WeirAnalysis
import WeirModel

extension Oracle {
    /// A cap or limit by policy and index.
    struct Part: Hashable {
        let policy: Int
        let isCap: Bool
        let index: Int

        var about: [Int] { [policy, isCap ? 1 : 2, index] }
    }

    func caps(_ mask: UInt32) -> [Part] {
        members(mask).flatMap { policy in
            policySet.policies[policy].caps.indices.map {
                Part(policy: policy, isCap: true, index: $0)
            }
        }
    }

    /// How many counters of a scope some flows meet.
    func counters(_ scope: CountingScope, _ flows: [Int]) -> UInt64 {
        switch scope {
        case .total: return 1
        case .source:
            return Set(flows.map { cases[$0].source }).reduce(0) { sum($0, places[$1].weight) }
        case .destination:
            return Set(flows.map { cases[$0].destination })
                .reduce(0) { sum($0, places[$1].weight) }
        case .pair:
            return Set(flows.map { [cases[$0].source, cases[$0].destination] }).reduce(0) {
                sum($0, product(places[$1[0]].weight, places[$1[1]].weight))
            }
        }
    }

    func flows(_ policy: Int) -> [Int] {
        cases.indices.filter { has(cases[$0].policies, policy) }
    }

    /// Those of some flows that may be admitted in some state with a policy in force.
    func admitted(_ policy: Int, _ flows: [Int]) -> [Int] {
        let states = moments.filter { has($0.inForce, policy) }
        var known: [UInt32: Bool] = [:]
        return flows.filter { index in
            let mask = cases[index].policies
            let answer =
                known[mask] ?? states.contains { decided(mask & $0.inForce).mayAdmit }
            known[mask] = answer
            return answer
        }
    }

    /// What one counter of a cap leaves to some flows.
    func left(_ part: Part, _ flows: [Int]) -> UInt64 {
        let cap = policySet.policies[part.policy].caps[part.index]
        var rest = cap.connections
        for (number, reservation) in cap.reservations.enumerated() {
            let own = reserved(part.policy, part.index, number)
            if !own.isEmpty, Set(own).isDisjoint(with: flows) {
                rest -= min(rest, reservation.connections)
            }
        }
        return rest
    }

    func leaves(_ part: Part, _ flows: [Int]) -> UInt64 {
        let cap = policySet.policies[part.policy].caps[part.index]
        return product(
            left(part, flows),
            counters(cap.scope, flows.filter { has(cases[$0].policies, part.policy) }))
    }

    /// The least sum of a family that covers all flows; the greatest number where none does.
    func leastCover(
        _ flows: [Int], _ parts: [Part], _ weight: ((Part, [Int]) -> UInt64)? = nil
    ) -> UInt64 {
        let masks = Set(flows.map { cases[$0].policies })
        let useful = parts.filter { part in masks.contains { has($0, part.policy) } }
        // Of one policy's caps the lightest is enough.
        var lightest: [Int: UInt64] = [:]
        for part in useful {
            let own = weight.map { $0(part, flows) } ?? leaves(part, flows)
            lightest[part.policy] = min(lightest[part.policy] ?? .max, own)
        }
        let policies = lightest.keys.sorted()
        var best = UInt64.max
        for subset in 0..<(UInt32(1) << UInt32(policies.count)) {
            let chosen = policies.indices.filter { subset >> UInt32($0) & 1 == 1 }
            let mask = chosen.reduce(UInt32(0)) { $0 | 1 << UInt32(policies[$1]) }
            guard masks.allSatisfy({ $0 & mask != 0 }) else { continue }
            best = min(best, chosen.reduce(0) { sum($0, lightest[policies[$1]] ?? .max) })
        }
        return best
    }

    func masked() -> Set<Key> {
        var keys: Set<Key> = []
        for policy in policySet.policies.indices where isLive(policy) {
            for part in parts(policy) {
                let masking = policySet.policies.indices.flatMap(parts).contains { other in
                    guard other != part, let isStrict = masks(other, part) else { return false }
                    return isStrict || wins(other, part)
                }
                if masking { keys.insert(key(.maskedLimit, part.about)) }
            }
        }
        return keys
    }

    private func parts(_ policy: Int) -> [Part] {
        policySet.policies[policy].limits.indices.map {
            Part(policy: policy, isCap: false, index: $0)
        } + caps(1 << UInt32(policy))
    }

    private func precedes(_ a: Part, _ b: Part) -> Bool {
        (a.policy, a.isCap ? 1 : 0, a.index) < (b.policy, b.isCap ? 1 : 0, b.index)
    }

    /// Of two with the same effect, whether the first masks the second: if its policy alone
    /// matches all that the other's does, or if neither or both do and it comes first.
    private func wins(_ a: Part, _ b: Part) -> Bool {
        let (left, right) = (Set(flows(a.policy)), Set(flows(b.policy)))
        let (wider, narrower) = (left.isSuperset(of: right), right.isSuperset(of: left))
        return wider == narrower ? precedes(a, b) : wider
    }

    /// Whether one constraint never lets through more than another; true if always less.
    private func masks(_ tighter: Part, _ part: Part) -> Bool? {
        guard tighter.isCap == part.isCap, isLive(tighter.policy), isLive(part.policy),
            moments.allSatisfy({
                !has($0.inForce, part.policy) || has($0.inForce, tighter.policy)
            })
        else { return nil }
        let own = admitted(part.policy, flows(part.policy))
        guard !own.isEmpty, own.allSatisfy({ has(cases[$0].policies, tighter.policy) }) else {
            return nil
        }
        if part.isCap {
            let cap = policySet.policies[part.policy].caps[part.index]
            let other = policySet.policies[tighter.policy].caps[tighter.index]
            let most = mostCounters(other.scope, per: cap.scope, own)
            let promised = cap.reservations.indices
                .filter { !reserved(part.policy, part.index, $0).isEmpty }
                .reduce(UInt64(0)) { sum($0, cap.reservations[$1].connections) }
            let through = product(left(tighter, own), most)
            let bound = cap.connections - min(cap.connections, promised)
            return through <= bound ? through < bound : nil
        }
        let limit = policySet.policies[part.policy].limits[part.index]
        let other = policySet.policies[tighter.policy].limits[tighter.index]
        guard limit.unit == other.unit, other.excess != .markECN else { return nil }
        let most = mostCounters(other.scope, per: limit.scope, own)
        let hourly = { (rate: RatePerInterval) in
            product(rate.amount, 3_600 / rate.intervalSeconds)
        }
        let (rate, burst) = (product(hourly(other.rate), most), product(other.burst, most))
        guard rate <= hourly(limit.rate), burst <= limit.burst else { return nil }
        return rate < hourly(limit.rate) || burst < limit.burst
    }

    /// The most counters of `scope` that the flows of one counter of `key` meet.
    private func mostCounters(
        _ scope: CountingScope, per key: CountingScope, _ flows: [Int]
    ) -> UInt64 {
        // Flows of one counter: those from one address, to one, or both.
        func one(_ flows: [Int]) -> UInt64 {
            switch (key, scope) {
            case (.source, .source), (.destination, .destination), (.pair, _): 1
            case (.source, .pair): counters(.destination, flows)
            case (.destination, .pair): counters(.source, flows)
            default: counters(scope, flows)
            }
        }
        return groups(key, flows).map(one).max() ?? 0
    }

    /// Flows by counter, one place standing for its addresses.
    func groups(_ scope: CountingScope, _ flows: [Int]) -> [[Int]] {
        switch scope {
        case .total: [flows]
        case .source: Array(Dictionary(grouping: flows) { cases[$0].source }.values)
        case .destination: Array(Dictionary(grouping: flows) { cases[$0].destination }.values)
        case .pair:
            Array(
                Dictionary(grouping: flows) { [cases[$0].source, cases[$0].destination] }.values)
        }
    }

    func overReserved() -> Set<Key> {
        var keys: Set<Key> = []
        for policy in policySet.policies.indices where isLive(policy) {
            for (index, cap) in policySet.policies[policy].caps.enumerated() {
                let part = Part(policy: policy, isCap: true, index: index)
                if isOverReserved(part, cap) {
                    keys.insert(
                        key(
                            .brokenReservation, [policy, index], reason: "over",
                            possible: has(standby, policy)))
                }
            }
        }
        return keys
    }

    private func isOverReserved(_ part: Part, _ cap: Cap) -> Bool {
        let sets = cap.reservations.indices.map { Set(reserved(part.policy, part.index, $0)) }
        return groups(cap.scope, flows(part.policy)).contains { group in
            cap.reservations.indices.filter { !sets[$0].isDisjoint(with: group) }
                .reduce(UInt64(0)) { sum($0, cap.reservations[$1].connections) } > cap.connections
        }
    }

    /// A reservation with flows that may be admitted: its cap, its number, these flows, and the
    /// connections it promises.
    struct Promise {
        let part: Part
        let number: Int
        let flows: [Int]
        let total: UInt64
    }

    private func allReservations() -> [Promise] {
        policySet.policies.indices.filter(isLive).flatMap { policy in
            caps(1 << UInt32(policy)).flatMap { part -> [Promise] in
                policySet.policies[policy].caps[part.index].reservations.indices.map { number in
                    Promise(
                        part: part, number: number,
                        flows: reserved(policy, part.index, number), total: 0)
                }
            }
        }.filter { !$0.flows.isEmpty }
    }

    func allPromises() -> [Promise] {
        policySet.policies.indices.filter(isLive).flatMap { policy in
            caps(1 << UInt32(policy)).flatMap { part -> [Promise] in
                let cap = policySet.policies[policy].caps[part.index]
                return cap.reservations.indices.compactMap { number in
                    let flows = admitted(policy, reserved(policy, part.index, number))
                    guard !flows.isEmpty else { return nil }
                    return Promise(
                        part: part, number: number, flows: flows,
                        total: product(
                            cap.reservations[number].connections, counters(cap.scope, flows)))
                }
            }
        }
    }

    func starved() -> Set<Key> {
        var keys: Set<Key> = []
        for promise in allPromises() {
            let policy = promise.part.policy
            let tight = moments.filter { moment in
                has(moment.inForce, policy)
                    && leastCover(
                        promise.flows, caps(moment.inForce).filter { $0 != promise.part })
                        < promise.total
            }
            guard !tight.isEmpty else { continue }
            let own = standby & 1 << UInt32(policy)
            let alone = tight.contains { $0.enabled == own }
            keys.insert(
                key(
                    .brokenReservation, [policy, promise.part.index, promise.number],
                    reason: "starved", possible: !alone || own != 0, warning: !alone))
        }
        return keys
    }

    func denied() -> Set<Key> {
        var keys: Set<Key> = []
        for promise in allReservations() {
            let policy = promise.part.policy
            let own = UInt32(1) << UInt32(policy)
            let masks = Set(promise.flows.map { cases[$0].policies })
            let shut = moments.filter { moment in
                guard has(moment.inForce, policy) else { return false }
                let others = members(moment.enabled & ~own)
                guard
                    others.allSatisfy({
                        policySet.policies[$0].decision.map { $0.action != .allow } ?? false
                    })
                else { return false }
                return masks.allSatisfy { !decided($0 & moment.inForce).mayAdmit }
            }
            guard !shut.isEmpty else { continue }
            let alone = shut.contains { $0.enabled & ~own == 0 }
            keys.insert(
                key(
                    .brokenReservation, [policy, promise.part.index, promise.number],
                    reason: "denied", possible: !alone || own & standby != 0, warning: !alone))
        }
        return keys
    }

    func shared() -> Set<Key> {
        var keys: Set<Key> = []
        let promises = allPromises()
        for policy in policySet.policies.indices where isLive(policy) {
            for part in caps(1 << UInt32(policy)) {
                let cap = policySet.policies[policy].caps[part.index]
                guard cap.scope == .total, !isOverReserved(part, cap) else { continue }
                let all = Set(flows(policy))
                let fitting = promises.filter { promise in
                    promise.part == part
                        || all.isSuperset(of: promise.flows)
                            && promise.total <= left(part, promise.flows)
                }
                let bad = moments.filter { moment in
                    has(moment.inForce, policy)
                        && exceeds(
                            cap.connections, part,
                            fitting.filter { has(moment.inForce, $0.part.policy) })
                }
                guard !bad.isEmpty else { continue }
                let own = standby & 1 << UInt32(policy)
                let alone = bad.contains { $0.enabled & ~own == 0 }
                keys.insert(
                    key(
                        .brokenReservation, [policy, part.index], reason: "shared",
                        possible: !alone || own != 0, warning: !alone))
            }
        }
        return keys
    }

    private func exceeds(_ bound: UInt64, _ own: Part, _ promises: [Promise]) -> Bool {
        let sets = promises.map { Set($0.flows) }
        return (0..<(1 << promises.count)).contains { subset in
            let chosen = promises.indices.filter { subset >> $0 & 1 == 1 }
            return chosen.contains { promises[$0].part != own }
                && chosen.reduce(UInt64(0), { sum($0, promises[$1].total) }) > bound
                && chosen.allSatisfy { a in
                    chosen.allSatisfy { a >= $0 || sets[a].isDisjoint(with: sets[$0]) }
                }
        }
    }
}
