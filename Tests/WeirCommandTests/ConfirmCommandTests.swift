// SPDX-License-Identifier: GPL-3.0-or-later
//
// A commit that cuts the operator off, and everything of the operator's killed: access comes back
// by itself, with real packets between namespaces.

import FoundationEssentials
import Glibc
import Testing
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized) struct ConfirmCommandTests {
    private static let files = [
        "inventory.yaml": """
        services:
          operator: {endpoints: [10.1.0.1]}
          server: {endpoints: [10.2.0.1]}

        """,
        "main.weir": """
        landscape "inventory.yaml"
        layers {
            emergency
            base default reject
        }
        layer base {
            policy access { from operator to server on tcp/7001; allow; cap 100 connections }
        }

        """,
    ]

    private static func address(_ text: String) throws -> IPAddress {
        try #require(IPAddress(text))
    }

    /// The gateway with the policies in force, and the flow of the operator.
    private final class Lab {
        let gateway: GatewayLandscape
        let servers: [EchoServer]
        let flow: Flow
        let directory: String

        init() throws {
            gateway = try GatewayLandscape(segments: [["10.1.0.0/16"], ["10.2.0.0/16"]])
            servers = try gateway.serve(tcp: [7001])
            flow = Flow(
                source: try address("10.1.0.1"), destination: try address("10.2.0.1"),
                port: PortPoint(protocolNumber: IPProtocol.tcp, port: 7001))
            directory = "/tmp/weir-confirm-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            try FileManager.default.createDirectory(
                atPath: directory + "/set", withIntermediateDirectories: true)
            for (name, text) in ConfirmCommandTests.files {
                try Data(text.utf8).write(to: URL(filePath: "\(directory)/set/\(name)"))
            }
            #expect(try weir("apply", "set").succeeded)
        }

        deinit {
            for server in servers { server.close() }
            gateway.close()
            try? FileManager.default.removeItem(atPath: directory)
        }

        func weir(_ words: String...) throws -> CommandResult {
            try gateway.gateway.command(
                [
                    "env", "--chdir", directory, "WEIR_STATE=\(directory)/state",
                    CommandLab.binary,
                ] + words)
        }

        var isOpen: Bool {
            get throws { try gateway.probe([flow], timeoutMilliseconds: 200) == [.open] }
        }

        /// Starts a shell in a session of its own; its process number, also its group's.
        func start(_ script: String) throws -> pid_t {
            let started = try gateway.gateway.command([
                "sh", "-c", "setsid sh -c \"$1\" >\(directory)/out 2>&1 & echo $!", "sh", script,
            ])
            return try #require(pid_t(started.output.filter { $0.isNumber }))
        }

        func counter(_ name: String) throws -> String {
            try gateway.gateway.command(["nft", "list", "counter", "inet", "weir", name]).output
        }
    }

    @Test func `access is back within 6 s though the whole process group was killed`() throws {
        let lab = try Lab()
        #expect(try lab.isOpen)
        let clock = ContinuousClock()
        let group = try lab.start(
            "cd \(lab.directory); WEIR_STATE=\(lab.directory)/state \(CommandLab.binary) repl set "
                + "-c 'policy oops { from any to any; drop }' "
                + "-c '\\commit --confirm 5s'; sleep 60")
        let started = clock.now
        while try lab.isOpen, clock.now - started < .seconds(4) {}
        #expect(try !lab.isOpen, "the commit did not cut the access")
        #expect(kill(-group, SIGKILL) == 0)
        while try !lab.isOpen, clock.now - started < .seconds(12) {}
        let taken = clock.now - started
        #expect(taken > .seconds(3), "nothing was waited for")
        #expect(taken < .seconds(6) + .milliseconds(500), "access was back after \(taken)")
        // The packets are let through before the log says why.
        usleep(300_000)
        let history = try lab.weir("history").output
        #expect(history.contains("expired (back to 1)"))
        // What was typed is not lost: the next prompt has it.
        let next = try lab.weir("repl", "set", "-c", "\\stage")
        #expect(next.output.contains("+ policy emergency.oops"))
    }

    @Test func `what was confirmed stays, and is written then`() throws {
        let lab = try Lab()
        let path = "\(lab.directory)/set/live.weir"
        #expect(
            try lab.weir(
                "repl", "set", "-c", "policy shut { from any to any on tcp/9; drop }", "-c",
                "\\commit --confirm 2s"
            ).succeeded)
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try lab.weir("apply", "set").status == 1)
        #expect(try lab.weir("confirm").succeeded)
        #expect(FileManager.default.fileExists(atPath: path))
        usleep(2_500_000)
        #expect(try lab.weir("show").output.contains("emergency.shut"))
        #expect(try lab.weir("confirm").status == 1)
    }

    @Test func `counters that the commit did not touch go on`() throws {
        let lab = try Lab()
        #expect(try lab.isOpen)
        let name = try lab.gateway.gateway.command(["nft", "list", "counters"]).output
            .split(whereSeparator: \.isWhitespace).map(String.init)
            .first { $0.contains("access") && $0.contains("allowed") }
        let counter = try #require(name).filter { $0 != "\"" }
        let before = try lab.counter(counter)
        #expect(before.contains("packets 1"))
        #expect(
            try lab.weir(
                "repl", "set", "-c", "policy shut { from any to any on tcp/9; drop }", "-c",
                "\\commit --confirm 1s"
            ).succeeded)
        usleep(1_800_000)
        #expect(try !lab.weir("show").output.contains("emergency.shut"))
        #expect(try lab.counter(counter) == before)
    }
}
