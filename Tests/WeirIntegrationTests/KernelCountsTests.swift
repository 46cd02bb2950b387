// SPDX-License-Identifier: GPL-3.0-or-later
//
// The kernel held against the definitions of caps and limits: random policy sets with both, tried
// with connections one after the other that stay, each outcome foretold by counting.

import FoundationEssentials
import Testing
import WeirKernel
import WeirLab
import WeirModel
import WeirRuleset
import WeirTesting

@Suite(.enabled(if: labCanRun), .serialized)
struct KernelCountsTests {
    /// Buckets that do not fill up while a test runs, and every scope.
    static func policySet(_ random: inout RandomPolicies) -> PolicySet {
        var set = random.policySet()
        for index in set.policies.indices {
            for place in set.policies[index].caps.indices {
                set.policies[index].caps[place].scope = random.pick([
                    .total, .total, .source, .destination, .pair,
                ])
            }
            for place in set.policies[index].limits.indices {
                set.policies[index].limits[place] = Limit(
                    rate: RatePerInterval(amount: 1, intervalSeconds: 3600), unit: .connections,
                    scope: random.pick([.total, .source, .destination, .pair]),
                    burst: UInt64(random.number(2...6)),
                    excess: random.chance(80) ? .reject : .drop)
            }
        }
        return set
    }

    /// A few flows, most of them such that something counts them, to be tried again and again.
    static func flows(
        _ random: inout RandomPolicies, _ set: PolicySet, _ state: PolicyState
    ) -> [Flow] {
        var found: [Flow] = []
        for _ in 0..<400 where found.count < 8 {
            let flow = random.flow()
            guard flow.source != flow.destination else { continue }
            let isCounted = !set.decide(flow, in: state).constraints.isEmpty
            if isCounted || found.count < 2 { found.append(flow) }
        }
        return found
    }

    @Test(arguments: [labSeed()])
    func `caps and limits count exactly`(seed: UInt64) throws {
        let environment = ProcessInfo.processInfo.environment["WEIR_KERNEL_COUNTS"] ?? ""
        let wanted = Int(environment) ?? 2_400
        print("KernelCountsTests seed \(seed), \(wanted) flows")
        var random = RandomPolicies(seed: seed)
        random.onlyProbes = true
        let lab = try GatewayLandscape()
        defer { lab.close() }
        let ports = KernelAgreesTests.ports
        let servers = try lab.serve(tcp: ports, udp: ports)
        defer { for server in servers { server.close() } }
        var (seen, counted): ([Outcome], Int) = ([], 0)
        while seen.count < wanted {
            let set = Self.policySet(&random)
            let outcomes = try round(set, &random, lab)
            seen += outcomes.all
            counted += outcomes.refusedByCounting
        }
        print("KernelCountsTests: \(OutcomeCount(seen)); \(counted) refused by counting")
        #expect(counted > wanted / 20)
    }

    /// One policy set over an empty table: what came, and how often something was full or empty.
    private func round(
        _ set: PolicySet, _ random: inout RandomPolicies, _ lab: GatewayLandscape
    ) throws -> (all: [Outcome], refusedByCounting: Int) {
        let state = PolicyState(epochSeconds: currentTimeMilliseconds() / 1000)
        let flows = Self.flows(&random, set, state)
        guard flows.contains(where: { !set.decide($0, in: state).constraints.isEmpty }) else {
            return ([], 0)
        }
        try lab.gateway.run { () throws in
            var socket = try NetfilterSocket.open()
            let (kernel, generation) = try socket.readTable()
            if let kernel {
                try socket.apply(Delta.removing(kernel), expectedGeneration: generation)
            }
            let (program, diagnostics) = lower(set, options: LoweringOptions(state: state))
            let ruleset = try #require(program?.ruleset, "\(diagnostics)")
            let now = currentTimeMilliseconds()
            let (_, fresh) = try socket.readTable()
            try socket.apply(
                ruleset.delta(from: nil, nowMilliseconds: now), expectedGeneration: fresh)
        }
        _ = try lab.gateway.command(["conntrack", "-F"])
        var model = CountingModel(set, in: state)
        var held: [HeldConnections] = []
        defer { for connections in held { connections.close() } }
        var (outcomes, refused): ([Outcome], Int) = ([], 0)
        for _ in 0..<40 {
            let flow = random.pick(flows)
            let expected = model.expect(flow)
            // What is only dropped takes its time and changes nothing.
            if expected == [.dropped], random.chance(85) { continue }
            // Ports of their own: one that came again would belong to a connection that stands.
            let outcome = try attempt(flow, from: 2_000 + UInt16(outcomes.count), lab, &held)
            #expect(expected.contains(outcome), "\(flow): \(outcome), expected \(expected)")
            model.record(flow, outcome)
            outcomes.append(outcome)
            guard outcome != .open else { continue }
            if set.decide(flow, in: state).action == .allow { refused += 1 }
            // Whoever was refused leaves the caps that it entered with the next clock tick.
            waitForClockTick()
        }
        return (outcomes, refused)
    }

    /// A connection that stays, a datagram or a ping, whose conntrack entries stay for 30 s.
    private func attempt(
        _ flow: Flow, from port: UInt16, _ lab: GatewayLandscape,
        _ held: inout [HeldConnections]
    ) throws -> Outcome {
        guard flow.port.protocolNumber == IPProtocol.tcp else {
            return try lab.segment(of: flow.source).namespace.probe(
                [Probe(flow, sourcePort: port)], timeoutMilliseconds: 200)[0]
        }
        let connections = try lab.hold(flow, count: 1, timeoutMilliseconds: 200)
        held.append(connections)
        return connections.outcomes[0]
    }
}
