// SPDX-License-Identifier: GPL-3.0-or-later
//
// `weir trace` on real packets: what became of each and who said so; and nothing is left behind.

import FoundationEssentials
import Glibc
import Testing
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized) struct TraceCommandTests {
    private static let files = [
        "inventory.yaml": """
        services:
          web: {endpoints: [10.1.0.1, "fd00:1::1"]}
          db: {endpoints: [10.2.0.1, "fd00:2::1"]}

        """,
        "main.weir": """
        landscape "inventory.yaml"
        layers {
            security
            base default reject
        }
        layer base { policy reads { from web to db on tcp/7001, tcp/7003; allow } }
        layer security {
            policy shut { from web to db on tcp/7002; drop }
            policy few { from any to db on tcp/7001; cap 1 connections }
        }

        """,
    ]

    /// A gateway with policies in force, and traces of it in the background.
    private final class Lab {
        let gateway: GatewayLandscape
        let lab: CommandLab
        private let servers: [EchoServer]

        init() throws {
            gateway = try GatewayLandscape(segments: [
                ["10.1.0.0/16", "fd00:1::/32"], ["10.2.0.0/16", "fd00:2::/32"],
            ])
            servers = try gateway.serve(tcp: [7001, 7002, 7003])
            lab = try CommandLab()
            let set = try lab.policies("set", TraceCommandTests.files)
            let applied = try weir("apply", set)
            #expect(applied.succeeded, "\(applied.errors)")
        }

        deinit {
            for server in servers { server.close() }
            gateway.close()
        }

        private func words(_ words: [String]) -> [String] {
            ["env", "WEIR_STATE=\(lab.directory)/state", CommandLab.binary] + words
        }

        func weir(_ arguments: String...) throws -> CommandResult {
            try gateway.gateway.command(words(arguments))
        }

        var tables: String {
            get throws { try gateway.gateway.command(["nft", "list", "tables"]).output }
        }

        func start(_ flow: String) throws -> pid_t {
            let started = try gateway.gateway.command(
                ["sh", "-c", "setsid \"$@\" >\(lab.directory)/out 2>&1 & echo $!", "sh"]
                    + words(["trace", flow, "--for", "20s", "--packets", "2"]))
            let process = try #require(pid_t(started.output.filter { $0.isNumber }))
            for _ in 0..<100 where try !tables.contains("weir_trace") { usleep(50_000) }
            try #require(try tables.contains("weir_trace"), "\(output)")
            return process
        }

        var output: String {
            let bytes = FileManager.default.contents(atPath: lab.directory + "/out")
            return String(decoding: bytes ?? Data(), as: UTF8.self)
        }

        /// What was said once the trace has ended by itself.
        func ended(_ process: pid_t) throws -> String {
            for _ in 0..<200 where kill(process, 0) == 0 { usleep(50_000) }
            try #require(kill(process, 0) != 0, "it goes on: \(output)")
            #expect(try !tables.contains("weir_trace"))
            return output
        }
    }

    private static func flow(_ source: String, _ destination: String, _ port: UInt16) -> Flow {
        Flow(
            source: IPAddress(source)!, destination: IPAddress(destination)!,
            port: PortPoint(protocolNumber: IPProtocol.tcp, port: port))
    }

    @Test func `an allowed packet and one of its connection`() throws {
        let lab = try Lab()
        let trace = try lab.start("10.1.0.1 -> db tcp/7003")
        let flow = Self.flow("10.1.0.1", "10.2.0.1", 7003)
        #expect(try lab.gateway.probe([flow]) == [.open])
        let said = try lab.ended(trace)
        #expect(said.contains("packet 1  10.1.0.1 -> 10.2.0.1 tcp/7003: passes\n"), "\(said)")
        #expect(said.contains("\n  allow by base.reads  main.weir:6:14\n"))
        #expect(said.contains("packet 2  10.1.0.1 -> 10.2.0.1 tcp/7003: known"))
    }

    @Test func `who dropped and who refused`() throws {
        let lab = try Lab()
        var trace = try lab.start("10.1.0.1 -> db tcp/7002")
        #expect(
            try lab.gateway.probe(
                [Self.flow("10.1.0.1", "10.2.0.1", 7002)], timeoutMilliseconds: 1500) == [.dropped])
        var said = try lab.ended(trace)
        #expect(
            said.contains("tcp/7002: dropped\n  drop by security.shut  main.weir:8:5"), "\(said)")
        // IPv6, a cap that is full.
        let held = try lab.gateway.hold(Self.flow("10.1.0.1", "10.2.0.1", 7001), count: 1)
        #expect(held.count == 1)
        trace = try lab.start("fd00:1::1 -> fd00:2::1 tcp/7001")
        let flow = Self.flow("fd00:1::1", "fd00:2::1", 7001)
        #expect(try lab.gateway.probe([flow]) == [.reset])
        #expect(try lab.gateway.probe([flow]) == [.reset])
        said = try lab.ended(trace)
        #expect(said.contains("packet 1  fd00:1::1 -> fd00:2::1 tcp/7001: refused"), "\(said)")
        #expect(said.contains("\n  over a cap of security.few  main.weir:9:5"))
        trace = try lab.start("10.1.0.1 -> 10.2.0.1 tcp/9")
        let nobody = Self.flow("10.1.0.1", "10.2.0.1", 9)
        #expect(try lab.gateway.probe([nobody, nobody]) == [.reset, .reset])
        said = try lab.ended(trace)
        #expect(said.contains(": refused\n  reject by the default of layer base"), "\(said)")
    }

    @Test func `another table's drop is named, and a killed trace leaves nothing`() throws {
        let lab = try Lab()
        try lab.gateway.gateway.loadRuleset(
            """
            table inet other {
                chain late {
                    type filter hook forward priority 0
                    tcp dport 7003 drop
                }
            }
            """)
        var trace = try lab.start("10.1.0.1 -> db tcp/7003")
        let flow = Self.flow("10.1.0.1", "10.2.0.1", 7003)
        #expect(try lab.gateway.probe([flow], timeoutMilliseconds: 1500) == [.dropped])
        let said = try lab.ended(trace)
        #expect(said.contains("tcp/7003: passes\n  allow by base.reads"), "\(said)")
        #expect(said.contains("\n  dropped by table other, chain late"))
        trace = try lab.start("10.1.0.1 -> db tcp/7003")
        #expect(kill(trace, SIGKILL) == 0)
        for _ in 0..<40 where try lab.tables.contains("weir_trace") { usleep(50_000) }
        #expect(try !lab.tables.contains("weir_trace"))
    }
}
