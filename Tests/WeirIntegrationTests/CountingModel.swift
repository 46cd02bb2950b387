// SPDX-License-Identifier: GPL-3.0-or-later
//
// Caps and limits counted by their definitions, one connection after the other: what the kernel
// must do next. Nothing of how they are compiled is known here.

import WeirLab
import WeirModel

struct CountingModel {
    private struct Place: Hashable {
        let constraint: Verdict.Constraint
        /// Which reservations the connections lie outside of, a bit each.
        let outside: Int
        let key: [IPAddress]
    }

    private struct Asked {
        let place: Place
        let limit: Limit
    }

    private let set: PolicySet
    private let state: PolicyState
    private var held: [Place: Int] = [:]
    /// What is left in a bucket: at least, at most. A connection that meets several buckets, of
    /// which one is empty, may have taken from the others.
    private var tokens: [Place: (least: Int, most: Int)] = [:]

    init(_ set: PolicySet, in state: PolicyState) {
        self.set = set
        self.state = state
    }

    /// What may come of a connection now; nearly always one thing.
    func expect(_ flow: Flow) -> Set<Outcome> {
        let verdict = set.decide(flow, in: state)
        guard verdict.action == .allow else { return [KernelAgreesTests.expected(verdict, flow)] }
        let limits = limits(verdict, flow)
        var outcomes: Set<Outcome> = []
        let mayReachCaps = limits.allSatisfy { left($0).most > 0 }
        let isRoom = caps(verdict, flow).allSatisfy { held[$0.place, default: 0] < $0.most }
        if mayReachCaps { outcomes.insert(isRoom ? .open : Self.reject(flow)) }
        for asked in limits where left(asked).least == 0 {
            outcomes.insert(asked.limit.excess == .drop ? .dropped : Self.reject(flow))
        }
        return outcomes
    }

    /// Takes note of what came of it.
    mutating func record(_ flow: Flow, _ outcome: Outcome) {
        let verdict = set.decide(flow, in: state)
        guard verdict.action == .allow else { return }
        let limits = limits(verdict, flow)
        let places = caps(verdict, flow)
        let wereAllAsked = outcome == .open || limits.allSatisfy { left($0).least > 0 }
        for asked in limits {
            let (least, most) = left(asked)
            if wereAllAsked {
                tokens[asked.place] = (max(least, 1) - 1, most - 1)
            } else if limits.count > 1 || most != least {
                tokens[asked.place] = (max(0, least - 1), most)
            }
        }
        guard outcome == .open else { return }
        for item in places { held[item.place, default: 0] += 1 }
    }

    private static func reject(_ flow: Flow) -> Outcome {
        flow.port.protocolNumber == IPProtocol.tcp ? .reset : .prohibited
    }

    private func left(_ asked: Asked) -> (least: Int, most: Int) {
        tokens[asked.place] ?? (Int(asked.limit.burst), Int(asked.limit.burst))
    }

    private func limits(_ verdict: Verdict, _ flow: Flow) -> [Asked] {
        verdict.constraints.compactMap { constraint in
            guard case .limit(let index) = constraint.kind else { return nil }
            let limit = set[constraint.policy].limits[index]
            return Asked(
                place: Place(
                    constraint: constraint, outside: 0, key: limit.scope.key(flow)), limit: limit)
        }
    }

    /// The counts that a connection enters, and how many each takes.
    private func caps(_ verdict: Verdict, _ flow: Flow) -> [(place: Place, most: Int)] {
        verdict.constraints.flatMap { constraint -> [(place: Place, most: Int)] in
            guard case .cap(let index) = constraint.kind else { return [] }
            let cap = set[constraint.policy].caps[index]
            // Every choice of reservations that the source is in none of, the empty one too.
            return (0..<1 << cap.reservations.count).compactMap { choice in
                let chosen = cap.reservations.enumerated().filter { choice >> $0.offset & 1 == 1 }
                let isOutside = chosen.allSatisfy {
                    !set.landscape.contains($0.element.beneficiary, flow.source)
                }
                guard isOutside else { return nil }
                let reserved = chosen.reduce(0) { $0 + Int($1.element.connections) }
                return (
                    Place(constraint: constraint, outside: choice, key: cap.scope.key(flow)),
                    max(0, Int(cap.connections) - reserved)
                )
            }
        }
    }
}

extension CountingScope {
    /// What a constraint of this scope counts apart.
    func key(_ flow: Flow) -> [IPAddress] {
        switch self {
        case .total: []
        case .source: [flow.source]
        case .destination: [flow.destination]
        case .pair: [flow.source, flow.destination]
        }
    }
}
