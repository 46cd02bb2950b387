// SPDX-License-Identifier: GPL-3.0-or-later
//
// Plans against the kernel and commits plans. A commit is made against the state that was read;
// when another table's owner committed in between, it is worked out again, and when weir's own
// table changed in between, it is given up and said so: somebody else is writing policies.

public import WeirDiagnostics
public import WeirKernel
public import WeirModel
public import WeirRuleset

/// Why a commit was not made.
public enum CommitFailure: Error, Sendable {
    /// The policy set cannot be compiled.
    case uncompilable([Diagnostic])
    /// Another writer changed weir's table between plan and commit.
    case overtaken
    case kernel(KernelError)
}

/// The one connection to the kernel of this process.
public struct Committer: ~Copyable {
    private var socket: NetfilterSocket
    private static let attempts = 20

    private init(socket: consuming NetfilterSocket) { self.socket = socket }

    public static func open() throws(KernelError) -> Committer {
        Committer(socket: try NetfilterSocket.open())
    }

    /// Works out what it takes to put a policy set in force.
    /// - Parameter onHost: whether to stand on this host rather than between others; nil: as the
    ///   table in the kernel does, else between others.
    public mutating func plan(
        _ policySet: PolicySet, revision: Revision, state: PolicyState,
        onHost: Bool? = nil
    ) throws(CommitFailure) -> (Plan, [Diagnostic]) {
        let (kernel, generation) = try readTable()
        let isOnHost = onHost ?? kernel?.isOnHost ?? false
        let options = LoweringOptions(
            revision: revision, state: state,
            vantage: isOnHost ? .host(ownAddresses()) : .gateway)
        let (program, diagnostics) = lower(policySet, options: options, previous: kernel)
        guard let program else { throw .uncompilable(diagnostics) }
        let delta = program.ruleset.delta(
            from: kernel, nowMilliseconds: state.epochSeconds * 1000)
        var cutter = ConnectionCutter(policySet, state: state, onHost: isOnHost)
        let cuts = try connections(that: { cutter.denies($0) })
        let plan = Plan(
            program: program, kernel: kernel, generation: generation, delta: delta,
            changes: PolicyChanges(from: kernel, to: program.ruleset, delta: delta),
            foreignChains: try foreignChains(program.ruleset), cuts: cutter.groups(cuts),
            cutter: cutter)
        return (plan, diagnostics)
    }

    /// Commits a plan whole or not at all, then ends the connections that it denies.
    /// - Returns: how many were ended.
    @discardableResult
    public mutating func commit(_ plan: Plan) throws(CommitFailure) -> Int {
        try commit(plan.delta, against: plan.kernel, generation: plan.generation)
        var cutter = plan.cutter
        var count = 0
        for connection in try connections(that: { cutter.denies($0) }) {
            do throws(KernelError) {
                if try socket.delete(connection) { count += 1 }
            } catch {
                throw .kernel(error)
            }
        }
        return count
    }

    private mutating func connections(
        that holds: (Connection) -> Bool
    ) throws(CommitFailure) -> [Connection] {
        do throws(KernelError) {
            return try socket.readConnections().filter(holds)
        } catch {
            throw .kernel(error)
        }
    }

    /// Takes weir's table out of the kernel; false where there was none.
    public mutating func remove() throws(CommitFailure) -> Bool {
        let (kernel, generation) = try readTable()
        guard let kernel else { return false }
        try commit(Delta.removing(kernel), against: kernel, generation: generation)
        return true
    }

    /// What is in force, with counters.
    public mutating func status() throws(CommitFailure) -> KernelStatus? {
        guard let table = try readTable().table else { return nil }
        do throws(KernelError) {
            return KernelStatus(table: table, counters: try socket.readCounters())
        } catch {
            throw .kernel(error)
        }
    }

    private mutating func commit(
        _ delta: Delta, against kernel: KernelTable?, generation: UInt32
    ) throws(CommitFailure) {
        guard !delta.isEmpty else { return }
        var generation = generation
        for _ in 0..<Self.attempts {
            do throws(KernelError) {
                try socket.apply(delta, expectedGeneration: generation)
                return
            } catch {
                guard error.reason == .lostRace else { throw .kernel(error) }
            }
            let (now, current) = try readTable()
            let nowMilliseconds = currentTimeMilliseconds()
            guard Self.isUnchanged(now, since: kernel, nowMilliseconds) else { throw .overtaken }
            generation = current
        }
        throw .overtaken
    }

    /// Whether weir's own table is as it was when the plan was made.
    private static func isUnchanged(
        _ now: KernelTable?, since earlier: KernelTable?, _ nowMilliseconds: Int64
    ) -> Bool {
        guard let now, let earlier else { return now == nil && earlier == nil }
        return now.isUnchanged(since: earlier, nowMilliseconds: nowMilliseconds)
    }

    private mutating func readTable() throws(CommitFailure) -> (
        table: KernelTable?, generation: UInt32
    ) {
        do throws(KernelError) {
            return try socket.readTable()
        } catch {
            throw .kernel(error)
        }
    }

    private mutating func foreignChains(
        _ ruleset: Ruleset
    ) throws(CommitFailure) -> [ForeignBaseChain] {
        let hooks = Set(ruleset.chains.values.compactMap(\.hook?.point))
        do throws(KernelError) {
            return try socket.readForeignBaseChains(on: hooks)
        } catch {
            throw .kernel(error)
        }
    }
}

/// The table in the kernel and its counters.
public struct KernelStatus: Sendable {
    public let table: KernelTable
    public let counters: [String: CounterReading]
}
