// SPDX-License-Identifier: GPL-3.0-or-later
//
// What `plan` says of the connections that a commit would end: how many, between whom, since when.

import FoundationEssentials
import Glibc
import Testing
import WeirLab
import WeirModel
import WeirSession

@Suite(.enabled(if: labCanRun), .serialized) struct CutCommandTests {
    private struct Document: Decodable {
        struct Cut: Decodable {
            let source: String
            let connections: Int
            let oldest: String?
            let newest: String?
        }
        let cuts: [Cut]
    }

    @Test func `plan says since when a connection stands that it ends`() throws {
        let gateway = try GatewayLandscape(segments: [["10.1.0.0/16"], ["10.2.0.0/16"]])
        let servers = try gateway.serve(tcp: [5432])
        let lab = try CommandLab()
        defer {
            for server in servers { server.close() }
            gateway.close()
        }
        let before = try lab.policies("before", smallSet("allow"))
        let after = try lab.policies("after", smallSet("reject"))
        func weir(_ words: String...) throws -> CommandResult {
            try gateway.gateway.command(
                ["env", "WEIR_STATE=\(lab.directory)/state", CommandLab.binary] + words)
        }
        #expect(try weir("apply", before).succeeded)
        let flow = Flow(
            source: IPAddress("10.1.0.1")!, destination: IPAddress("10.2.0.1")!,
            port: PortPoint(protocolNumber: IPProtocol.tcp, port: 5432))
        try gateway.gateway.set(["net/netfilter/nf_conntrack_timestamp": "0"])
        let undated = try gateway.hold(flow, count: 2)
        let blind = try weir("plan", after)
        #expect(blind.output.contains("cuts: 2 live connections web -> db tcp/5432\n"))
        #expect(
            blind.output.contains(
                "since when is not known: `sysctl -w net.netfilter.nf_conntrack_timestamp=1`"))
        try gateway.gateway.set(["net/netfilter/nf_conntrack_timestamp": "1"])
        let start = Int64(time(nil))
        let first = try gateway.hold(flow, count: 1)
        usleep(2_100_000)
        let second = try gateway.hold(flow, count: 1)
        let end = Int64(time(nil))
        let seen = try weir("plan", after).output
        #expect(seen.contains("cuts: 4 live connections web -> db tcp/5432, the oldest since 20"))
        #expect(seen.contains(", of 2 it is not known\n"))
        undated.close()
        waitForClockTick()
        let planned = try weir("plan", "--json", after).output
        let document = try JSONDecoder().decode(Document.self, from: Data(planned.utf8))
        let cut = try #require(document.cuts.first)
        #expect(cut.connections == 2)
        #expect([start, start + 1].map(timestampText).contains(cut.oldest ?? ""))
        #expect([end - 1, end].map(timestampText).contains(cut.newest ?? ""))
        #expect(try weir("apply", after).output.contains("2 live connections cut"))
        #expect(try first.exchange() == [.reset])
        #expect(try second.exchange() == [.reset])
    }
}
