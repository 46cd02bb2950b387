// SPDX-License-Identifier: GPL-3.0-or-later
//
// A landscape and policies as large ones are: thousands of services of a few hundred teams in
// three zones, most policies between two services, some between teams or tiers, one in twenty
// broad. Everything follows from a seed.

import WeirModel

/// SplitMix64 (Steele, Lea, Flood 2014).
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

struct SyntheticLandscape {
    static let layers = [
        Layer(name: "emergency"), Layer(name: "security"), Layer(name: "resilience"),
        Layer(name: "baseline", defaultAction: .reject),
    ]
    static let tiers = ["web", "app", "data", "batch", "ops"]
    static let environments = ["prod", "prod", "prod", "canary", "dev"]

    var rng: SeededGenerator
    let landscape: Landscape
    private let teams: Int

    /// - Parameters:
    ///   - services: each in two of three zones, which makes two classes of each.
    ///   - endpoints: in all.
    init(services: Int, endpoints: Int, seed: UInt64) {
        rng = SeededGenerator(state: seed)
        teams = max(4, services / 15)
        var next: [UInt32] = [1, 1, 1]
        var list: [Service] = []
        for index in 0..<services {
            let zones = rng.pick([[0, 1], [1, 2], [0, 2]])
            let count = endpoints * (index + 1) / services - endpoints * index / services
            let addresses = (0..<count).map { number -> IPAddress in
                let zone = zones[number % 2]
                next[zone] += 1
                return .v4(0x0A00_0000 + UInt32(zone) << 20 + next[zone])
            }
            list.append(
                Service(
                    name: "s\(index)",
                    labels: [
                        "team": "t\(index % teams)", "tier": rng.pick(Self.tiers),
                        "env": rng.pick(Self.environments),
                    ],
                    capacity: Capacity(connections: rng.chance(30) ? 2_000 : nil),
                    endpoints: addresses))
        }
        landscape = Landscape(
            services: list,
            zones: (0..<3).map { zone in
                let first = UInt128(0x0A00_0000 + UInt32(zone) << 20)
                return Zone(
                    name: "z\(zone)",
                    ranges: [AddressRange(family: .v4, first: first, last: first + 0xF_FFFF)])
            })
    }

    /// Policies as a list of packet filter terms knows them: only allow and deny, always in
    /// force, from and to endpoints or anywhere, on TCP ports; one in twenty broad.
    mutating func plainPolicySet(_ count: Int) -> PolicySet {
        let policies = (0..<count).map { index -> Policy in
            let isBroad = rng.chance(5)
            let label = { (rng: inout SeededGenerator) -> AddressSet in
                .labels([
                    rng.chance(50)
                        ? .isIn(key: "tier", values: [rng.pick(Self.tiers)])
                        : .isIn(key: "env", values: [rng.pick(Self.environments)])
                ])
            }
            let source = isBroad ? label(&rng) : rng.chance(25) ? team() : service()
            let destination = isBroad ? label(&rng) : rng.chance(10) ? .any : service()
            return Policy(
                name: "p" + String(repeating: "0", count: 6 - "\(index)".count) + "\(index)",
                layer: rng.chance(10) ? 1 : 3,
                interactions: [
                    Interaction(source: source, destination: destination, ports: port())
                ], decision: Decision(action: rng.chance(10) ? .reject : .allow))
        }
        return PolicySet(
            landscape: landscape, layers: Self.layers,
            policies: policies.sorted { ($0.layer, $0.name) < ($1.layer, $1.name) })
    }

    /// So many policies, sorted as a policy set wants them.
    mutating func policySet(_ count: Int) -> PolicySet {
        var policies = (0..<count).map { policy($0) }
        policies.sort { ($0.layer, $0.name) < ($1.layer, $1.name) }
        return PolicySet(
            landscape: landscape, layers: Self.layers, policies: policies,
            assertions: assertions())
    }

    private func assertions() -> [Assertion] {
        let isTier = { (tier: String) in
            AddressSet.labels([.isIn(key: "tier", values: [tier])])
        }
        return [
            Assertion(
                modality: .never,
                interactions: [
                    Interaction(source: .external, destination: isTier("data"), ports: tcp(5432))
                ])
        ]
    }

    private func tcp(_ port: UInt16) -> PortSet { .ports(IPProtocol.tcp, port, port) }

    private mutating func service() -> AddressSet {
        .service(Int.random(in: landscape.services.indices, using: &rng))
    }

    private mutating func team() -> AddressSet {
        .labels([.isIn(key: "team", values: ["t\(Int.random(in: 0..<teams, using: &rng))"])])
    }

    private mutating func port() -> PortSet { tcp(8_000 + UInt16.random(in: 0..<200, using: &rng)) }

    /// One policy: one in twenty is broad.
    mutating func policy(_ index: Int) -> Policy {
        let name = "p" + String(repeating: "0", count: 6 - "\(index)".count) + "\(index)"
        if rng.chance(5) { return broad(name) }
        switch Int.random(in: 0..<100, using: &rng) {
        case 0..<55:
            return Policy(
                name: name, layer: 3,
                interactions: [
                    Interaction(source: service(), destination: service(), ports: port())
                ], decision: Decision(action: .allow))
        case 55..<70:
            return Policy(
                name: name, layer: 3,
                interactions: [
                    Interaction(source: team(), destination: service(), ports: port())
                ], decision: Decision(action: .allow))
        case 70..<93:
            return constraint(name)
        case 93..<97:
            return Policy(
                name: name, layer: 1,
                interactions: [Interaction(source: service(), destination: team(), ports: port())],
                decision: Decision(action: .reject))
        default:
            return Policy(
                name: name, layer: 0,
                interactions: [Interaction(source: service(), destination: .any)],
                decision: Decision(action: .reject),
                activation: PolicyActivation(standby: true))
        }
    }

    private mutating func constraint(_ name: String) -> Policy {
        let perSource = rng.chance(30)
        let total = UInt64.random(in: 200...1_900, using: &rng)
        let target = service()
        return Policy(
            name: name, layer: 2,
            interactions: [Interaction(source: .any, destination: target, ports: port())],
            caps: [
                Cap(
                    connections: total,
                    reservations: rng.chance(10)
                        ? [.init(connections: total / 4, beneficiary: team())] : [])
            ],
            limits: perSource
                ? [
                    Limit(
                        rate: RatePerInterval(amount: 50, intervalSeconds: 1),
                        unit: .connections, scope: .source, burst: 100, excess: .reject)
                ] : [])
    }

    private mutating func broad(_ name: String) -> Policy {
        let tier = AddressSet.labels([.isIn(key: "tier", values: [rng.pick(Self.tiers)])])
        let environment = AddressSet.labels([
            .isIn(key: "env", values: [rng.pick(Self.environments)])
        ])
        let zone = AddressSet.zone(Int.random(in: 0..<3, using: &rng))
        let side = { (rng: inout SeededGenerator) in
            rng.pick([tier, environment, .internal, .intersection(tier, zone)])
        }
        switch Int.random(in: 0..<10, using: &rng) {
        case 0..<3:
            return Policy(
                name: name, layer: 3,
                interactions: [
                    Interaction(
                        source: side(&rng), destination: side(&rng),
                        ports: tcp(9_000 + UInt16.random(in: 0..<200, using: &rng)))
                ], decision: Decision(action: .allow))
        case 3..<8:
            return Policy(
                name: name, layer: 2,
                interactions: [
                    Interaction(source: side(&rng), destination: side(&rng), ports: port())
                ],
                limits: [
                    Limit(
                        rate: RatePerInterval(amount: 20_000_000, intervalSeconds: 1),
                        unit: .bytes, scope: .source, burst: 2_000_000, excess: .drop)
                ])
        case 8:
            return Policy(
                name: name, layer: 2,
                interactions: [Interaction(source: side(&rng), destination: .any)],
                effects: [Effect(kind: .observe)])
        default:
            return Policy(
                name: name, layer: 1,
                interactions: [
                    Interaction(
                        source: .external, destination: side(&rng),
                        ports: .all(of: IPProtocol.tcp))
                ], decision: Decision(action: .drop))
        }
    }
}
