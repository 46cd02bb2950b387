// SPDX-License-Identifier: GPL-3.0-or-later
//
// Small random landscapes and policy sets for the oracle: few addresses, few ports, few instants,
// so that everything collides with everything and every flow in every state can be tried.

import WeirModel

/// SplitMix64 (Steele, Lea, Flood 2014): every case can be made again from its seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<Element>(_ list: [Element]) -> Element {
        list[Int.random(in: list.indices, using: &self)]
    }
}

/// Makes policy sets.
struct PolicySetMaker {
    var rng: SeededGenerator
    /// What a policy set is mostly about.
    private enum Flavour: CaseIterable { case mixed, decisions, quantities }
    private var flavour = Flavour.mixed
    /// Whether policies may name addresses and not only services, zones and labels.
    var hasLiterals = true
    var mostPolicies = 6

    /// Addresses that a landscape or a literal may name; all others are alike.
    static let window: [IPAddress] =
        (0..<8).map { IPAddress.v4(0x0A00_0000 + $0) } + (0..<4).map { IPAddress.v6(0xFD00 + $0) }

    init(seed: UInt64) {
        rng = SeededGenerator(state: seed)
        flavour = rng.pick(Flavour.allCases)
    }

    mutating func policySet() -> PolicySet {
        let landscape = landscape()
        let layers = (0..<Int.random(in: 1...3, using: &rng)).map { index in
            Layer(
                name: "l\(index)",
                defaultAction: rng.chance(12) ? rng.pick([.allow, .reject, .drop]) : nil)
        }
        let count = Int.random(in: 1...mostPolicies, using: &rng)
        let owners = (0..<count).map { _ in Int.random(in: layers.indices, using: &rng) }.sorted()
        var policies = owners.enumerated().map { index, layer in
            policy("p\(index)", layer, landscape)
        }
        for index in policies.indices { declareOverrides(&policies, of: index) }
        return PolicySet(
            landscape: landscape, layers: layers, policies: policies,
            assertions: (0..<Int.random(in: 0...2, using: &rng)).map { _ in
                Assertion(
                    modality: rng.pick([.never, .always]), interactions: interactions(landscape),
                    connections: rng.chance(40) ? number() : nil)
            }, triggers: rng.chance(20) ? [trigger(policies)] : [])
    }

    /// Lets a policy override some others, now and then.
    mutating func declareOverrides(_ policies: inout [Policy], of index: Int) {
        policies[index].overriding = []
        guard rng.chance(35) else { return }
        let loops = rng.chance(3)
        let targets = policies.indices.filter { target in
            loops
                ? policies[target].layer >= policies[index].layer
                : policies[target].layer > policies[index].layer
                    || policies[target].layer == policies[index].layer && target > index
        }
        guard !targets.isEmpty else { return }
        policies[index].overriding = (0..<Int.random(in: 1...2, using: &rng)).map { _ in
            Override(policy: PolicyID(index: rng.pick(targets)))
        }
    }

    mutating func trigger(_ policies: [Policy]) -> Trigger {
        func any() -> PolicyID {
            PolicyID(index: Int.random(in: policies.indices, using: &rng))
        }
        return Trigger(
            policy: any(), signal: .connections, comparison: .greater, threshold: 1,
            holdSeconds: 1, enables: any(), enableSeconds: 60)
    }

    mutating func landscape() -> Landscape {
        let services = (0..<Int.random(in: 1...3, using: &rng)).map { index in service(index) }
        var zones: [Zone] = []
        if rng.chance(80) {
            zones.append(
                Zone(
                    name: "z0",
                    ranges: [
                        AddressRange(family: .v4, first: 0x0A00_0000, last: 0x0A00_0003),
                        AddressRange(family: .v6, first: 0xFD00, last: 0xFD01),
                    ]))
        }
        if rng.chance(70) {
            zones.append(
                Zone(
                    name: "z1",
                    ranges: [AddressRange(family: .v4, first: 0x0A00_0004, last: 0x0A00_0006)]))
        }
        return Landscape(services: services, zones: zones)
    }

    mutating func service(_ index: Int) -> Service {
        Service(
            name: "s\(index)", labels: rng.chance(50) ? ["k": rng.pick(["a", "b"])] : [:],
            capacity: Capacity(
                connections: rng.chance(50) ? number() * 3 : nil,
                connectionRate: rng.chance(30) ? rate() : nil),
            endpoints: (0..<(rng.chance(8) ? 0 : Int.random(in: 1...4, using: &rng))).map { _ in
                address()
            })
    }

    mutating func address() -> IPAddress {
        rng.chance(85) ? rng.pick(Array(Self.window[..<8])) : rng.pick(Array(Self.window[8...]))
    }

    mutating func number() -> UInt64 { UInt64.random(in: 1...12, using: &rng) }

    mutating func rate() -> RatePerInterval {
        RatePerInterval(amount: number(), intervalSeconds: rng.chance(80) ? 1 : 60)
    }

    mutating func set(_ landscape: Landscape, depth: Int = 2) -> AddressSet {
        switch Int.random(in: 0..<(depth > 0 ? 14 : 10), using: &rng) {
        case 0, 1: return .any
        case 2...8 where flavour != .mixed && rng.chance(50):
            return rng.pick([.any, .internal, .service(0)])
        case 2: return .internal
        case 3: return rng.chance(50) ? .external : .any
        case 4, 5, 6:
            return .service(Int.random(in: landscape.services.indices, using: &rng))
        case 7 where !landscape.zones.isEmpty:
            return .zone(Int.random(in: landscape.zones.indices, using: &rng))
        case 8: return .labels([.isIn(key: "k", values: rng.pick([["a"], ["b"], ["a", "b"]]))])
        case 9, 7:
            if !hasLiterals { return .internal }
            let first = address()
            let top: UInt128 = first.family == .v4 ? 0x0A00_0007 : 0xFD03
            let last = min(top, first.value + UInt128.random(in: 0..<4, using: &rng))
            return .range(AddressRange(family: first.family, first: first.value, last: last))
        case 10: return .union(set(landscape, depth: 0), set(landscape, depth: depth - 1))
        case 11: return .intersection(set(landscape, depth: 0), set(landscape, depth: depth - 1))
        default: return .difference(set(landscape, depth: 0), set(landscape, depth: depth - 1))
        }
    }

    mutating func ports() -> PortSet {
        let low = UInt16.random(in: 80...82, using: &rng)
        let tcp = PortSet.ports(
            IPProtocol.tcp, low, low + UInt16.random(in: 0...2, using: &rng))
        switch Int.random(in: 0..<10, using: &rng) {
        case 0..<5: return .any
        case 5: return .all(of: IPProtocol.tcp)
        case 6: return tcp.union(.ports(IPProtocol.udp, 53, 53))
        default: return tcp
        }
    }

    mutating func interactions(_ landscape: Landscape) -> [Interaction] {
        (0..<(rng.chance(80) ? 1 : 2)).map { _ in
            Interaction(
                source: set(landscape), destination: set(landscape), ports: ports(),
                zoneRelation: rng.chance(15) ? rng.pick([.across, .within]) : nil)
        }
    }

    mutating func policy(_ name: String, _ layer: Int, _ landscape: Landscape) -> Policy {
        let (decides, constrains) =
            switch flavour {
            case .mixed: (75, 30)
            case .decisions: (97, 5)
            case .quantities: (25, 90)
            }
        let decision: Decision? =
            rng.chance(decides)
            ? Decision(action: rng.pick([.allow, .allow, .reject, .drop])) : nil
        let constrained = decision == nil || rng.chance(constrains)
        return Policy(
            name: name, layer: layer, interactions: interactions(landscape), decision: decision,
            caps: constrained && rng.chance(65) ? caps(landscape) : [],
            limits: constrained && rng.chance(40) ? limits() : [],
            effects: rng.chance(8) ? [Effect(kind: .observe)] : [], activation: activation())
    }

    mutating func scope() -> CountingScope {
        rng.pick([.total, .total, .source, .destination, .pair])
    }

    mutating func caps(_ landscape: Landscape) -> [Cap] {
        (0..<Int.random(in: 1...2, using: &rng)).map { _ in
            Cap(
                connections: number() * (rng.chance(30) ? 3 : 1), scope: scope(),
                reservations: (0..<(rng.chance(45) ? Int.random(in: 1...3, using: &rng) : 0)).map {
                    _ in
                    Cap.Reservation(
                        connections: number(), beneficiary: set(landscape, depth: 1))
                })
        }
    }

    mutating func limits() -> [Limit] {
        (0..<Int.random(in: 1...2, using: &rng)).map { _ in
            Limit(
                rate: rate(), unit: rng.pick([.connections, .connections, .bytes]),
                scope: scope(), burst: number(),
                excess: rng.pick([.reject, .reject, .drop, .markECN]))
        }
    }

    mutating func activation() -> PolicyActivation {
        var found = PolicyActivation()
        if rng.chance(18) { found.standby = true }
        if rng.chance(4) { found.staged = true }
        if rng.chance(12) {
            found.until = monday + 3_600 * Int64.random(in: -2...5, using: &rng)
        } else if rng.chance(4) {
            found.forSeconds = 3_600 * Int64.random(in: 1...5, using: &rng)
        }
        if rng.chance(10) {
            found.during = [
                WeeklyHours(
                    days: [rng.pick([0, 0, 3, 6])],
                    startMinute: 60 * Int.random(in: 0...6, using: &rng),
                    endMinute: 60 * Int.random(in: 0...6, using: &rng))
            ]
        }
        return found
    }
}
