// SPDX-License-Identifier: GPL-3.0-or-later
//
// The design's policy set resolves without a word, and means what the design says it means.

import Testing
import WeirDiagnostics
import WeirModel
import WeirResolve

@Suite struct SampleTests {
    @Test func `it resolves, and only its two groups are idle`() throws {
        let (policySet, loaded) = try Sample.load()
        #expect(
            loaded.diagnostics.map { "\($0.code): \($0.message)" } == [
                "unused-name: group `frontends` is never used",
                "unused-name: group `prod-data` is never used",
            ])
        #expect(loaded.inventories == ["policies/inventory.yaml"])
        #expect(
            policySet.policyIDs.map(policySet.qualifiedName) == [
                "emergency.failover", "emergency.shed-batch", "security.az-bulkhead",
                "resilience.calm-freemium", "resilience.protect-orders-db",
                "resilience.trickle-backups", "baseline.checkout-reads-orders",
                "baseline.watch-everything",
            ])
        #expect(policySet.layers.map(\.defaultAction) == [nil, nil, nil, .reject])
    }

    @Test func `its numbers are what the text says`() throws {
        let (policySet, _) = try Sample.load()
        let policy = { (name: String) throws -> Policy in
            try #require(policySet.policies.first { $0.name == name })
        }
        let protect = try policy("protect-orders-db")
        #expect(protect.caps.map(\.connections) == [800])
        #expect(protect.caps[0].reservations.map(\.connections) == [200])
        #expect(protect.caps[0].reservations[0].beneficiary == .service(2))
        let limit = try #require(protect.limits.first)
        #expect(limit.rate == RatePerInterval(amount: 50, intervalSeconds: 1))
        #expect(limit.unit == .connections && limit.scope == .source)
        #expect(limit.burst == 100 && limit.excess == .reject)
        let trickle = try #require(try policy("trickle-backups").limits.first)
        #expect(trickle.rate == RatePerInterval(amount: 20_000_000, intervalSeconds: 1))
        #expect(trickle.unit == .bytes && trickle.scope == .total)
        #expect(trickle.burst == 2_000_000 && trickle.excess == .drop)
        let failover = try policy("failover")
        #expect(failover.activation == PolicyActivation(until: Sample.failoverEnd))
        #expect(
            failover.overriding.map { policySet.qualifiedName($0.policy) }
                == ["security.az-bulkhead"])
        #expect(
            failover.interactions.map(\.destination) == [
                .intersection(.service(3), .zone(1))
            ])
        let calm = try policy("calm-freemium")
        #expect(calm.limits.map(\.excess) == [.drop])
        #expect(calm.interactions.map(\.ports) == [.any])
        #expect(
            calm.interactions.map(\.source)
                == [.labels([.isIn(key: "plan", values: ["free"])])])
        let bulkhead = try policy("az-bulkhead")
        #expect(bulkhead.interactions.map(\.zoneRelation) == [.across])
        #expect(bulkhead.description == "zones fail alone")
    }

    @Test func `assertions and triggers are numbers too`() throws {
        let (policySet, _) = try Sample.load()
        #expect(policySet.assertions.map(\.modality) == [.never, .always, .always])
        #expect(policySet.assertions.map(\.connections) == [nil, nil, 200])
        #expect(policySet.assertions[0].text == "card data stays in")
        let trigger = try #require(policySet.triggers.first)
        #expect(policySet.qualifiedName(trigger.policy) == "resilience.protect-orders-db")
        #expect(policySet.qualifiedName(trigger.enables) == "emergency.shed-batch")
        #expect(trigger.signal == .connections && trigger.comparison == .greater)
        #expect(trigger.threshold == 720)
        #expect(trigger.holdSeconds == 10 && trigger.enableSeconds == 300)
    }

    @Test func `every part leads back to its line`() throws {
        let (policySet, loaded) = try Sample.load()
        let text = { (range: SourceRange?) throws -> String in
            let range = try #require(range)
            return loaded.sources[range.source].text(in: range.bytes)
        }
        #expect(try text(policySet.policies[0].origin) == "policy failover")
        #expect(
            try text(policySet.policies[0].interactions[0].origin)
                == "from checkout to orders-db in zone az-b on postgres")
        #expect(
            try text(policySet.policies[0].decision?.origin)
                == "allow overriding security.az-bulkhead")
        #expect(try text(policySet.policies[0].overriding[0].origin) == "security.az-bulkhead")
        #expect(try text(policySet.policies[0].caps[0].origin) == "cap 100 connections")
        #expect(
            try text(policySet.policies[4].caps[0].reservations[0].origin)
                == "reserve 200 for checkout")
        #expect(
            try text(policySet.policies[3].limits[0].origin) == "limit rate per source then drop")
        #expect(try text(policySet.policies[3].origin) == "policy calm-freemium")
        #expect(try text(policySet.layers[3].origin) == "baseline")
        #expect(try text(policySet.landscape.services[3].origin) == "orders-db")
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let flow: String
        let layer: String?
        let action: Action
        var constraints: [String] = []
        var enabled: [String] = []
        var isAfterFailover = false
        var testDescription: String { flow }
    }

    static let cases: [Case] = [
        Case(
            flow: "10.1.2.1 -> 10.1.3.10 tcp/5432", layer: "baseline", action: .allow,
            constraints: ["resilience.protect-orders-db", "resilience.protect-orders-db"]),
        Case(
            flow: "10.1.2.1 -> 10.2.3.10 tcp/5432", layer: "emergency", action: .allow,
            constraints: [
                "resilience.protect-orders-db", "emergency.failover",
                "resilience.protect-orders-db",
            ]),
        Case(
            flow: "10.1.2.1 -> 10.2.3.10 tcp/5432", layer: "security", action: .reject,
            isAfterFailover: true),
        Case(flow: "10.2.2.1 -> 10.1.3.10 tcp/5432", layer: "security", action: .reject),
        Case(
            flow: "2001:db8:a::201 -> 2001:db8:a::310 tcp/5432", layer: "baseline",
            action: .allow,
            constraints: ["resilience.protect-orders-db", "resilience.protect-orders-db"]),
        Case(flow: "10.1.2.1 -> 10.1.3.10 tcp/5433", layer: "baseline", action: .reject),
        Case(flow: "10.1.9.9 -> 10.2.8.1 tcp/9100", layer: "baseline", action: .allow),
        Case(flow: "10.1.9.9 -> 10.2.8.1 udp/9100", layer: "baseline", action: .reject),
        Case(flow: "10.1.1.1 -> 10.2.1.1 tcp/80", layer: "security", action: .reject),
        Case(flow: "192.0.2.1 -> 10.1.5.1 tcp/443", layer: "baseline", action: .reject),
        Case(flow: "10.2.8.1 -> 10.2.3.10 tcp/5432", layer: "baseline", action: .reject),
        Case(
            flow: "10.2.8.1 -> 192.0.2.1 tcp/443", layer: "emergency", action: .reject,
            enabled: ["shed-batch"]),
        Case(flow: "10.2.8.1 -> 192.0.2.1 tcp/443", layer: "baseline", action: .reject),
        Case(flow: "10.1.7.1 -> 10.1.6.1 icmp/echo-request", layer: "baseline", action: .reject),
    ]

    @Test(arguments: cases)
    func `a flow is decided as the design says`(_ expected: Case) throws {
        let (policySet, _) = try Sample.load()
        let flow = try #require(try parseFlow(expected.flow, in: policySet).get().first)
        let enabled = policySet.policyIDs.filter { expected.enabled.contains(policySet[$0].name) }
        let state = PolicyState(
            epochSeconds: Sample.failoverEnd - (expected.isAfterFailover ? 0 : 1),
            enabled: Set(enabled))
        let verdict = policySet.decide(flow, in: state)
        #expect(verdict.decidingLayer.map { policySet.layers[$0].name } == expected.layer)
        #expect(verdict.action == expected.action)
        #expect(
            verdict.constraints.map { policySet.qualifiedName($0.policy) }
                == expected.constraints)
    }
}
