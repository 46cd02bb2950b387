// SPDX-License-Identifier: GPL-3.0-or-later
//
// `weir agent` with real connections: a storm raises a signal, the standby policy is enforced, the
// storm ends and the policy with it; and what happens when the agent flaps, dies or only pretends.

import FoundationEssentials
import Glibc
import Testing
import WeirLab
import WeirModel

/// A gateway with policies in force and an agent beside it.
private final class AgentLab {
    let gateway: GatewayLandscape
    let directory: String
    private let servers: [EchoServer]
    private var agents: [pid_t] = []

    static let batch = tcp("10.1.0.1")
    static let shop = tcp("10.1.0.2")

    init(_ triggers: String) throws {
        gateway = try GatewayLandscape(segments: [["10.1.0.0/16"], ["10.2.0.0/16"]])
        servers = try gateway.serve(tcp: [7001])
        directory = "/tmp/weir-agent-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: directory + "/set", withIntermediateDirectories: true)
        try write("inventory.yaml", Self.inventory)
        try write("main.weir", Self.policies + triggers + "\n")
        let applied = try weir("apply", "set")
        #expect(applied.succeeded, "\(applied.errors)")
    }

    deinit {
        for agent in agents { kill(agent, SIGKILL) }
        for server in servers { server.close() }
        gateway.close()
        try? FileManager.default.removeItem(atPath: directory)
    }

    private static let inventory = """
        services:
          batch: {endpoints: [10.1.0.1]}
          shop: {endpoints: [10.1.0.2]}
          server: {endpoints: [10.2.0.1]}

        """

    private static let policies = """
        landscape "inventory.yaml"
        layers {
            emergency
            resilience
            base default reject
        }
        layer base { policy access { from batch or shop to server on tcp/7001; allow } }
        layer resilience { policy protect { from any to server on tcp/7001; cap 10 connections } }
        layer emergency { policy shed standby { from batch to server on tcp/7001; reject } }

        """

    private static func tcp(_ source: String) -> Flow {
        Flow(
            source: IPAddress(source)!, destination: IPAddress("10.2.0.1")!,
            port: PortPoint(protocolNumber: IPProtocol.tcp, port: 7001))
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(directory)/set/\(name)"))
    }

    private func words(_ words: [String]) -> [String] {
        ["env", "--chdir", directory, "WEIR_STATE=\(directory)/state", CommandLab.binary] + words
    }

    @discardableResult
    func weir(_ arguments: String...) throws -> CommandResult {
        try gateway.gateway.command(words(arguments))
    }

    /// Starts an agent and waits until it watches; its process.
    @discardableResult
    func startAgent(_ options: String...) throws -> pid_t {
        let before = log.count
        let started = try gateway.gateway.command(
            ["sh", "-c", "setsid \"$@\" >>\(directory)/log 2>&1 & echo $!", "sh"]
                + words(["agent", "set"] + options))
        let process = try #require(pid_t(started.output.filter { $0.isNumber }))
        agents.append(process)
        try wait(5, "the agent watches") {
            self.log.dropFirst(before).contains { $0.contains("watches") }
        }
        return process
    }

    var log: [String] {
        String(
            decoding: FileManager.default.contents(atPath: directory + "/log") ?? Data(),
            as: UTF8.self
        )
        .split(separator: "\n").map(String.init)
    }

    func logged(_ text: String) -> Int { log.count { $0.contains(text) } }

    /// Waits until something holds.
    func wait(_ seconds: Double, _ what: String, _ holds: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while try !holds() {
            try #require(
                ContinuousClock.now < end,
                "\(what): not within \(seconds) s\n\(log.joined(separator: "\n"))")
            usleep(50_000)
        }
    }

    func outcome(_ flow: Flow) throws -> Outcome {
        try gateway.probe([flow], timeoutMilliseconds: 200)[0]
    }

    /// Enable operations in the history.
    var enables: Int {
        get throws {
            try weir("history").output.split(separator: "\n").count { $0.contains("  enable  ") }
        }
    }
}

@Suite(.enabled(if: labCanRun), .serialized) struct AgentCommandTests {
    @Test func `a storm of connections is shed, and no longer than it lasts`() throws {
        let lab = try AgentLab("when protect.connections > 50% for 2s enable shed for 4s")
        try lab.startAgent()
        #expect(try lab.outcome(AgentLab.batch) == .open)
        let storm = try lab.gateway.hold(AgentLab.batch, count: 8)
        #expect(storm.count == 8)
        let clock = ContinuousClock()
        let begun = clock.now
        try lab.wait(6, "shed is enforced") { try lab.outcome(AgentLab.batch) == .reset }
        #expect(clock.now - begun > .seconds(1.8), "the condition was not waited for")
        #expect(try lab.outcome(AgentLab.shop) == .open)
        // Packets are refused before the commit has ended what stood, and the log says so after.
        try lab.wait(3, "it says so") { lab.logged("enabled `emergency.shed`") == 1 }
        // What stood is cut, as with `weir enable`.
        #expect(try storm.exchange().allSatisfy { $0 == .reset })
        #expect(lab.logged("main.weir:10:1: resilience.protect.connections is 8, threshold 5") == 1)
        try lab.wait(6, "shed ends") { try lab.outcome(AgentLab.batch) == .open }
        #expect(lab.logged("over: resilience.protect.connections") == 1)
        let history = try lab.weir("history").output
        #expect(history.contains("  weir agent  enable  weir: enable emergency.shed for 4 s"))
        #expect(history.contains("when main.weir:10:1, resilience.protect.connections is 8"))
    }

    @Test func `a measure goes on while its condition does, then ends`() throws {
        let lab = try AgentLab("when protect.rate > 200 connections/s for 2s enable shed for 3s")
        try lab.startAgent()
        let storm = try lab.gateway.attempt(AgentLab.batch, forMilliseconds: 9000)
        #expect(storm[.open] > 40)
        // Asked for counts, not admitted: the storm that is refused is still a storm.
        #expect(lab.logged("enabled `emergency.shed`") == 1)
        #expect(lab.logged("goes on with `emergency.shed`") >= 1)
        let refused = try lab.outcome(AgentLab.batch)
        #expect(refused == .reset, "\(storm)\n\(lab.log.joined(separator: "\n"))")
        try lab.wait(8, "shed ends") { try lab.outcome(AgentLab.batch) == .open }
    }

    @Test(arguments: ["packets > 20 packets/s", "bytes > 1 kB/s"])
    func `packets of established connections are counted`(condition: String) throws {
        let lab = try AgentLab("when protect.\(condition) for 2s enable shed for 2s")
        try lab.startAgent()
        let held = try lab.gateway.hold(AgentLab.shop, count: 4)
        usleep(3_000_000)
        #expect(lab.logged("enabled") == 0)
        try lab.wait(8, "shed is enforced") {
            _ = try held.exchange()
            return lab.logged("enabled `emergency.shed`") == 1
        }
        #expect(try lab.outcome(AgentLab.batch) == .reset)
        #expect(try held.exchange().allSatisfy { $0 == .open })
    }

    @Test func `refused connections are a signal`() throws {
        let lab = try AgentLab("when protect.rejected > 5 connections/s for 1s enable shed for 2s")
        try lab.startAgent()
        let held = try lab.gateway.hold(AgentLab.shop, count: 10)
        #expect(held.count == 10)
        let storm = try lab.gateway.attempt(AgentLab.batch, forMilliseconds: 4000)
        #expect(storm[.open] == 0)
        #expect(lab.logged("enabled `emergency.shed`") == 1)
        #expect(try held.exchange().allSatisfy { $0 == .open })
    }

    @Test func `a flapping signal switches no faster than it may`() throws {
        let lab = try AgentLab("when protect.connections > 5 connections for 1s enable shed for 1s")
        try lab.startAgent("--max-starts", "2")
        let end = ContinuousClock.now + .seconds(12)
        var rounds = 0
        while ContinuousClock.now < end {
            // Each round is cut by the measure, which ends a second later.
            let storm = try lab.gateway.hold(AgentLab.batch, count: 8)
            usleep(1_500_000)
            storm.close()
            rounds += 1
        }
        #expect(rounds > 4)
        #expect(try lab.enables == 2)
        #expect(lab.logged("held back: `emergency.shed` was switched on 2 times") == 1)
        #expect(try lab.outcome(AgentLab.batch) == .open)
    }

    @Test func `killed and started again it neither forgets nor repeats`() throws {
        let lab = try AgentLab("when protect.connections > 50% for 5s enable shed for 20s")
        let first = try lab.startAgent()
        let storm = try lab.gateway.hold(AgentLab.batch, count: 8)
        let clock = ContinuousClock()
        let begun = clock.now
        usleep(3_000_000)
        #expect(kill(first, SIGKILL) == 0)
        usleep(300_000)
        let second = try lab.startAgent()
        try lab.wait(8, "shed is enforced") { try lab.outcome(AgentLab.batch) == .reset }
        // Started from nothing, it would have taken five seconds from here.
        #expect(clock.now - begun < .seconds(7.5))
        #expect(kill(second, SIGKILL) == 0)
        usleep(300_000)
        try lab.startAgent()
        // Nothing but the next readings could make it enable once more.
        usleep(3_000_000)
        #expect(try lab.enables == 1)
        // The second may have been killed between its commit and the line about it.
        #expect(lab.logged("enabled `emergency.shed`") <= 1)
        #expect(try storm.exchange().allSatisfy { $0 == .reset })
    }

    @Test func `with the agent dead the measure ends on time`() throws {
        let lab = try AgentLab("when protect.connections > 50% for 1s enable shed for 3s")
        let agent = try lab.startAgent()
        let storm = try lab.gateway.hold(AgentLab.batch, count: 8)
        try lab.wait(5, "shed is enforced") { try lab.outcome(AgentLab.batch) == .reset }
        #expect(kill(agent, SIGTERM) == 0)
        try lab.wait(3, "the agent ends") { lab.logged("ends; `emergency.shed` ends in") == 1 }
        try lab.wait(5, "shed ends") { try lab.outcome(AgentLab.batch) == .open }
        storm.close()
    }

    @Test func `a dry run says what it would do and changes nothing`() throws {
        let lab = try AgentLab("when protect.connections > 50% for 1s enable shed for 3s")
        let before = try lab.gateway.gateway.command(["nft", "list", "sets"]).output
        try lab.startAgent("--dry-run")
        let storm = try lab.gateway.hold(AgentLab.batch, count: 8)
        try lab.wait(5, "it says so") { lab.logged("would enable `emergency.shed` for 3 s") == 1 }
        #expect(try lab.outcome(AgentLab.batch) == .open)
        #expect(try storm.exchange().allSatisfy { $0 == .open })
        #expect(try lab.gateway.gateway.command(["nft", "list", "sets"]).output == before)
        #expect(try lab.enables == 0)
        #expect(!FileManager.default.fileExists(atPath: lab.directory + "/state/agent.json"))
    }

    @Test func `an operator who switches a measure off is not overruled`() throws {
        let lab = try AgentLab("when protect.rate > 200 connections/s for 1s enable shed for 30s")
        try lab.startAgent()
        #expect(try lab.gateway.attempt(AgentLab.batch, forMilliseconds: 3500)[.open] > 40)
        #expect(try lab.enables == 1)
        #expect(try lab.weir("disable", "shed").succeeded)
        let storm = try lab.gateway.attempt(AgentLab.batch, forMilliseconds: 4000)
        #expect(storm[.open] > 40)
        #expect(try lab.enables == 1)
        #expect(lab.logged("somebody switched `emergency.shed` off") == 1)
    }

    @Test func `it goes by what is in force, not by files that nobody applied`() throws {
        let lab = try AgentLab("when protect.connections > 50% for 1s enable shed for 3s")
        let text = try String(contentsOfFile: lab.directory + "/set/main.weir", encoding: .utf8)
        let edited = text.split(separator: "\n").dropLast().joined(separator: "\n") + "\n"
        try lab.write("main.weir", edited)
        let agent = try lab.startAgent()
        #expect(lab.logged("warning: the files in `set` are not what is in force") == 1)
        // Once they are applied there is nothing to watch.
        #expect(try lab.weir("apply", "set").succeeded)
        try lab.wait(4, "it notices") { lab.logged("is in force: 0 `when`") == 1 }
        #expect(kill(agent, SIGHUP) == 0)
        try lab.wait(4, "it looks again") { lab.logged("is in force: 0 `when`") == 2 }
    }

    @Test func `there is one agent, and it writes metrics`() throws {
        let lab = try AgentLab("when protect.connections > 50% for 1s enable shed for 3s")
        let path = lab.directory + "/weir.prom"
        try lab.startAgent("--metrics-file", path)
        #expect(try lab.weir("agent", "set").status == 1)
        try lab.wait(4, "metrics") { FileManager.default.fileExists(atPath: path) }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.contains("# TYPE weir_policy_decisions_total counter\n"))
        #expect(
            text.contains(
                "weir_policy_decisions_total{policy=\"base.access\",decision=\"allow\"} 0"))
        #expect(text.contains("weir_trigger_on{when=\"resilience.protect.connections > 5 for 1s"))
        #expect(text.hasSuffix("\n"))
    }
}
