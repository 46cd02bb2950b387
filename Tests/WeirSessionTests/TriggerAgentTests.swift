// SPDX-License-Identifier: GPL-3.0-or-later
//
// The agent over hours of simulated time: random signals, random deaths. What it switches on, it
// had reason to; what it has reason to, it switches on; never more often than it may.

import Testing
import WeirKernel
import WeirModel

@testable import WeirSession

@Suite struct TriggerAgentTests {
    private static let files = [
        "inventory.yaml": """
        services:
          web: {endpoints: [10.1.0.1]}
          db: {endpoints: [10.2.0.1]}

        """,
        "main.weir": """
        landscape "inventory.yaml"
        layers {
            top
            base default reject
        }
        layer base { policy reads { from web to db on tcp/5432; allow; cap 100 connections } }
        layer top { policy shed standby { from web to db; reject } }
        when reads.connections >= 80% for 4s enable shed for 10s

        """,
    ]

    private final class Simulation {
        let lab: SessionLab
        var now: Int64 = 1_800_000_000
        var milliseconds: Int64 = 1_000_000
        var lines: [String] = []
        var agent: TriggerAgent

        init() throws {
            let lab = try SessionLab(TriggerAgentTests.files)
            self.lab = lab
            let session = lab.session()
            try session.type("policy unused { from db to web; drop }", layer: "base")
            _ = try session.commit(CommitOptions(message: "start"))
            agent = TriggerAgent(nil, state: lab.state, kernel: lab.kernel, log: { _ in })
            try restart()
        }

        func restart() throws {
            // The lock of the one before goes with it.
            agent = TriggerAgent(nil, state: lab.state, kernel: lab.kernel, log: { _ in })
            var options = AgentOptions()
            options.maximumStarts = 3
            options.startWindowSeconds = 120
            agent = TriggerAgent(
                nil, state: lab.state, kernel: lab.kernel, options: options,
                log: { [weak self] in self?.lines.append($0) })
            try agent.start()
        }

        func pass(seconds: Int64) {
            now += seconds
            milliseconds += seconds * 1000
        }

        func read(_ connections: Int) {
            lab.kernel.connections = (0..<connections).map { number in
                let client = ConnectionTuple(
                    source: IPAddress("10.1.0.1")!, destination: IPAddress("10.2.0.1")!,
                    protocolNumber: IPProtocol.tcp, sourcePort: UInt16(10_000 + number),
                    destinationPort: 5432)
                let server = ConnectionTuple(
                    source: client.destination, destination: client.source,
                    protocolNumber: IPProtocol.tcp, sourcePort: 5432,
                    destinationPort: client.sourcePort)
                return Connection(
                    original: client, reply: server, tcpState: .established, id: UInt32(number))
            }
            agent.sample(nowEpochSeconds: now, milliseconds: milliseconds)
        }

        var until: Int64? {
            lab.state.enabledPolicies(atEpochSeconds: now).first?.untilEpochSeconds
        }
    }

    @Test func `it waits, enables, renews while the condition holds, and lets it end`() throws {
        let simulation = try Simulation()
        func pass(_ readings: [Int]) -> [Int64?] {
            readings.map { count in
                simulation.pass(seconds: 1)
                simulation.read(count)
                return simulation.until.map { $0 - simulation.now }
            }
        }
        // The first reading finds out what to watch.
        #expect(pass([90, 90, 90, 90, 90]) == [nil, nil, nil, nil, nil])
        #expect(pass([90]) == [10])
        // Less than the threshold, but not by a tenth: still on, and so renewed.
        #expect(pass([75, 75, 75, 75, 75, 75, 75]) == [9, 8, 7, 6, 5, 4, 10])
        // Over: it runs out.
        #expect(pass([70, 90, 90]) == [9, 8, 7])
        #expect(pass([0, 0, 0, 0, 0, 0, 0, 0]) == [6, 5, 4, 3, 2, 1, nil, nil])
        #expect(simulation.agent.document.starts == ["top.shed": [simulation.now - 18]])
    }

    @Test func `a dip below the threshold begins the wait anew`() throws {
        let simulation = try Simulation()
        for count in [90, 90, 90, 90, 79, 90, 90, 90, 90] {
            simulation.pass(seconds: 1)
            simulation.read(count)
            #expect(simulation.until == nil)
        }
        simulation.pass(seconds: 1)
        simulation.read(90)
        #expect(simulation.until == simulation.now + 10)
    }

    @Test func `random signals and random deaths`() throws {
        for seed in 1...6 {
            var random = SeededRandom(seed: UInt64(seed))
            let simulation = try Simulation()
            var level = 0
            /// Readings in a row that fulfil the condition, with no gap that nobody saw.
            var held: Int64?
            var starts: [Int64] = []
            var wasOn = false
            for step in 0..<400 {
                let seconds = Int64(random.below(12) == 0 ? random.below(10) : 1)
                simulation.pass(seconds: seconds)
                if random.below(15) == 0 { try simulation.restart() }
                if random.below(5) == 0 { level = [0, 50, 75, 85, 100][random.below(5)] }
                if level < 80 || seconds > 5 { held = level < 80 ? nil : simulation.now }
                if level >= 80, held == nil { held = simulation.now }
                let before = simulation.until
                simulation.read(level)
                let isOn = simulation.until != nil
                let place = "seed \(seed), step \(step)\n\(simulation.lines.suffix(8))"
                if isOn, before == nil {
                    starts.append(simulation.now)
                    let heldFor = held.map { simulation.now - $0 } ?? -1
                    #expect(heldFor >= 4 || wasOn, "enabled without reason: \(place)")
                }
                let recent = starts.filter { $0 > simulation.now - 120 }
                #expect(recent.count <= 3, "too often: \(place)")
                if !isOn, recent.count < 3, let held {
                    // A restart spends one reading on finding out what to watch.
                    #expect(simulation.now - held < 4 + 12, "forgotten: \(place)")
                }
                wasOn = isOn || before != nil
            }
            #expect(!starts.isEmpty)
        }
    }
}

/// SplitMix64.
private struct SeededRandom {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }
}
