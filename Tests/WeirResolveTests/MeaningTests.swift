// SPDX-License-Identifier: GPL-3.0-or-later
//
// What single constructions of the language become: ports by name, both directions, amounts that
// follow the landscape, defaults, patterns, activation, triggers.

import Testing
import WeirDiagnostics
import WeirModel
import WeirResolve

private let inventory = """
    zones: {a: [10.1.0.0/16], b: [10.2.0.0/16]}
    services:
      web: {labels: {tier: web}, endpoints: [10.1.0.1, 10.1.0.2, 10.2.0.1]}
      one: {labels: {tier: data}, ports: {db: tcp/1}, endpoints: [10.1.1.1],
            capacity: {connections: 100, rate: 60 connections/m}}
      uno: {labels: {tier: data}, ports: {db: tcp/1}, endpoints: [10.1.1.2],
            capacity: {connections: 55, rate: 2 connections/s}}
      two: {labels: {tier: more}, ports: {db: "tcp/2, udp/2"}, endpoints: [10.1.1.1, 10.2.1.1],
            capacity: {connections: 7}}
      none: {endpoints: [10.1.2.1]}
      zero: {labels: {tier: zero}, endpoints: []}
    """

private func policySet(_ clauses: String, extra: String = "") throws -> PolicySet {
    try resolved(
        "layers { top; base }\n\(extra)\nlayer base { policy p {\n\(clauses)\n} }",
        inventory: inventory)
}

private func policy(_ clauses: String, extra: String = "") throws -> Policy {
    try #require(try policySet(clauses, extra: extra).policies.first { $0.name == "p" })
}

/// Interactions as text: `source > destination : ports`.
private func shown(_ clauses: String, extra: String = "") throws -> [String] {
    let set = try policySet(clauses, extra: extra)
    func name(_ address: AddressSet) -> String {
        switch address {
        case .any: "any"
        case .internal: "internal"
        case .external: "external"
        case .service(let index): set.landscape.services[index].name
        case .zone(let index): "zone \(set.landscape.zones[index].name)"
        case .labels(let tests): "labels(\(tests.count))"
        case .range(let range): "\(range)"
        case .union(let a, let b): "(\(name(a)) | \(name(b)))"
        case .intersection(let a, let b): "(\(name(a)) & \(name(b)))"
        case .difference(let a, let b): "(\(name(a)) - \(name(b)))"
        }
    }
    let found = try #require(set.policies.first { $0.name == "p" })
    return found.interactions.map { "\(name($0.source)) > \(name($0.destination)) : \($0.ports)" }
}

@Suite struct InteractionTests {
    @Test func `a port name of one service`() throws {
        #expect(try shown("from web to two on db; allow") == ["web > two : tcp/2, udp/2"])
    }

    @Test func `a port name that means the same everywhere leaves the destination whole`() throws {
        #expect(
            try shown("from web to [tier=data] on db; allow") == ["web > labels(1) : tcp/1"])
    }

    @Test func `a port name that differs cuts the destination`() throws {
        #expect(
            try shown("from web to internal on db; allow") == [
                "web > (internal & (one | uno)) : tcp/1", "web > (internal & two) : tcp/2, udp/2",
            ])
    }

    @Test func `a port name in one zone`() throws {
        #expect(
            try shown("from web to two in zone b on db; allow")
                == ["web > (two & zone b) : tcp/2, udp/2"])
    }

    @Test func `numbers and names in one list`() throws {
        #expect(
            try shown("from web to two on tcp/80-90, udp, db; allow")
                == ["web > two : tcp/2, udp/2", "web > two : tcp/80-90, udp"])
    }

    @Test func `a service without endpoints keeps its ports`() throws {
        let inventory = "services: {web: {endpoints: []}, db: {endpoints: [], ports: {x: tcp/1}}}"
        let set = try resolved(
            "layers { base }\ngroup g = db or web\n"
                + "layer base { policy p { from web to g on x; allow } }",
            inventory: inventory)
        #expect(set.policies[0].interactions.map(\.ports.description) == ["tcp/1"])
    }

    @Test func `between is both directions on the same ports`() throws {
        #expect(
            try shown("between web and none on tcp/80; allow")
                == ["web > none : tcp/80", "none > web : tcp/80"])
        #expect(
            try shown("between web and one on db; allow")
                == ["web > one : tcp/1", "one > web : tcp/1"])
        #expect(
            try shown("between one and two on db; allow")
                == ["one > two : tcp/2, udp/2", "two > one : tcp/1"])
        #expect(try shown("between web and web; allow") == ["web > web : any"])
    }

    @Test func `icmp types are numbers`() throws {
        #expect(
            try shown("from web to one on icmp/echo-request, icmpv6/nd-redirect, icmpv6; allow")
                == ["web > one : icmp/8, icmpv6"])
        #expect(
            try shown("from web to one on ping; allow", extra: "port ping = icmp/echo-request")
                == ["web > one : icmp/8"])
    }

    @Test func `groups are expanded`() throws {
        #expect(
            try shown(
                "from g to h; allow",
                extra: "group h = (g and web) or 10.0.0.1-10.0.0.2\ngroup g = internal except one")
                == ["(internal - one) > (((internal - one) & web) | 10.0.0.1-10.0.0.2) : any"])
    }
}

@Suite struct AmountTests {
    private func cap(_ amount: String) throws -> Cap {
        try #require(try policy("from any to web; cap \(amount)").caps.first)
    }

    private func limit(_ rate: String, extra: String = "") throws -> Limit {
        try #require(try policy("from any to web; limit \(rate)", extra: extra).limits.first)
    }

    @Test func `per endpoint counts distinct addresses`() throws {
        let single = try cap("20 connections per endpoint of web")
        #expect(single.connections == 60)
        #expect(single.relativeTo == "20 connections per endpoint of web")
        // `one` and `two` share an address.
        #expect(try cap("20 connections per endpoint of (one or two)").connections == 40)
        #expect(try cap("20 connections per endpoint of (web in zone a)").connections == 40)
        #expect(try cap("20 connections per endpoint of internal").connections == 140)
        #expect(try cap("20 connections").relativeTo == nil)
    }

    @Test func `an amount that follows nothing is one`() throws {
        #expect(try cap("20 connections per endpoint of zero").connections == 1)
    }

    @Test func `a share of declared capacity is rounded down`() throws {
        #expect(try cap("80% of capacity of one").connections == 80)
        #expect(try cap("50% of capacity of [tier=data]").connections == 77)
        #expect(try cap("150% of capacity of ([tier=data] except one)").connections == 82)
        #expect(try cap("1% of capacity of two").connections == 1)
        #expect(try cap("80% of capacity of one").relativeTo == "80% of capacity of one")
    }

    @Test func `a share of a rate keeps its interval where all have one`() throws {
        #expect(
            try limit("50% of capacity of one").rate
                == RatePerInterval(amount: 30, intervalSeconds: 60))
        #expect(
            try limit("50% of capacity of [tier=data]").rate
                == RatePerInterval(amount: 5_400, intervalSeconds: 3600))
    }

    @Test(arguments: [
        ("20 MB/s", 20_000_000, 1, Limit.Unit.bytes, 2_000_000, Limit.Excess.drop),
        ("1 kB/h", 1_000, 3600, .bytes, 65_536, .drop),
        ("8 Mbit/s", 1_000_000, 1, .bytes, 100_000, .drop),
        ("3 kbit/m", 375, 60, .bytes, 65_536, .drop),
        ("1 Gbit/s burst 1", 125_000_000, 1, .bytes, 125_000_000, .drop),
        ("20 MB/s burst 64 kB", 20_000_000, 1, .bytes, 64_000, .drop),
        ("900 GB/s", 900_000_000_000, 1, .bytes, 4_294_967_295, .drop),
        ("50 connections/s", 50, 1, .connections, 5, .reject),
        ("5 connections/m", 5, 60, .connections, 1, .reject),
        ("5 connections/s burst 7 then drop", 5, 1, .connections, 7, .drop),
        ("1000 packets/s then mark-ecn", 1000, 1, .packets, 100, .markECN),
        ("2 connections/s per endpoint of web", 6, 1, .connections, 1, .reject),
    ])
    func `limits and their defaults`(
        text: String, amount: UInt64, seconds: UInt64, unit: Limit.Unit, burst: UInt64,
        excess: Limit.Excess
    ) throws {
        let found = try limit(text)
        #expect(found.rate == RatePerInterval(amount: amount, intervalSeconds: seconds))
        #expect(found.unit == unit && found.burst == burst && found.excess == excess)
        #expect((found.relativeTo != nil) == text.contains("endpoint"))
    }

    @Test func `scopes`() throws {
        let caps = try policy(
            """
            from any to web
            cap 1 connections
            cap 2 connections per source
            cap 3 connections per destination
            cap 4 connections per pair
            """
        ).caps
        #expect(caps.map(\.scope) == [.total, .source, .destination, .pair])
    }
}

@Suite struct PatternTests {
    private let pattern = """
        pattern guarded(clients, service, port, n, rate, z) {
            from clients in zone z to service on port
            cap n connections reserve n for clients
            limit rate burst n
            limit n connections/h
        }
        """

    private func instance(_ arguments: String) throws -> Policy {
        let set = try resolved(
            "layers { base }\nport declared = udp/7\n\(pattern)\n"
                + "layer base { policy p = guarded(\(arguments)); "
                + "policy q { from web to one on declared; allow } }", inventory: inventory)
        return try #require(set.policies.first)
    }

    @Test func `parameters are sets, ports, amounts, rates and zones`() throws {
        let policy = try instance("web or none, one, (tcp/80, declared), 5, 3 MB/m, a")
        #expect(policy.name == "p")
        #expect(
            policy.interactions.map(\.source)
                == [.intersection(.union(.service(0), .service(4)), .zone(0))])
        #expect(policy.interactions.map(\.ports.description) == ["tcp/80, udp/7"])
        #expect(policy.caps.map(\.connections) == [5])
        #expect(policy.caps.flatMap(\.reservations).map(\.connections) == [5])
        #expect(
            policy.limits.map(\.rate) == [
                RatePerInterval(amount: 3_000_000, intervalSeconds: 60),
                RatePerInterval(amount: 5, intervalSeconds: 3600),
            ])
        #expect(policy.limits.map(\.burst) == [5_000_000, 1])
    }

    @Test func `a bare name is a port where the pattern uses it so`() throws {
        #expect(
            try instance("web, two, db, 5, 5 connections/s, zone b").interactions
                .map(\.ports.description) == ["tcp/2, udp/2"])
        #expect(
            try instance("web, two, declared, 5, 5 connections/s, b").interactions
                .map(\.ports.description) == ["udp/7"])
        #expect(
            try instance("web, two, any, 5, 5 connections/s, b").interactions.map(\.ports)
                == [.any])
    }

    @Test func `amounts follow the landscape in arguments too`() throws {
        let policy = try instance(
            "web, one, db, 2 connections per endpoint of web, 50% of capacity of one, a")
        #expect(policy.caps.map(\.connections) == [6])
        #expect(policy.caps.map(\.relativeTo) == ["2 connections per endpoint of web"])
        #expect(policy.limits[0].rate == RatePerInterval(amount: 30, intervalSeconds: 60))
        #expect(policy.limits[0].relativeTo == "50% of capacity of one")
    }

    @Test func `no name of a pattern captures one of an instance`() throws {
        let set = try resolved(
            """
            layers { base }
            group inner = none
            pattern p(web, other) { from web to other; allow }
            layer base { policy x = p(inner, web) }
            """, inventory: inventory)
        #expect(set.policies[0].interactions.map(\.source) == [.service(4)])
        #expect(set.policies[0].interactions.map(\.destination) == [.service(0)])
    }
}

@Suite struct ActivationTests {
    @Test func `what puts a policy in force`() throws {
        let set = try resolved(
            """
            layers { base }
            layer base {
                policy a for 1h30m during Mon-Fri 09:00-17:00 during Sat 22:00-02:00 {
                    from web to one; allow }
                policy b standby until 2026-12-01T18:00Z { from web to one; allow }
                policy c staged { from web to one; allow }
                policy d { from web to one; allow }
            }
            """, inventory: inventory)
        #expect(
            set.policies.map(\.activation) == [
                PolicyActivation(
                    forSeconds: 5400,
                    during: [
                        WeeklyHours(days: [0, 1, 2, 3, 4], startMinute: 540, endMinute: 1020),
                        WeeklyHours(days: [5], startMinute: 1320, endMinute: 120),
                    ]),
                PolicyActivation(until: Sample.failoverEnd, standby: true),
                PolicyActivation(staged: true), PolicyActivation(),
            ])
    }

    @Test func `thresholds of triggers`() throws {
        let set = try resolved(
            """
            layers { base }
            layer base {
                policy w {
                    from web to one
                    cap 40 connections
                    cap 10 connections per source
                    cap 30 connections
                    limit 600 connections/m
                    limit 8 Mbit/s
                    limit 100 packets/s per source
                }
                policy s standby { from web to one; reject }
            }
            when w.connections > 50% for 1s enable s for 1m
            when w.rate >= 50% for 1s enable s for 1m
            when w.bytes < 10% for 1s enable s for 1m
            when w.packets <= 30 packets/m for 1s enable s for 1m
            when w.rejected > 5 connections/s for 1s enable s for 1m
            when w.connections > 25 connections for 1s enable s for 1m
            """, inventory: inventory)
        #expect(set.triggers.map(\.threshold) == [15, 5, 100_000, 0.5, 5, 25])
        #expect(
            set.triggers.map(\.comparison)
                == [.greater, .greaterOrEqual, .less, .lessOrEqual, .greater, .greater])
    }
}
