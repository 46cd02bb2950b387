// SPDX-License-Identifier: GPL-3.0-or-later
//
// The host vantage: policies on what a machine itself sends and receives. The machine is the lab's
// gateway namespace, which here forwards without being asked.

import Testing
import WeirKernel
import WeirLab
import WeirModel
import WeirRuleset

@Suite(.enabled(if: labCanRun), .serialized)
struct HostTests {
    static let own = Gateway.address("192.0.0.8")

    @Test func `a host polices what it receives and sends, and nothing else`() throws {
        let gateway = try Gateway()
        let server = try EchoServer(in: gateway.lab.gateway, tcp: [22, 80], udp: [53])
        defer { server.close() }
        let scape = landscape([
            ("self", ["192.0.0.8"]), ("admin", ["10.1.0.1"]), ("db", ["10.2.0.1"]),
        ])
        let set = PolicySet(
            landscape: scape, layers: [Layer(name: "one", defaultAction: .reject)],
            policies: [
                Policy(
                    name: "dials-db", layer: 0,
                    interactions: [
                        Interaction(
                            source: scape.service("self"), destination: scape.service("db"),
                            ports: .ports(IPProtocol.tcp, 7001, 7001))
                    ], decision: Decision(action: .allow)),
                Policy(
                    name: "elsewhere", layer: 0,
                    interactions: [
                        Interaction(
                            source: scape.service("admin"), destination: scape.service("db"))
                    ], decision: Decision(action: .drop)),
                Policy(
                    name: "ssh", layer: 0,
                    interactions: [
                        Interaction(
                            source: scape.service("admin"), destination: scape.service("self"),
                            ports: .ports(IPProtocol.tcp, 22, 22))
                    ], decision: Decision(action: .allow), caps: [Cap(connections: 2)]),
            ])
        let ruleset = try gateway.lab.gateway.run { () throws in
            var socket = try NetfilterSocket.open()
            let (kernel, generation) = try socket.readTable()
            let now = currentTimeMilliseconds()
            let options = LoweringOptions(
                state: PolicyState(epochSeconds: now / 1000), vantage: .host([Self.own]))
            let ruleset = try #require(lower(set, options: options, previous: kernel).0?.ruleset)
            try socket.apply(
                ruleset.delta(from: kernel, nowMilliseconds: now), expectedGeneration: generation)
            #expect(try socket.readTable().table?.isOnHost == true)
            return ruleset
        }
        #expect(ruleset.objects["one.elsewhere.dropped"] != nil)
        #expect(
            !ruleset.sets.values.contains {
                $0.elements.values.contains {
                    $0.comment == "one.elsewhere" && $0.value != .object("one.elsewhere.dropped")
                }
            })
        let held = try gateway.lab.hold(Gateway.tcp("10.1.0.1", "192.0.0.8", 22), count: 3)
        #expect(held.outcomes == [.open, .open, .reset])
        #expect(
            try gateway.lab.probe([
                Gateway.tcp("10.1.0.1", "192.0.0.8", 80), Gateway.tcp("10.1.0.2", "192.0.0.8", 22),
                // Forwarded, so none of this host's business, whatever the policies say.
                Gateway.tcp("10.1.0.1", "10.2.0.1", 7001),
            ]) == [.reset, .reset, .open])
        let sent = try gateway.lab.gateway.probe([
            Probe(Gateway.tcp("192.0.0.8", "10.2.0.1", 7001)),
            Probe(Gateway.tcp("192.0.0.8", "10.2.0.1", 7002)),
            Probe(Gateway.tcp("192.0.0.8", "192.0.0.8", 80)),
        ])
        #expect(sent == [.open, .reset, .open], "loopback always works")
    }
}
