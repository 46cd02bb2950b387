// SPDX-License-Identifier: GPL-3.0-or-later
//
// Before a commit whose caps mean something new, these count the connections that exist. Nothing
// of it touches traffic: the elements are not reached by packets until the commit itself.

import Glibc
public import WeirKernel
import WeirModel
import WeirRuleset

/// What counting before a commit came to.
struct CountedCommit {
    /// What the commit is made against.
    var kernel: KernelTable?
    var generation: UInt32
    var delta: Delta
    /// How to leave no trace if it fails; nil where there is none.
    var undo: Delta?
    var shadows = 0
    var problem: String?
}

extension Committer {
    /// Lets the plan's fresh caps count what exists; the commit that remains to be made.
    mutating func countExisting(_ plan: Plan) throws(CommitFailure) -> CountedCommit {
        var result = CountedCommit(
            kernel: plan.kernel, generation: plan.generation, delta: plan.delta)
        guard var matcher = plan.matcher, !matcher.caps.isEmpty else { return result }
        var cutter = plan.cutter
        let live = try connections { cutter.leaves($0) }
        let groups = matcher.group(live)
        guard !groups.isEmpty else { return result }
        var counter: LoopbackCounter
        do throws(KernelError) {
            counter = try LoopbackCounter.open()
        } catch {
            result.problem = error.message
            return result
        }
        let prepared = Set(groups.map(\.cap))
        let recount = plan.program.recount(
            groups.map { matcher.caps[$0.cap] }, kernel: plan.kernel)
        result.generation = try commit(
            recount.before, against: plan.kernel, generation: plan.generation)
        result.undo = recount.undo
        result.kernel = recount.prepared
        result.delta = plan.program.ruleset.delta(
            from: recount.prepared, nowMilliseconds: currentTimeMilliseconds())
        result.delta.restarts = plan.delta.restarts
        do throws(KernelError) {
            var known: Set<Connection.Identity> = []
            result.shadows = try lead(groups, matcher, &counter, &known)
            // Counting took its time: those that came meanwhile, until there are few.
            for _ in 0..<3 {
                let again = try socket.readConnections().filter { cutter.leaves($0) }
                let new = again.filter { !known.contains($0.identity) }
                guard !new.isEmpty else { break }
                let late = matcher.group(new).filter { prepared.contains($0.cap) }
                result.shadows += try lead(late, matcher, &counter, &known)
                if new.count < 50 { break }
            }
        } catch {
            result.problem = error.message
        }
        return result
    }

    private mutating func lead(
        _ groups: [(cap: Int, connections: [Connection])], _ matcher: CapMatcher,
        _ counter: inout LoopbackCounter, _ known: inout Set<Connection.Identity>
    ) throws(KernelError) -> Int {
        var made = 0
        var unmade: Set<Connection.Identity> = []
        for (cap, connections) in groups {
            for connection in connections {
                if known.insert(connection.identity).inserted {
                    if try socket.makeShadow(of: connection) {
                        made += 1
                    } else {
                        unmade.insert(connection.identity)
                    }
                }
                guard !unmade.contains(connection.identity) else { continue }
                try counter.count(connection.original, number: matcher.caps[cap].number)
            }
        }
        return made
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
