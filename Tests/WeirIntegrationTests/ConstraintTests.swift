// SPDX-License-Identifier: GPL-3.0-or-later
//
// Caps and limits with real connections: exact to the connection, over both families, and not one
// count lost when another policy changes.

import Testing
import WeirLab
import WeirModel
import WeirRuleset

@Suite(.enabled(if: labCanRun), .serialized)
struct ConstraintTests {
    static let scape = landscape([
        ("checkout", ["10.1.0.1", "fd00:1::1"]), ("batch", ["10.1.0.2", "fd00:1::2"]),
        ("orders-db", ["10.2.0.1", "fd00:2::1"]), ("vault", ["10.2.0.2"]),
    ])
    static let postgres = PortSet.ports(IPProtocol.tcp, 7001, 7001)

    static func policySet(_ policies: [Policy]) -> PolicySet {
        PolicySet(
            landscape: scape, layers: [Layer(name: "security"), Layer(name: "resilience")],
            policies: policies.sorted { ($0.layer, $0.name) < ($1.layer, $1.name) })
    }

    static func protect(_ caps: [Cap] = [], _ limits: [Limit] = []) -> Policy {
        Policy(
            name: "protect", layer: 1,
            interactions: [
                Interaction(
                    source: .any, destination: scape.service("orders-db"), ports: postgres)
            ], caps: caps, limits: limits)
    }

    static func reservedCap(_ connections: UInt64, reserve: UInt64) -> Cap {
        Cap(
            connections: connections,
            reservations: [
                Cap.Reservation(connections: reserve, beneficiary: scape.service("checkout"))
            ])
    }

    @Test func `a cap of 100 keeps 20 for those it is reserved for`() throws {
        let gateway = try Gateway()
        try gateway.enforce(Self.policySet([Self.protect([Self.reservedCap(100, reserve: 20)])]))
        let four = try gateway.lab.hold(Gateway.tcp("10.1.0.2", "10.2.0.1", 7001), count: 50)
        let six = try gateway.lab.hold(Gateway.tcp("fd00:1::2", "fd00:2::1", 7001), count: 50)
        #expect(four.outcomes.allSatisfy { $0 == .open })
        #expect(
            six.outcomes == Array(repeating: .open, count: 30) + Array(repeating: .reset, count: 20)
        )
        let own = try gateway.lab.hold(Gateway.tcp("10.1.0.1", "10.2.0.1", 7001), count: 25)
        #expect(
            own.outcomes == Array(repeating: .open, count: 20) + Array(repeating: .reset, count: 5))
        // Another port of the same server is none of its business.
        #expect(
            try gateway.lab.probe([Gateway.tcp("10.1.0.2", "10.2.0.1", 7002)]) == [.open])
        four.close(10)
        waitForClockTick()
        let again = try gateway.lab.hold(Gateway.tcp("fd00:1::1", "fd00:2::1", 7001), count: 12)
        #expect(again.outcomes.filter { $0 == .open }.count == 10)
    }

    @Test func `editing one policy forgets no connection of another's cap`() throws {
        let gateway = try Gateway()
        let other = Policy(
            name: "other", layer: 1,
            interactions: [Interaction(source: .any, destination: Self.scape.service("vault"))],
            caps: [Cap(connections: 5)])
        let protect = Self.protect([Self.reservedCap(30, reserve: 10)])
        try gateway.enforce(Self.policySet([protect, other]))
        let held = try gateway.lab.hold(Gateway.tcp("10.1.0.2", "10.2.0.1", 7001), count: 25)
        #expect(held.count == 20)
        for round in 0..<8 {
            let edited = Policy(
                name: "edited\(round)", layer: 0,
                interactions: [
                    Interaction(
                        source: Self.scape.service("batch"),
                        destination: Self.scape.service("vault"),
                        ports: .ports(IPProtocol.tcp, UInt16(8000 + round), UInt16(8000 + round)))
                ], decision: Decision(action: round % 2 == 0 ? .reject : .allow),
                caps: round % 3 == 0 ? [Cap(connections: UInt64(round + 1))] : [])
            let delta = try gateway.enforce(Self.policySet([protect, other, edited]))
            #expect(!delta.restarts.contains { $0.origin == "resilience.protect" })
            #expect(!delta.isEmpty)
            let more = try gateway.lab.hold(Gateway.tcp("10.1.0.2", "10.2.0.1", 7001), count: 2)
            #expect(more.outcomes == [.reset, .reset], "round \(round)")
        }
        let own = try gateway.lab.hold(Gateway.tcp("10.1.0.1", "10.2.0.1", 7001), count: 12)
        #expect(own.count == 10)
        #expect(try held.exchange().allSatisfy { $0 == .open })
    }

    @Test func `a total limit admits its burst, then its rate`() throws {
        let gateway = try Gateway()
        let limit = Limit(
            rate: RatePerInterval(amount: 20, intervalSeconds: 1), unit: .connections, burst: 10,
            excess: .reject)
        try gateway.enforce(Self.policySet([Self.protect([], [limit])]))
        let flow = Gateway.tcp("10.1.0.2", "10.2.0.1", 7001)
        let count = try gateway.lab.attempt(flow, forMilliseconds: 2000)
        #expect((46...54).contains(count[.open]), "\(count)")
        #expect(count[.reset] > 0 && count[.dropped] == 0)
    }

    @Test func `per source, per destination and per pair count apart`() throws {
        let gateway = try Gateway()
        func set(_ scope: CountingScope) -> PolicySet {
            Self.policySet([
                Policy(
                    name: "each", layer: 1,
                    interactions: [
                        Interaction(source: .any, destination: .any, ports: Self.postgres)
                    ], caps: [Cap(connections: 3, scope: scope)])
            ])
        }
        func open(_ source: String, _ destination: String) throws -> HeldConnections {
            try gateway.lab.hold(Gateway.tcp(source, destination, 7001), count: 5)
        }
        for (scope, expected) in [
            (CountingScope.source, [3, 3, 0, 0]), (.destination, [3, 0, 3, 0]),
            (.pair, [3, 3, 3, 3]),
        ] {
            try gateway.enforce(set(scope))
            let held = try [
                open("10.1.0.1", "10.2.0.1"), open("10.1.0.9", "10.2.0.1"),
                open("10.1.0.1", "10.2.0.7"), open("10.1.0.9", "10.2.0.7"),
            ]
            #expect(held.map(\.count) == expected, "\(scope)")
            for connections in held { connections.close() }
            waitForClockTick()
        }
    }

    @Test func `each server keeps places for those they are reserved for`() throws {
        let gateway = try Gateway()
        var cap = Self.reservedCap(5, reserve: 2)
        cap.scope = .destination
        try gateway.enforce(
            Self.policySet([
                Policy(
                    name: "each", layer: 1,
                    interactions: [
                        Interaction(source: .any, destination: .any, ports: Self.postgres)
                    ], caps: [cap])
            ]))
        func open(_ source: String, _ destination: String, _ count: Int) throws -> HeldConnections {
            try gateway.lab.hold(Gateway.tcp(source, destination, 7001), count: count)
        }
        let held = try [
            open("10.1.0.2", "10.2.0.1", 4), open("fd00:1::2", "fd00:2::1", 4),
            open("10.1.0.7", "10.2.0.1", 1), open("10.1.0.1", "10.2.0.1", 4),
            open("fd00:1::1", "fd00:2::1", 4), open("10.1.0.1", "10.2.0.9", 6),
        ]
        #expect(held.map(\.count) == [3, 3, 0, 2, 2, 5])
    }

    /// Whatever the policies are called: what was refused for one source takes nothing from all.
    @Test(arguments: [("a", "z"), ("z", "a")])
    func `a storm of one source leaves others their places`(each: String, all: String) throws {
        let gateway = try Gateway()
        func policy(_ name: String, _ caps: [Cap], _ limits: [Limit]) -> Policy {
            Policy(
                name: name, layer: 1,
                interactions: [
                    Interaction(
                        source: .any, destination: Self.scape.service("orders-db"),
                        ports: Self.postgres)
                ], caps: caps, limits: limits)
        }
        func limit(_ scope: CountingScope, _ burst: UInt64) -> Limit {
            Limit(
                rate: RatePerInterval(amount: 1, intervalSeconds: 60), unit: .connections,
                scope: scope, burst: burst, excess: .reject)
        }
        let greedy = Gateway.tcp("10.1.0.2", "10.2.0.1", 7001)
        let modest = Gateway.tcp("10.1.0.1", "10.2.0.1", 7001)
        try gateway.enforce(
            Self.policySet([
                policy(each, [Cap(connections: 2, scope: .source)], []),
                policy(all, [Cap(connections: 8)], []),
            ]))
        let held = try gateway.lab.hold(greedy, count: 200)
        #expect(held.count == 2)
        #expect(try gateway.lab.hold(modest, count: 1).count == 1)
        held.close()
        try gateway.enforce(
            Self.policySet([
                policy(each, [], [limit(.source, 5)]), policy(all, [], [limit(.total, 20)]),
            ]))
        #expect(try gateway.lab.hold(greedy, count: 100).count == 5)
        #expect(try gateway.lab.hold(modest, count: 4).count == 4)
    }

    @Test func `an idle one-way flow is charged once`() throws {
        let gateway = try Gateway(udp: [])
        let limit = Limit(
            rate: RatePerInterval(amount: 1, intervalSeconds: 60), unit: .connections, burst: 1,
            excess: .drop)
        try gateway.enforce(
            Self.policySet([
                Policy(
                    name: "each", layer: 1,
                    interactions: [Interaction(source: .any, destination: .any)], limits: [limit])
            ]))
        // One ping takes the only token; a second flow is refused.
        let flow = Flow(
            source: Gateway.address("10.1.0.1"), destination: Gateway.address("10.2.0.1"),
            port: PortPoint(protocolNumber: IPProtocol.icmp, port: 8))
        #expect(try gateway.lab.probe([flow]) == [.open])
        #expect(try gateway.lab.probe([Gateway.tcp("10.1.0.1", "10.2.0.1", 7001)]) == [.dropped])
    }
}
