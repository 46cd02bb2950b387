// SPDX-License-Identifier: GPL-3.0-or-later
//
// `weir top` with real connections: what it counts, and the screen that it draws.

import FoundationEssentials
import Glibc
import Testing
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized) struct TopCommandTests {
    private static let files = [
        "inventory.yaml": """
        services:
          web: {endpoints: [10.1.0.1]}
          db: {endpoints: [10.2.0.1]}

        """,
        "main.weir": """
        landscape "inventory.yaml"
        layers {
            emergency
            base default reject
        }
        layer base {
            policy reads { from web to db on tcp/7001; allow; cap 8 connections }
            policy quiet until 2027-06-01T00:00Z { from db to web on tcp/7001; allow }
        }
        layer emergency { policy shed standby { from web to db; reject } }

        """,
    ]

    private struct Row: Decodable {
        let policy: String
        let connections: Int
        let newPerSecond: Double
        let rejectedPerSecond: Double
        let limitedPerSecond: Double
        let bytesPerSecond: Double?
        let capFill: Double?
        let secondsLeft: Int64?
    }

    private struct Document: Decodable {
        let revision: String
        let policies: [Row]
    }

    private static func top(_ gateway: GatewayLandscape, _ directory: String) throws -> Document {
        let result = try gateway.gateway.command([
            "env", "--chdir", directory, "WEIR_STATE=\(directory)/state", CommandLab.binary,
            "top", "--json",
        ])
        #expect(result.succeeded, "\(result.errors)")
        return try JSONDecoder().decode(Document.self, from: Data(result.output.utf8))
    }

    @Test func `it counts what stands, what begins and what is refused`() throws {
        let gateway = try GatewayLandscape(segments: [["10.1.0.0/16"], ["10.2.0.0/16"]])
        let servers = try gateway.serve(tcp: [7001])
        let lab = try CommandLab()
        defer {
            for server in servers { server.close() }
            gateway.close()
        }
        let set = try lab.policies("set", Self.files)
        func weir(_ words: String...) throws -> CommandResult {
            try gateway.gateway.command(
                ["env", "WEIR_STATE=\(lab.directory)/state", CommandLab.binary] + words)
        }
        #expect(try weir("top").output.contains("no policy is in force"))
        let applied = try weir("apply", set)
        #expect(applied.succeeded, "\(applied.errors)")
        let flow = Flow(
            source: IPAddress("10.1.0.1")!, destination: IPAddress("10.2.0.1")!,
            port: PortPoint(protocolNumber: IPProtocol.tcp, port: 7001))
        try gateway.gateway.set(["net/netfilter/nf_conntrack_acct": "1"])
        let held = try gateway.hold(flow, count: 4)
        #expect(held.count == 4)
        let calm = try Self.top(gateway, lab.directory)
        try #require(calm.policies.map(\.policy) == ["base.reads", "base.quiet"])
        #expect(calm.policies[0].connections == 4)
        #expect(calm.policies[0].capFill == 0.5)
        #expect(calm.policies[0].newPerSecond == 0)
        #expect(calm.policies[0].bytesPerSecond == 0)
        #expect((calm.policies[1].secondsLeft ?? 0) > 1_000_000)
        // A storm over the whole second: four places are left, the rest is refused.
        let done = try gateway.gateway.command([
            "sh", "-c", "(sleep 0.3; \"$@\" >\(lab.directory)/top) & echo", "sh", "env",
            "WEIR_STATE=\(lab.directory)/state", CommandLab.binary, "top", "--json",
        ])
        #expect(done.succeeded)
        let storm = try gateway.attempt(flow, forMilliseconds: 2500)
        usleep(300_000)
        let text = FileManager.default.contents(atPath: lab.directory + "/top") ?? Data()
        let busy = try JSONDecoder().decode(Document.self, from: text).policies[0]
        let perSecond = Double(storm.total) / 2.5
        #expect(busy.newPerSecond > perSecond / 2 && busy.newPerSecond < perSecond * 2)
        #expect(busy.rejectedPerSecond == busy.limitedPerSecond)
        #expect(busy.rejectedPerSecond > 0 && busy.rejectedPerSecond < busy.newPerSecond)
        #expect((busy.bytesPerSecond ?? 0) > 0)
        #expect(try held.exchange().allSatisfy { $0 == .open })
    }

    @Test(.enabled(if: Terminal.isThere)) func `on a terminal it draws until q`() throws {
        let lab = try CommandLab()
        let set = try lab.policies("set", Self.files)
        #expect(try lab.weir("apply", set).succeeded)
        #expect(try lab.weir("enable", "shed", "--for", "90s").succeeded)
        let terminal = try Terminal(lab, ["repl", set])
        defer { terminal.close() }
        try terminal.waits(for: "\\help lists")
        try terminal.types("\\top", "Enter")
        try terminal.waits(for: "q ends")
        let screen = try terminal.screen()
        #expect(screen.contains("emergency.shed"))
        #expect(!screen.contains("\\help lists"))
        try terminal.waits(for: "85s")
        try terminal.types("q")
        // The prompt is back where it was, and takes a line.
        try terminal.waits(for: "\\help lists")
        try terminal.types("\\disable shed", "Enter")
        try terminal.waits(for: "weir: disable emergency.shed")
    }
}
