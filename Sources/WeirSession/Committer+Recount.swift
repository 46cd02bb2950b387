// SPDX-License-Identifier: GPL-3.0-or-later
//
// Before a commit whose caps mean something new, these count the connections that exist. Nothing
// of it touches traffic: the elements are not reached by packets until the commit itself. What
// opens while that goes on, the kernel reports; the last of it is counted right after the commit.

import Glibc
public import WeirKernel
import WeirModel
import WeirRuleset

/// What counting before a commit came to.
struct CountedCommit: ~Copyable {
    /// What the commit is made against.
    var kernel: KernelTable?
    var generation: UInt32
    var delta: Delta
    /// How to leave no trace if it fails; nil where there is none.
    var undo: Delta?
    var shadows = 0
    var problem: String?
    /// What goes on counting; nil where there is nothing to count.
    var counting: CapCounting?

    init(_ plan: Plan) {
        (kernel, generation, delta) = (plan.kernel, plan.generation, plan.delta)
    }
}

/// Leads connections through the caps that they count for, each once.
struct CapCounting: ~Copyable {
    private var counter: LoopbackCounter
    private var monitor: ConnectionMonitor
    private var matcher: CapMatcher
    private var cutter: ConnectionCutter
    /// Caps that are ready to count.
    private var ready: Set<Int> = []
    private var known: Set<Connection.Identity> = []

    static func begin(
        _ matcher: CapMatcher, _ cutter: ConnectionCutter
    ) throws(KernelError) -> CapCounting {
        let counter = try LoopbackCounter.open()
        let monitor = try ConnectionMonitor.open()
        return CapCounting(
            counter: counter, monitor: monitor, matcher: matcher, cutter: cutter)
    }

    private init(
        counter: consuming LoopbackCounter, monitor: consuming ConnectionMonitor,
        matcher: CapMatcher, cutter: ConnectionCutter
    ) {
        self.counter = counter
        self.monitor = monitor
        self.matcher = matcher
        self.cutter = cutter
    }

    /// The caps that connections count for.
    mutating func caps(of connections: [Connection]) -> [LoweredCap] {
        let groups = matcher.group(connections)
        ready = Set(groups.map(\.cap))
        return groups.map { matcher.caps[$0.cap] }
    }

    /// What has begun since the last time.
    mutating func count(
        with socket: inout NetfilterSocket
    ) throws(KernelError) -> (seen: Int, made: Int) {
        var new = try monitor.takeNew()
        if monitor.hasLost { new = try socket.readConnections() }
        return (new.count, try count(new, with: &socket))
    }

    /// - Returns: shadows made.
    mutating func count(
        _ connections: [Connection], with socket: inout NetfilterSocket
    ) throws(KernelError) -> Int {
        var made = 0
        for connection in connections where connection.zone == 0 {
            guard cutter.leaves(connection), known.insert(connection.identity).inserted else {
                continue
            }
            let caps = matcher.caps(of: connection.flow).filter(ready.contains)
            guard !caps.isEmpty, try socket.makeShadow(of: connection) else { continue }
            made += 1
            for cap in caps {
                try counter.count(connection.original, number: matcher.caps[cap].number)
            }
        }
        return made
    }
}

extension Committer {
    /// Lets the plan's fresh caps count what exists; the commit that remains to be made.
    mutating func countExisting(_ plan: Plan) throws(CommitFailure) -> CountedCommit {
        var result = CountedCommit(plan)
        recounts = []
        guard var matcher = plan.matcher, !matcher.caps.isEmpty else { return result }
        do throws(KernelError) {
            var counting = try CapCounting.begin(matcher, plan.cutter)
            let live = try socket.readConnections()
            let caps = counting.caps(of: live.filter { plan.cutter.polices($0) })
            guard !caps.isEmpty else { return result }
            try prepare(plan, caps, &result)
            var cutter = plan.cutter
            recounts = matcher.recounts(live.filter { cutter.leaves($0) })
            result.shadows = try counting.count(live, with: &socket)
            // Counting took its time: those that came meanwhile, until there are few.
            for _ in 0..<10 {
                let (seen, made) = try counting.count(with: &socket)
                result.shadows += made
                if seen < 20 { break }
            }
            result.counting = consume counting
        } catch {
            result.problem = error.message
        }
        return result
    }

    /// Makes the elements and chains that counting needs.
    private mutating func prepare(
        _ plan: Plan, _ caps: [LoweredCap], _ result: inout CountedCommit
    ) throws(KernelError) {
        let recount = plan.program.recount(caps, kernel: plan.kernel)
        do throws(CommitFailure) {
            result.generation = try commit(
                recount.before, against: plan.kernel, generation: plan.generation)
        } catch {
            // The commit itself meets the same and says so.
            guard case .kernel(let failure) = error else { throw Self.overtaken }
            throw failure
        }
        result.undo = recount.undo
        result.kernel = recount.prepared
        result.delta = plan.program.ruleset.delta(
            from: recount.prepared, nowMilliseconds: currentTimeMilliseconds())
        result.delta.restarts = plan.delta.restarts
    }

    private static var overtaken: KernelError {
        KernelError(.lostRace, code: EAGAIN, operation: "let caps count what exists")
    }

    /// The last ones: what began before the commit and was not reported yet.
    mutating func countLast(_ counted: inout CountedCommit) {
        guard var counting = counted.counting.take() else { return }
        do throws(KernelError) {
            counted.shadows += try counting.count(with: &socket).made
        } catch {
            counted.problem = error.message
        }
    }

    /// Gives back the places of shadows whose connection is gone.
    /// - Returns: how many shadows are left.
    public mutating func settle() throws(KernelError) -> Int {
        var left = 0
        for shadow in try socket.readShadows() {
            if try socket.isAlive(behind: shadow) {
                left += 1
            } else {
                try socket.delete(shadow)
            }
        }
        return left
    }

    /// How many connections are counted by a shadow.
    public mutating func shadowCount() throws(KernelError) -> Int {
        try socket.readShadows().count
    }
}

extension Connection {
    /// Tells it from any other that exists or existed.
    struct Identity: Hashable {
        let id: UInt32
        let original: ConnectionTuple
    }

    var identity: Identity { Identity(id: id, original: original) }
}
