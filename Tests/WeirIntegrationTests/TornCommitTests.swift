// SPDX-License-Identifier: GPL-3.0-or-later
//
// Commits that give a class of addresses the number that another had, with answers that stand in
// interval sets: the kernel exchanges those a moment later than everything else. Whoever every
// version admits is never refused.

import Glibc
import Testing
import WeirKernel
import WeirLab
import WeirModel
import WeirRuleset

@Suite(.enabled(if: labCanRun), .serialized)
struct TornCommitTests {
    static let flows = (1...8).map { Gateway.tcp("10.1.0.\($0)", "10.2.0.1", 7001) }

    /// Others are refused on a range of ports, or the clients are allowed on it: the same numbers.
    static func policySet(_ round: Int) -> PolicySet {
        let scape = landscape([
            ("clients", (1...8).map { "10.1.0.\($0)" }), ("others", ["10.1.9.9"]),
            ("servers", ["10.2.0.1"]),
        ])
        let isOthers = round.isMultiple(of: 2)
        return PolicySet(
            landscape: scape, layers: [Layer(name: "upper"), Layer(name: "lower")],
            policies: [
                Policy(
                    name: "turn", layer: 0,
                    interactions: [
                        Interaction(
                            source: scape.service(isOthers ? "others" : "clients"),
                            destination: scape.service("servers"),
                            ports: .ports(IPProtocol.tcp, 7000, 7010))
                    ], decision: Decision(action: isOthers ? .reject : .allow))
            ])
    }

    @Test func `nobody is refused between two versions that admit`() throws {
        let gateway = try Gateway()
        try gateway.enforce(Self.policySet(0))
        let isOver = Flag()
        let clients = gateway.lab.segment(of: Self.flows[0].source).namespace
        let traffic = Background {
            try clients.attempt(
                Self.flows, perSecond: 4000, timeoutMilliseconds: 10_000
            ) { isOver.isSet }
        }
        for round in 1...400 { try gateway.enforce(Self.policySet(round)) }
        isOver.set()
        let count = try traffic.wait()
        let counters = try gateway.lab.gateway.run { () throws in
            var socket = try NetfilterSocket.open()
            return try socket.readCounters()
        }
        let torn = counters["weir.torn"]?.packets ?? 0
        print("torn: \(count), \(torn) packets sent again")
        #expect(count[.open] == count.total && count.total > 400)
    }
}
