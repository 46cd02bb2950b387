// SPDX-License-Identifier: GPL-3.0-or-later
//
// Random edits of which none denies the clients of the storm their servers: policies about others
// come, change and go; constraints that never bind, effects and staged policies lie over the
// clients' flows; endpoints are added and removed.

import WeirKernel
import WeirLab
import WeirModel
import WeirTesting

struct StormEdits {
    static let cap = 20
    static let mainFlows = (1...8).map {
        Gateway.tcp("10.1.0.\($0)", "10.2.0.\($0 % 4 + 1)", 7001)
    }
    static let cappedFlow = Gateway.tcp("10.1.1.1", "10.2.1.1", 7003)

    private var random: RandomPolicies
    private var landscape: Landscape
    private var own: [String: Policy] = [:]
    private static let others = 4..<12

    init(seed: UInt64) {
        random = RandomPolicies(seed: seed)
        landscape = WeirIntegrationTests.landscape(
            [
                ("clients", (1...8).map { "10.1.0.\($0)" }),
                ("servers", (1...4).map { "10.2.0.\($0)" }),
                ("batch", ["10.1.1.1", "fd00:1::1"]), ("vault", ["10.2.1.1", "fd00:2::1"]),
            ] + Self.others.map { ("s\($0)", ["10.1.2.\($0)", "10.2.2.\($0)"]) })
    }

    /// The policies now: those that stay, and those that come and go.
    var policySet: PolicySet {
        func stays(_ name: String, _ layer: Int, _ from: Int, _ to: Int, _ port: UInt16) -> Policy {
            Policy(
                name: name, layer: layer,
                interactions: [
                    Interaction(
                        source: .service(from), destination: .service(to),
                        ports: .ports(IPProtocol.tcp, port, port))
                ], decision: Decision(action: .allow))
        }
        var shield = stays("shield", 2, 2, 3, 7003)
        shield.decision = nil
        shield.caps = [Cap(connections: UInt64(Self.cap))]
        var policies =
            [stays("main", 3, 0, 1, 7001), stays("vaulting", 3, 2, 3, 7003), shield]
            + own.values
        policies.sort { ($0.layer, $0.name) < ($1.layer, $1.name) }
        // Where two of a layer disagree, the later one says that it overrides.
        for index in policies.indices {
            policies[index].overriding = policies[..<index].indices.filter { other in
                policies[other].layer == policies[index].layer
                    && policies[other].decision?.action != policies[index].decision?.action
                    && policies[other].decision != nil && policies[index].decision != nil
            }.map { Override(policy: PolicyID(index: $0)) }
        }
        return PolicySet(
            landscape: landscape,
            layers: [
                Layer(name: "emergency"), Layer(name: "security"), Layer(name: "resilience"),
                Layer(name: "baseline", defaultAction: .reject),
            ], policies: policies)
    }

    /// One to three edits.
    mutating func edit() {
        for _ in 0..<random.number(1...3) {
            switch random.number(0...9) {
            case 0, 1, 2, 3: decide()
            case 4: constrain()
            case 5: forget()
            case 6: moveEndpoint()
            case 7: expire()
            default: lie()
            }
        }
    }

    private mutating func other() -> AddressSet {
        switch random.number(0...5) {
        case 0: .difference(.any, .union(.service(0), .service(2)))
        case 1:
            .range(
                AddressRange(
                    family: .v4, first: 0x0A01_0200 + UInt128(random.number(0...7)),
                    last: 0x0A01_0200 + UInt128(random.number(8...20))))
        case 2: .difference(.external, .service(0))
        default: .service(random.number(Self.others.lowerBound...Self.others.upperBound - 1))
        }
    }

    private mutating func ports() -> PortSet {
        switch random.number(0...4) {
        case 0: .any
        case 1: .ports(IPProtocol.tcp, 7000, UInt16(random.number(7001...7010)))
        case 2: .all(of: random.pick([IPProtocol.tcp, IPProtocol.udp]))
        default: .ports(IPProtocol.tcp, 7001, 7001)
        }
    }

    /// A decision about others.
    private mutating func decide() {
        let name = "other\(random.number(0...29))"
        own[name] = Policy(
            name: name, layer: random.number(0...3),
            interactions: [
                Interaction(
                    source: other(), destination: random.chance(50) ? .service(1) : .any,
                    ports: ports())
            ], decision: Decision(action: random.pick([.allow, .reject, .drop])),
            caps: random.chance(20) ? [Cap(connections: UInt64(random.number(1...50)))] : [])
    }

    private var mainInteraction: Interaction {
        Interaction(
            source: .service(0), destination: .service(1),
            ports: .ports(IPProtocol.tcp, 7001, 7001))
    }

    /// Caps and limits over the clients' flows that never bind.
    private mutating func constrain() {
        let name = "roomy\(random.number(0...3))"
        var policy = Policy(name: name, layer: 2, interactions: [mainInteraction])
        if random.chance(30) { policy.interactions[0].ports = .any }
        switch random.number(0...3) {
        case 0:
            policy.caps = [
                Cap(
                    connections: UInt64(random.number(60_000...60_009)),
                    scope: random.pick([.total, .source, .pair]))
            ]
        case 1:
            policy.caps = [
                Cap(
                    connections: 60_000,
                    reservations: [
                        Cap.Reservation(
                            connections: UInt64(random.number(1...99)),
                            beneficiary: .service(random.number(4...11)))
                    ])
            ]
        default:
            let unit = random.pick([Limit.Unit.connections, .packets, .bytes])
            policy.limits = [
                Limit(
                    rate: RatePerInterval(
                        amount: unit == .bytes ? 4_000_000_000 : 900_000_000, intervalSeconds: 1),
                    unit: unit, scope: random.pick([.total, .source]), burst: 1_000_000,
                    excess: .drop)
            ]
        }
        own[name] = policy
    }

    /// Effects, and policies that are staged: over the clients' flows.
    private mutating func lie() {
        let name = "watch\(random.number(0...5))"
        var policy = Policy(
            name: name, layer: random.number(0...3), interactions: [mainInteraction])
        switch random.number(0...2) {
        case 0: policy.effects = [Effect(kind: .observe)]
        case 1: policy.effects = [Effect(kind: .priority(random.pick([.high, .low, .critical])))]
        default:
            policy.decision = Decision(action: .reject)
            policy.activation = PolicyActivation(staged: true)
        }
        own[name] = policy
    }

    /// A decision about others that the kernel ends.
    private mutating func expire() {
        let name = "short\(random.number(0...3))"
        own[name] = Policy(
            name: name, layer: random.number(0...2),
            interactions: [Interaction(source: other(), destination: .any)],
            decision: Decision(action: .drop),
            activation: PolicyActivation(
                until: currentTimeMilliseconds() / 1000 + Int64(random.number(1...4))))
    }

    private mutating func forget() {
        guard let name = own.keys.sorted().randomElement(using: &random.rng) else { return }
        own[name] = nil
    }

    private mutating func moveEndpoint() {
        let index = random.number(Self.others.lowerBound...Self.others.upperBound - 1)
        var services = landscape.services
        let address = IPAddress.v4(0x0A01_0300 + UInt32(random.number(0...40)))
        var endpoints = services[index].endpoints
        if let place = endpoints.firstIndex(of: address) {
            endpoints.remove(at: place)
        } else {
            endpoints.append(address)
        }
        services[index] = Service(
            name: services[index].name, labels: services[index].labels, endpoints: endpoints)
        landscape = Landscape(services: services, zones: landscape.zones)
    }
}
