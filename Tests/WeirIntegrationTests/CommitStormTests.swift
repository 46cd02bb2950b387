// SPDX-License-Identifier: GPL-3.0-or-later
//
// Commit after commit of random edits, under connections that are held open and others that come
// all the time. Whatever every version admits is never cut and never refused, and what did not
// change goes on counting. WEIR_STORM=1000,5000,2000 (commits, held, new a second) sets the size;
// Tests/Benchmarks/storm runs that.

import FoundationEssentials
import Glibc
import Synchronization
import Testing
import WeirKernel
import WeirLab
import WeirModel
import WeirRuleset
import WeirSession
import WeirTesting

@Suite(.enabled(if: labCanRun), .serialized)
struct CommitStormTests {
    struct Size {
        var commits = 60
        var held = 400
        var perSecond = 500

        static var fromEnvironment: Size {
            let text = ProcessInfo.processInfo.environment["WEIR_STORM"] ?? ""
            let numbers = text.split(separator: ",").compactMap { Int($0) }
            guard numbers.count == 3 else { return Size() }
            return Size(commits: numbers[0], held: numbers[1], perSecond: numbers[2])
        }
    }

    /// What a commit took, in milliseconds.
    struct Times {
        var all: [Double] = []

        func at(_ share: Double) -> Double {
            let sorted = all.sorted()
            return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
        }
    }

    static func held(_ gateway: Gateway, _ count: Int) throws -> [HeldConnections] {
        let flows = StormEdits.mainFlows
        return try flows.map { try gateway.lab.hold($0, count: count / flows.count) }
    }

    @Test(arguments: [labSeed()])
    func `nobody is cut, refused or forgotten`(seed: UInt64) throws {
        let size = Size.fromEnvironment
        print("CommitStormTests seed \(seed), \(size)")
        let gateway = try Gateway()
        var edits = StormEdits(seed: seed)
        let storm = try gateway.lab.gateway.run { () throws in try StormCommitter() }
        try storm.commit(edits.policySet, in: gateway)
        let held = try Self.held(gateway, size.held)
        let capped = try gateway.lab.hold(StormEdits.cappedFlow, count: StormEdits.cap + 3)
        #expect(capped.count == StormEdits.cap)
        #expect(held.map(\.count).reduce(0, +) == size.held)
        let isOver = Flag()
        let clients = gateway.lab.segment(of: StormEdits.mainFlows[0].source).namespace
        let start = currentTimeMilliseconds()
        let traffic = Background {
            try clients.attempt(
                StormEdits.mainFlows, perSecond: size.perSecond, timeoutMilliseconds: 10_000
            ) { isOver.isSet }
        }
        var admitted: UInt64 = 0
        for round in 1...size.commits {
            edits.edit()
            try storm.commit(edits.policySet, in: gateway)
            let now = try #require(storm.admitted)
            #expect(now >= admitted, "round \(round): a counter went down")
            admitted = now
            if round % 20 == 0 {
                #expect(
                    try gateway.lab.probe([StormEdits.cappedFlow]) == [.reset], "round \(round)")
                let echoes = try held.flatMap { try $0.exchange(timeoutMilliseconds: 10_000) }
                #expect(OutcomeCount(echoes)[.open] == size.held, "round \(round)")
            }
        }
        isOver.set()
        let seconds = Double(currentTimeMilliseconds() - start) / 1000
        let count = try traffic.wait()
        print("storm: \(Int(Double(count.total) / seconds)) new connections a second")
        try storm.commit(edits.policySet, in: gateway)
        let (median, late, last) = (storm.times.at(0.5), storm.times.at(0.99), storm.times.at(1))
        print("storm: \(count); \(storm.cut) cut; \(storm.recounted) caps recounted")
        print("storm: refusals counted: \(storm.refused)")
        print("storm: a commit took p50 \(median), p99 \(late), at most \(last) ms")
        #expect(storm.cut == 0)
        #expect(count[.open] == count.total && count.total > size.commits)
        let opened = size.held + count[.open]
        let counted = try #require(storm.admitted)
        print("storm: \(opened) opened, \(counted) counted")
        // A first packet that was sent twice is counted twice.
        #expect(counted >= opened && Double(counted) <= 1.02 * Double(opened) + 10)
        let echoes = try held.flatMap { try $0.exchange(timeoutMilliseconds: 10_000) }
        #expect(OutcomeCount(echoes)[.open] == size.held)
        #expect(try gateway.lab.probe([StormEdits.cappedFlow]) == [.reset])
        capped.close()
        waitForClockTick()
        #expect(
            try gateway.lab.hold(StormEdits.cappedFlow, count: StormEdits.cap + 3).count
                == StormEdits.cap)
    }
}

/// Set once, by whoever ends something.
final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}

/// One process that commits: its socket and caches live on.
final class StormCommitter {
    private var committer: Committer
    private var socket: NetfilterSocket
    var times = CommitStormTests.Times()
    var cut = 0
    var recounted = 0
    var refused: [String: UInt64] = [:]
    /// What the policy's counter says that admits the flows of the storm.
    var admitted: UInt64?

    /// Inside the namespace.
    init() throws {
        committer = try Committer.open()
        socket = try NetfilterSocket.open()
    }

    func commit(_ set: PolicySet, in gateway: Gateway) throws {
        // The thread's namespace is what the process asks for its own addresses.
        try gateway.lab.gateway.run { () throws in try commit(set) }
    }

    private func commit(_ set: PolicySet) throws {
        let start = currentTimeMilliseconds()
        let state = PolicyState(epochSeconds: start / 1000)
        let (plan, _) = try committer.plan(set, revision: Revision(), state: state, onHost: false)
        #expect(plan.cuts.isEmpty)
        cut += try committer.commit(plan)
        #expect(committer.recountProblem == nil)
        recounted += plan.recounts.count
        times.all.append(Double(currentTimeMilliseconds() - start))
        _ = try committer.settle()
        let counters = try socket.readCounters()
        admitted = counters["baseline.main.allowed"]?.packets
        for (name, reading) in counters where reading.packets > refused[name] ?? 0 {
            let isRefusal =
                name == "weir.torn"
                || [".rejected", ".refused", ".dropped"].contains { name.hasSuffix($0) }
            guard isRefusal, !name.hasPrefix("resilience.shield") else {
                continue
            }
            refused[name] = reading.packets
        }
    }
}
