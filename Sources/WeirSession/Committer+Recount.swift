// SPDX-License-Identifier: GPL-3.0-or-later
//
// Before a commit whose caps mean something new, these count the connections that exist. Nothing
// of it touches traffic: the elements are not reached by packets until the commit itself. What
// opens while that goes on, the kernel reports; the last of it is counted right after the commit,
// which leaves the way there open until then.

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
    /// What the commit leads to.
    var wanted: Ruleset
    /// How to leave no trace if it fails; nil where there is none.
    var undo: Delta?
    var shadows = 0
    var problem: String?
    /// What goes on counting; nil where there is nothing to count.
    var counting: CapCounting?

    init(_ plan: Plan) {
        (kernel, generation, delta) = (plan.kernel, plan.generation, plan.delta)
        wanted = plan.program.ruleset
    }
}

/// Leads connections through the caps that they count for, each once.
struct CapCounting: ~Copyable {
    private var counter: LoopbackCounter
    private var monitor: ConnectionMonitor
    private var matcher: CapMatcher
    private var cutter: ConnectionCutter
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

    /// When the caps that count can be reached by packets.
    enum Moment {
        case beforeCommit, afterCommit
    }

    /// What has begun since the last time, and still is.
    /// - Returns: how many had begun; nil where the kernel could not report them all.
    mutating func count(
        _ moment: Moment, with socket: inout NetfilterSocket
    ) throws(KernelError) -> (seen: Int?, made: Int) {
        let (new, hasLost) = try monitor.takeNew()
        var made = try count(new, moment, areFresh: true, with: &socket)
        guard hasLost else { return (new.count, made) }
        made += try count(try socket.readConnections(), moment, areFresh: false, with: &socket)
        return (nil, made)
    }

    /// - Parameter areFresh: whether they were alive when they began, and may be over by now. (To
    ///   ask costs less than to lead a shadow of nobody through caps.)
    /// - Returns: shadows made.
    mutating func count(
        _ connections: [Connection], _ moment: Moment, areFresh: Bool,
        with socket: inout NetfilterSocket
    ) throws(KernelError) -> Int {
        var made = 0
        for connection in connections where connection.zone == 0 {
            guard cutter.leaves(connection), known.insert(connection.identity).inserted else {
                continue
            }
            let numbers = matcher.caps(of: connection.flow).map { matcher.caps[$0].number }
            guard !numbers.isEmpty, LoopbackCounter.canLead(connection) else { continue }
            if areFresh, try !socket.isAlive(connection) { continue }
            for number in numbers {
                let isCounted =
                    moment == .beforeCommit
                    ? try counter.countUnseen(connection, number: number, with: &socket)
                    : try counter.count(connection, number: number, with: &socket)
                if isCounted { made += 1 }
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
            guard try socket.countConnections() > 0 else { return result }
            var live = try socket.readConnections()
            let isAnyCounted = !matcher.group(live.filter { plan.cutter.polices($0) }).isEmpty
            var counting: CapCounting
            do throws(KernelError) {
                counting = try CapCounting.begin(matcher, plan.cutter)
            } catch {
                guard isAnyCounted else { return result }
                throw error
            }
            try prepare(plan, &result)
            // What began before the kernel was asked to report is in here, the rest is reported.
            live = try socket.readConnections()
            var cutter = plan.cutter
            recounts = matcher.recounts(live.filter { cutter.leaves($0) })
            result.shadows = try counting.count(
                live, .beforeCommit, areFresh: false, with: &socket)
            // Counting took its time: those that came meanwhile, until there are few.
            for _ in 0..<20 {
                let (seen, made) = try counting.count(.beforeCommit, with: &socket)
                result.shadows += made
                if let seen, seen < 20 { break }
            }
            result.counting = consume counting
        } catch {
            result.problem = error.message
        }
        return result
    }

    /// Makes the elements and chains that counting needs.
    private mutating func prepare(
        _ plan: Plan, _ result: inout CountedCommit
    ) throws(KernelError) {
        let recount = plan.program.recount(plan.matcher?.caps ?? [], kernel: plan.kernel)
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
        result.wanted.chains.merge(recount.chains) { $1 }
        result.delta = result.wanted.delta(
            from: recount.prepared, nowMilliseconds: currentTimeMilliseconds())
        result.delta.restarts = plan.delta.restarts
    }

    private static var overtaken: KernelError {
        KernelError(.lostRace, code: EAGAIN, operation: "let caps count what exists")
    }

    /// The last ones: what began before the commit, or was decided by what was in force then, and
    /// was not reported yet. Among them may be one that the caps have counted by themselves; that
    /// one takes two places while it lasts, which is better than none.
    mutating func countLast(_ counted: inout CountedCommit) {
        guard var counting = counted.counting.take() else { return }
        do throws(KernelError) {
            counted.shadows += try counting.count(.afterCommit, with: &socket).made
            // Packets take microseconds from being decided to being reported.
            usleep(500)
            counted.shadows += try counting.count(.afterCommit, with: &socket).made
        } catch {
            counted.problem = error.message
        }
    }

    /// Takes the way to the caps away after a commit that left it open.
    /// - Returns: the generation afterwards.
    mutating func closeRecount(
        _ plan: Plan, _ table: KernelTable, generation: UInt32
    ) throws(CommitFailure) -> UInt32 {
        let delta = plan.program.ruleset.delta(
            from: table, nowMilliseconds: currentTimeMilliseconds())
        let after = try commit(
            delta, to: plan.program.ruleset, against: table, generation: generation)
        // Where that fails they go when their connections end.
        let zones = Set(plan.program.caps.map { Recounting.zone(number: $0.number) })
        try? dropShadows { !zones.contains($0) }
        return after
    }

    /// Takes away what a commit that died while its caps counted left behind. Only for who holds the
    /// writer lock: whoever counts at this moment has it.
    public mutating func clearLeftovers() throws(CommitFailure) {
        do throws(KernelError) {
            guard try socket.hasChain(Recounting.entryChain) else { return }
        } catch {
            throw .kernel(error)
        }
        let (table, generation) = try readTable()
        guard let table, let (delta, numbers) = table.takingLeftovers() else { return }
        _ = try commit(delta, against: table, generation: generation)
        let zones = Set(numbers.map { Recounting.zone(number: $0) })
        // Where that fails they go when their connections end.
        try? dropShadows { zones.contains($0) }
    }

    /// Deletes the shadows of caps that are no more.
    private mutating func dropShadows(
        where isGone: (_ zone: UInt16) -> Bool
    ) throws(KernelError) {
        for shadow in try socket.readShadows() where isGone(shadow.zone) {
            try socket.delete(shadow)
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
