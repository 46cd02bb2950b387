// SPDX-License-Identifier: GPL-3.0-or-later
//
// Random landscapes and policy sets without ambiguity, and flows worth asking about.

public import WeirModel

public struct SeededGenerator: RandomNumberGenerator {
    public var state: UInt64

    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

public struct RandomPolicies {
    public var rng: SeededGenerator

    /// Whether policies get caps and limits.
    public var constrains = true
    /// Whether flows are only such that a socket can try them: TCP, UDP and pings.
    public var onlyProbes = false

    public init(seed: UInt64) { rng = SeededGenerator(state: seed) }

    public mutating func pick<T>(_ values: [T]) -> T {
        values[Int.random(in: values.indices, using: &rng)]
    }
    public mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &rng) < percent
    }
    public mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &rng)
    }

    /// 10.0.0.1 and following, 2001:db8::1 and following.
    public mutating func address() -> IPAddress {
        chance(60)
            ? .v4(0x0A00_0001 + UInt32(number(0...31)))
            : .v6(Self.base6 + UInt128(number(0...31)))
    }

    private static let base6: UInt128 = 0x2001_0DB8 << 96 | 1

    public mutating func landscape(services count: Int? = nil) -> Landscape {
        let services = (0..<(count ?? number(1...14))).map { index in
            Service(
                name: "s\(index)", labels: ["k": pick(["a", "b"]), "e": pick(["x", "y"])],
                endpoints: (0..<number(0...4)).map { _ in address() })
        }
        let zones = [
            Zone(
                name: "z0",
                ranges: [
                    AddressRange(family: .v4, first: 0x0A00_0000, last: 0x0A00_000B),
                    AddressRange(family: .v6, first: Self.base6, last: Self.base6 + 9),
                ]),
            Zone(
                name: "z1",
                ranges: [AddressRange(family: .v4, first: 0x0A00_000C, last: 0x0A00_0016)]),
        ]
        return Landscape(services: services, zones: zones)
    }

    public mutating func set(_ landscape: Landscape, depth: Int = 2) -> AddressSet {
        switch number(0...(depth > 0 ? 11 : 8)) {
        case 0: return .any
        case 1: return .internal
        case 2: return .external
        case 3, 4, 5: return .service(number(0...(landscape.services.count - 1)))
        case 6: return .zone(number(0...1))
        case 7: return .labels([.isIn(key: pick(["k", "e"]), values: [pick(["a", "x"])])])
        case 8:
            let a = address()
            let last = min(a.value + UInt128(number(0...6)), a.family.maximum)
            return .range(AddressRange(family: a.family, first: a.value, last: last))
        case 9: return .union(set(landscape, depth: depth - 1), set(landscape, depth: depth - 1))
        case 10:
            return .intersection(
                set(landscape, depth: depth - 1), set(landscape, depth: depth - 1))
        default:
            return .difference(
                set(landscape, depth: depth - 1), set(landscape, depth: depth - 1))
        }
    }

    public mutating func ports() -> PortSet {
        let proto = pick([IPProtocol.tcp, IPProtocol.udp])
        switch number(0...6) {
        case 0: return .any
        case 1: return .all(of: pick([IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmp]))
        case 2:
            let low = UInt16(number(80...86))
            return .ports(proto, low, low + UInt16(number(1...6)))
        case 3: return .ports(IPProtocol.icmp, 8, 8).union(.ports(IPProtocol.icmpv6, 128, 128))
        case 4: return .ports(proto, 80, 80).union(.ports(proto, 84, 88))
        default:
            let port = UInt16(number(80...90))
            return .ports(proto, port, port)
        }
    }

    public mutating func policy(_ name: String, layers: Int, _ landscape: Landscape) -> Policy {
        let interactions = (0..<number(1...2)).map { _ in
            Interaction(
                source: set(landscape), destination: set(landscape), ports: ports(),
                zoneRelation: chance(20) ? pick([.across, .within]) : nil)
        }
        var policy = Policy(
            name: name, layer: number(0...(layers - 1)), interactions: interactions)
        if chance(75) {
            policy.decision = Decision(action: pick([.allow, .allow, .reject, .drop]))
        }
        if constrains, chance(30) {
            let reservations = (0..<number(0...2)).map { _ in
                Cap.Reservation(
                    connections: UInt64(number(1...3)), beneficiary: set(landscape, depth: 0))
            }
            policy.caps = [
                Cap(connections: UInt64(number(4...9)), reservations: reservations)
            ]
        }
        if constrains, chance(30) {
            policy.limits = [
                Limit(
                    rate: RatePerInterval(amount: 10, intervalSeconds: 1), unit: .connections,
                    scope: pick([.total, .source, .pair]), burst: 5, excess: pick([.reject, .drop]))
            ]
        }
        return policy
    }

    /// A policy set in which `decide` is never ambiguous for the flows asked about: later policies
    /// of a layer override earlier ones that they disagree with.
    public mutating func policySet() -> PolicySet {
        let landscape = landscape()
        let names = ["top", "middle", "bottom"]
        let layers = names.map { name in
            Layer(
                name: name,
                defaultAction: chance(name == "bottom" ? 60 : 8) ? pick([.reject, .drop]) : nil)
        }
        var policies = (0..<number(1...9)).map { policy("p\($0)", layers: 3, landscape) }
        policies.sort { ($0.layer, $0.name) < ($1.layer, $1.name) }
        for index in policies.indices {
            for other in 0..<index
            where policies[other].layer == policies[index].layer
                && policies[other].decision?.action != policies[index].decision?.action
            {
                policies[index].overriding.append(Override(policy: PolicyID(index: other)))
            }
        }
        return PolicySet(
            landscape: landscape, layers: layers, policies: policies,
            triggers: triggers(policies.count))
    }

    /// What triggers watch is counted in the kernel; that must change no decision.
    private mutating func triggers(_ count: Int) -> [Trigger] {
        guard chance(40) else { return [] }
        return (0..<number(1...3)).map { _ in
            Trigger(
                policy: PolicyID(index: number(0...(count - 1))),
                signal: pick(Trigger.Signal.allCases), comparison: .greater, threshold: 1e9,
                holdSeconds: 1, enables: PolicyID(index: 0), enableSeconds: 1)
        }
    }

    public mutating func flow() -> Flow {
        var (a, b) = (address(), address())
        while a.family != b.family { b = address() }
        if chance(10) { a = a.family == .v4 ? .v4(0xC0A8_0001) : .v6(0x2001_0DB9 << 96 | 1) }
        if chance(10) { b = b.family == .v4 ? .v4(0x0808_0808) : .v6(0x2001_0DBA << 96 | 7) }
        let port: PortPoint
        switch number(0...9) {
        case 0:
            port =
                a.family == .v4
                ? PortPoint(
                    protocolNumber: IPProtocol.icmp, port: UInt16(onlyProbes ? 8 : pick([0, 8])))
                : PortPoint(
                    protocolNumber: IPProtocol.icmpv6,
                    port: UInt16(onlyProbes ? 128 : pick([1, 128])))
        case 1 where !onlyProbes: port = PortPoint(protocolNumber: 47, port: 0)
        default:
            port = PortPoint(
                protocolNumber: pick([IPProtocol.tcp, IPProtocol.udp]),
                port: UInt16(number(79...92)))
        }
        return Flow(source: a, destination: b, port: port)
    }
}
