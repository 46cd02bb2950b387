// SPDX-License-Identifier: GPL-3.0-or-later
//
// A cap changes by `weir apply` under connections that stand: what the command says, and the
// process that it leaves behind, also when somebody kills that.

import FoundationEssentials
import Glibc
import Testing
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized) struct SettleCommandTests {
    private final class Lab {
        let gateway: GatewayLandscape
        let servers: [EchoServer]
        let flow: Flow
        let directory: String

        init() throws {
            gateway = try GatewayLandscape(segments: [["10.1.0.0/16"], ["10.2.0.0/16"]])
            servers = try gateway.serve(tcp: [7001])
            flow = Flow(
                source: try #require(IPAddress("10.1.0.1")),
                destination: try #require(IPAddress("10.2.0.1")),
                port: PortPoint(protocolNumber: IPProtocol.tcp, port: 7001))
            directory = "/tmp/weir-settle-\(getpid())-\(UInt32.random(in: 0 ... .max))"
            try FileManager.default.createDirectory(
                atPath: directory + "/set", withIntermediateDirectories: true)
            try write(
                "inventory.yaml",
                "services:\n  web: {endpoints: [10.1.0.1]}\n  db: {endpoints: [10.2.0.1]}\n")
        }

        deinit {
            if let process = settler { kill(process, SIGTERM) }
            for server in servers { server.close() }
            gateway.close()
            try? FileManager.default.removeItem(atPath: directory)
        }

        func write(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(filePath: "\(directory)/set/\(name)"))
        }

        func cap(_ connections: Int) throws {
            try write(
                "main.weir",
                """
                landscape "inventory.yaml"
                layers { base }
                layer base {
                    policy shield { from web to db on tcp/7001; cap \(connections) connections }
                }

                """)
        }

        func weir(_ words: String...) throws -> CommandResult {
            try gateway.gateway.command(
                [
                    "env", "--chdir", directory, "WEIR_STATE=\(directory)/state",
                    CommandLab.binary,
                ] + words)
        }

        /// The process that gives places back; nil where none lives.
        var settler: pid_t? {
            guard
                let text = try? String(
                    contentsOfFile: "\(directory)/state/settle.lock", encoding: .utf8),
                let process = pid_t(text), kill(process, 0) == 0
            else { return nil }
            return process
        }

        /// Waits at most eight seconds: other suites load the machine meanwhile.
        func waits(until holds: () throws -> Bool) rethrows -> Bool {
            for _ in 0..<400 {
                if try holds() { return true }
                usleep(20_000)
            }
            return false
        }
    }

    @Test func `apply leaves a settler that gives places back and ends`() throws {
        let lab = try Lab()
        try lab.cap(10)
        #expect(try lab.weir("apply", "set").succeeded)
        #expect(lab.settler == nil)
        let held = try lab.gateway.hold(lab.flow, count: 8)
        try lab.cap(6)
        let words = "counts: base.shield cap1, at most 6, starts with the 8 connections that exist"
        let plan = try lab.weir("plan", "set")
        #expect(plan.output.contains(words + "; it is full"))
        let applied = try lab.weir("apply", "set")
        #expect(applied.succeeded && applied.output.contains(words), "\(applied)")
        #expect(try lab.weir("apply", "set").output.contains("nothing to do"))
        #expect(lab.waits { lab.settler != nil })
        #expect(try lab.gateway.hold(lab.flow, count: 2).count == 0)
        held.close()
        // All six places are there again, and the process has ended.
        #expect(lab.waits { lab.settler == nil })
        #expect(try lab.gateway.hold(lab.flow, count: 8).count == 6)
        #expect(!(try lab.weir("status", "set").output.contains("settling")))
    }

    @Test func `amounts follow the inventory without an edit of the policy`() throws {
        let lab = try Lab()
        func inventory(_ web: String, capacity: Int) throws {
            try lab.write(
                "inventory.yaml",
                """
                services:
                  web: {endpoints: [\(web)]}
                  db:
                    endpoints: [10.2.0.1]
                    capacity: {connections: \(capacity)}

                """)
        }
        try lab.write(
            "main.weir",
            """
            landscape "inventory.yaml"
            layers { base }
            layer base {
                policy each { from web to db on tcp/7001; cap 2 connections per endpoint of web }
                policy share { from web to db on tcp/7001; cap 50% of capacity of db }
            }

            """)
        try inventory("10.1.0.1, 10.1.0.2", capacity: 100)
        #expect(try lab.weir("apply", "set").succeeded)
        let held = try lab.gateway.hold(lab.flow, count: 6)
        #expect(held.count == 4)
        // Web scales out: six places, four of them taken by connections from before.
        try inventory("10.1.0.1, 10.1.0.2, 10.1.0.3", capacity: 100)
        let scaled = try lab.weir("apply", "set")
        #expect(scaled.output.contains("~ base.each"), "\(scaled)")
        let more = try lab.gateway.hold(lab.flow, count: 6)
        #expect(more.count == 2)
        // The database shrinks: half of ten are five places, and six are taken.
        try inventory("10.1.0.1, 10.1.0.2, 10.1.0.3", capacity: 10)
        #expect(try lab.weir("apply", "set").output.contains("~ base.share"))
        #expect(try lab.gateway.hold(lab.flow, count: 2).count == 0)
        more.close()
        #expect(lab.waits { (try? lab.gateway.hold(lab.flow, count: 3).count) == 1 })
        #expect(try held.exchange().allSatisfy { $0 == .open })
    }

    @Test func `whoever comes next resumes for a settler that was killed`() throws {
        let lab = try Lab()
        try lab.cap(10)
        #expect(try lab.weir("apply", "set").succeeded)
        let held = try lab.gateway.hold(lab.flow, count: 8)
        try lab.cap(12)
        #expect(try lab.weir("apply", "set").succeeded)
        for command in ["status", "apply"] {
            #expect(lab.waits { lab.settler != nil })
            let process = try #require(lab.settler)
            #expect(kill(process, SIGKILL) == 0)
            #expect(lab.waits { kill(process, 0) != 0 })
            // It does not admit too many meanwhile.
            let more = try lab.gateway.hold(lab.flow, count: 6)
            #expect(more.count == 4)
            more.close()
            let said = try lab.weir(command, "set")
            #expect((said.output + said.errors).contains("resumed"), "\(said)")
        }
        let status = try lab.weir("status", "set")
        #expect(
            status.output.contains("caps that changed count 8 earlier connections until they end"))
        held.close()
        #expect(lab.waits { lab.settler == nil })
        #expect(try lab.gateway.hold(lab.flow, count: 14).count == 12)
    }
}
