// SPDX-License-Identifier: GPL-3.0-or-later
//
// The kernel held against `decide`: random policy sets are compiled, committed over each other in
// a gateway namespace, and tried with real connections, datagrams and pings.

import FoundationEssentials
import Testing
import WeirKernel
import WeirLab
import WeirModel
import WeirRuleset
import WeirTesting

@Suite(.enabled(if: labCanRun), .serialized)
struct KernelAgreesTests {
    static let ports = Array(UInt16(79)...92)

    static func expected(_ verdict: WeirModel.Verdict, _ flow: Flow) -> Outcome {
        switch verdict.action {
        case .allow: .open
        case .drop: .dropped
        case .reject: flow.port.protocolNumber == IPProtocol.tcp ? .reset : .prohibited
        case nil: .other(0)
        }
    }

    /// nft takes the compiled text, and its own listing loads and lists alike.
    static func checkListing(_ set: PolicySet, in gateway: Namespace, _ comment: Comment) throws {
        let options = LoweringOptions(state: PolicyState(epochSeconds: 1_000))
        let text = try #require(lower(set, options: options).0).ruleset
            .nftText(nowMilliseconds: 1_000_000)
        let checked = try gateway.command(["nft", "-c", "-f", "-"], input: text)
        #expect(checked.succeeded, "\(comment): \(checked.errors.prefix(500))")
        let listing = try gateway.command(["nft", "list", "ruleset"]).output
        let other = try Namespace()
        defer { other.close() }
        try other.loadRuleset(listing)
        let again = try other.command(["nft", "list", "ruleset"]).output
        #expect(Self.withoutCounts(again) == Self.withoutCounts(listing), comment)
    }

    private static func withoutCounts(_ listing: String) -> [Substring] {
        listing.split(separator: "\n").filter { !$0.contains("packets ") }
    }

    /// Two different addresses: a host reaches itself without any gateway.
    static func flows(_ random: inout RandomPolicies, _ count: Int) -> [Flow] {
        var found: [Flow] = []
        while found.count < count {
            let flow = random.flow()
            if flow.source != flow.destination { found.append(flow) }
        }
        return found
    }

    @Test(arguments: [labSeed()])
    func `real connections obey as decide says`(seed: UInt64) throws {
        let rounds = Int(ProcessInfo.processInfo.environment["WEIR_KERNEL_ROUNDS"] ?? "") ?? 45
        print("KernelAgreesTests seed \(seed), \(rounds) rounds of 60 flows")
        var random = RandomPolicies(seed: seed)
        random.constrains = false
        random.onlyProbes = true
        let lab = try GatewayLandscape()
        defer { lab.close() }
        let servers = try lab.serve(tcp: Self.ports, udp: Self.ports)
        defer { for server in servers { server.close() } }
        let state = PolicyState(epochSeconds: currentTimeMilliseconds() / 1000)
        var seen: [Outcome] = []
        for round in 0..<rounds {
            let set = random.policySet()
            try lab.gateway.run { () throws in
                var socket = try NetfilterSocket.open()
                let (kernel, generation) = try socket.readTable()
                let (program, diagnostics) = lower(
                    set, options: LoweringOptions(state: state), previous: kernel)
                let ruleset = try #require(program?.ruleset, "\(diagnostics)")
                let now = currentTimeMilliseconds()
                try socket.apply(
                    ruleset.delta(from: kernel, nowMilliseconds: now),
                    expectedGeneration: generation)
                let (held, _) = try socket.readTable()
                let again = ruleset.delta(from: held, nowMilliseconds: now)
                #expect(again.isEmpty, "round \(round): \(again.counts.summary)")
            }
            try Self.checkListing(set, in: lab.gateway, "round \(round)")
            _ = try lab.gateway.command(["conntrack", "-F"])
            let flows = Self.flows(&random, 60)
            let outcomes = try lab.probe(flows)
            seen += outcomes
            for (flow, outcome) in zip(flows, outcomes) {
                let wanted = Self.expected(set.decide(flow, in: state), flow)
                #expect(outcome == wanted, "round \(round): \(flow)")
            }
        }
        let tally = OutcomeCount(seen)
        print("KernelAgreesTests: \(tally)")
        #expect(tally[.open] > 0 && tally[.reset] > 0 && tally[.dropped] > 0)
    }
}
