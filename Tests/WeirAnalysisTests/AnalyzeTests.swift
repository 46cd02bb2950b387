// SPDX-License-Identifier: GPL-3.0-or-later
//
// One hand-written case a code: the smallest policy set that has it, and what is said about it.

import Testing
import WeirAnalysis
import WeirDiagnostics
import WeirModel

/// A landscape of two zones with a client and a server in each.
let village = Landscape(
    services: [
        Service(name: "web", labels: ["tier": "web"], endpoints: addresses("10.1.0.1", "10.2.0.1")),
        Service(
            name: "db", labels: ["tier": "data"],
            capacity: Capacity(
                connections: 300,
                connectionRate: RatePerInterval(amount: 100, intervalSeconds: 1)),
            endpoints: addresses("10.1.0.9", "10.2.0.9")),
        Service(name: "batch", endpoints: addresses("10.1.0.5")),
    ],
    zones: [
        Zone(name: "a", ranges: [range("10.1.0.0/16")]),
        Zone(name: "b", ranges: [range("10.2.0.0/16")]),
    ])

let web = AddressSet.service(0)
let db = AddressSet.service(1)
let batch = AddressSet.service(2)
let http = PortSet.ports(IPProtocol.tcp, 80, 80)

func addresses(_ texts: String...) -> [IPAddress] { texts.compactMap { IPAddress($0) } }

func range(_ text: String) -> AddressRange {
    guard case .success(let range) = AddressRange.parse(text) else {
        preconditionFailure("\(text) is a range")
    }
    return range
}

func from(
    _ source: AddressSet, to destination: AddressSet, on ports: PortSet = .any,
    _ relation: ZoneRelation? = nil
) -> [Interaction] {
    [Interaction(source: source, destination: destination, ports: ports, zoneRelation: relation)]
}

func policySet(
    _ policies: [Policy], assertions: [Assertion] = [], layers: [Layer] = fourLayers
) -> PolicySet {
    PolicySet(landscape: village, layers: layers, policies: policies, assertions: assertions)
}

let fourLayers = ["emergency", "security", "resilience", "baseline"].map { Layer(name: $0) }

/// 2026-11-23, a Monday.
let monday: Int64 = 1_795_392_000

func findings(_ policySet: PolicySet) -> [Finding] {
    analyze(policySet, options: AnalysisOptions(epochSeconds: monday))
}

func codes(_ policySet: PolicySet) -> [FindingCode] { findings(policySet).map(\.code) }

@Suite struct DecisionTests {
    let allow = Decision(action: .allow)
    let reject = Decision(action: .reject)

    @Test func `two policies of a layer that disagree are ambiguous`() throws {
        let set = policySet([
            Policy(name: "open", layer: 1, interactions: from(web, to: db), decision: allow),
            Policy(
                name: "shut", layer: 1, interactions: from(.any, to: db, on: http), decision: reject
            ),
        ])
        let found = findings(set)
        #expect(found.map(\.code) == [.ambiguousDecision])
        let text = try #require(found.first).diagnostic(in: set)
        #expect(
            text.message == "`security.open` allows what `security.shut` of the same layer rejects")
        #expect(text.notes == ["witness: 10.1.0.1 -> 10.1.0.9 tcp/80 (web to db)"])
    }

    @Test func `an undeclared override is an error and mended by declaring it`() throws {
        var set = policySet([
            Policy(
                name: "failover", layer: 0, interactions: from(web, to: db), decision: allow,
                activation: PolicyActivation(standby: true)),
            Policy(
                name: "bulkhead", layer: 1, interactions: from(.any, to: .any, .across),
                decision: reject),
        ])
        let finding = try #require(findings(set).first)
        #expect(finding.code == .undeclaredOverride && finding.certainty == .possible)
        #expect(
            finding.fix
                == .addOverriding(policy: PolicyID(index: 0), overridden: PolicyID(index: 1)))
        #expect(
            finding.diagnostic(in: set).notes == [
                "witness: 10.1.0.1 -> 10.2.0.9 tcp/80 (web to db)",
                "holds when `emergency.failover` is enabled",
            ])
        set.policies[0].overriding = [Override(policy: PolicyID(index: 1))]
        #expect(codes(set) == [])
    }

    @Test func `a loop of overriding is found once`() {
        var a = Policy(name: "a", layer: 1, interactions: from(web, to: db), decision: allow)
        var b = Policy(name: "b", layer: 1, interactions: from(web, to: db), decision: reject)
        a.overriding = [Override(policy: PolicyID(index: 1))]
        b.overriding = [Override(policy: PolicyID(index: 0))]
        #expect(codes(policySet([a, b])) == [.overrideCycle])
    }
}

@Suite struct QuantityTests {
    @Test func `a tight total masks a loose per-source limit and says with which numbers`() throws {
        let set = policySet([
            Policy(
                name: "p", layer: 2, interactions: from(web, to: db),
                caps: [Cap(connections: 500), Cap(connections: 50, scope: .source)])
        ])
        let finding = try #require(findings(set).first)
        #expect(finding.code == .maskedLimit)
        let text = finding.diagnostic(in: set)
        #expect(text.notes[1] == "2 sources × 50 = 100 ≤ 500 connections")
    }

    @Test func `reservations that together exceed the cap`() throws {
        let reserve = { (count: UInt64, who: AddressSet) in
            Cap.Reservation(connections: count, beneficiary: who)
        }
        let set = policySet([
            Policy(
                name: "p", layer: 2, interactions: from(.internal, to: db),
                caps: [
                    Cap(
                        connections: 300, reservations: [reserve(200, web), reserve(200, batch)])
                ])
        ])
        let finding = try #require(findings(set).first)
        #expect(finding.code == .brokenReservation)
        #expect(finding.diagnostic(in: set).notes[1] == "200 + 200 = 400 > 300 connections")
    }
}
