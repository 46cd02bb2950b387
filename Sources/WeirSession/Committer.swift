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
    private var cache = LoweringCache()
    var socket: NetfilterSocket
    /// Of the last commit: why existing connections are not counted by caps that changed.
    public private(set) var recountProblem: String?
    /// Of the last commit: what caps that changed found.
    public internal(set) var recounts: [CapRecount] = []
    /// Of the last commit: connections that such caps count by a shadow.
    public private(set) var shadowsMade = 0
    /// What the kernel held after this process's last commit, which saves reading it again as
    /// long as nobody else commits.
    private var known: (table: KernelTable, generation: UInt32)?
    private static let attempts = 20

    private init(socket: consuming NetfilterSocket) { self.socket = socket }

    public static func open() throws(KernelError) -> Committer {
        Committer(socket: try NetfilterSocket.open())
    }

    /// Works out what it takes to put a policy set in force.
    /// - Parameter onHost: whether to stand on this host rather than between others; nil: as the
    ///   table in the kernel does, else as a gateway.
    /// - Parameter findsCuts: whether to look at the live connections too, for somebody to read
    ///   what the commit would end; the commit itself looks again.
    public mutating func plan(
        _ policySet: PolicySet, revision: Revision, state: PolicyState,
        onHost: Bool? = nil, findsCuts: Bool = true
    ) throws(CommitFailure) -> (Plan, [Diagnostic]) {
        let (kernel, generation) = try currentTable()
        let isOnHost = onHost ?? kernel?.isOnHost ?? false
        let options = LoweringOptions(
            revision: revision, state: state,
            vantage: isOnHost ? .host(ownAddresses()) : .gateway)
        let (program, diagnostics) = lower(
            policySet, options: options, previous: kernel, cache: &cache)
        guard let program else { throw .uncompilable(diagnostics) }
        let delta = program.ruleset.delta(
            from: kernel, nowMilliseconds: state.epochSeconds * 1000)
        var cutter = ConnectionCutter(
            policySet, state: state, onHost: isOnHost, table: cache.currentTable)
        var (cuts, live): ([Connection], [Connection]) = ([], [])
        if findsCuts {
            for connection in try connections(that: { cutter.polices($0) }) {
                if cutter.denies(connection) {
                    cuts.append(connection)
                } else {
                    live.append(connection)
                }
            }
        }
        let fresh = program.freshCaps(since: kernel)
        let classes = cache.currentTable ?? SetTable(policySet)
        var matcher = CapMatcher(fresh, table: classes)
        let plan = Plan(
            program: program, kernel: kernel, generation: generation, delta: delta,
            changes: PolicyChanges(from: kernel, to: program.ruleset, delta: delta),
            foreignChains: try foreignChains(program.ruleset), cuts: cutter.groups(cuts),
            cutter: cutter, recounts: matcher.recounts(live), matcher: matcher)
        return (plan, diagnostics)
    }

    /// Commits a plan whole or not at all, then ends the connections that it denies.
    /// - Returns: how many were ended.
    @discardableResult
    public mutating func commit(_ plan: Plan) throws(CommitFailure) -> Int {
        known = nil
        var counted = try countExisting(plan)
        var after: UInt32
        do throws(CommitFailure) {
            after = try commit(
                counted.delta, to: counted.wanted, against: counted.kernel,
                generation: counted.generation)
        } catch {
            if let undo = counted.undo { takeBack(undo) }
            throw error
        }
        countLast(&counted)
        (recountProblem, shadowsMade) = (counted.problem, counted.shadows)
        var table =
            counted.delta.isEmpty
            ? counted.kernel : KernelTable(holding: counted.wanted, after: counted.kernel)
        var isKnown = true
        if counted.undo != nil, let open = table {
            // The commit is in force, whatever comes of this; what is left the next one takes away.
            do throws(CommitFailure) {
                after = try closeRecount(plan, open, generation: after)
                table = KernelTable(holding: plan.program.ruleset, after: open)
            } catch {
                isKnown = false
            }
        }
        known = isKnown ? table.map { ($0, after) } : nil
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

    /// Removes what was there for counting only. Where that fails too, the next commit does it.
    private mutating func takeBack(_ undo: Delta) {
        for _ in 0..<3 {
            do throws(KernelError) {
                let generation = try socket.generation()
                try socket.apply(undo, expectedGeneration: generation)
                return
            } catch {
                guard error.reason == .lostRace else { return }
            }
        }
    }

    mutating func connections(
        that holds: (Connection) -> Bool
    ) throws(CommitFailure) -> [Connection] {
        do throws(KernelError) {
            // To read the connections is to walk the table of all namespaces.
            guard try socket.countConnections() > 0 else { return [] }
            return try socket.readConnections().filter(holds)
        } catch {
            throw .kernel(error)
        }
    }

    /// Which revision is in force; nil for no table.
    public mutating func revision() throws(CommitFailure) -> Revision? {
        do throws(KernelError) {
            return try socket.readRevision()
        } catch {
            throw .kernel(error)
        }
    }

    /// Writes the git commit of what is in force into the table; changes nothing else.
    public mutating func record(gitCommit: String) throws(CommitFailure) {
        let (kernel, generation) = try currentTable()
        guard let kernel, kernel.revision.gitCommit != gitCommit else { return }
        var revision = kernel.revision
        let held = Ruleset(family: kernel.family, name: kernel.name, revision: revision)
        revision.gitCommit = gitCommit
        let wanted = Ruleset(family: kernel.family, name: kernel.name, revision: revision)
        let delta = wanted.delta(
            from: KernelTable(holding: held), nowMilliseconds: currentTimeMilliseconds())
        known = nil
        let after = try commit(delta, against: kernel, generation: generation)
        var table = kernel
        table.sets[Revision.setName] = KernelTable(holding: wanted).sets[Revision.setName]
        known = (table, after)
    }

    /// Takes weir's table out of the kernel; false where there was none.
    public mutating func remove() throws(CommitFailure) -> Bool {
        let (kernel, generation) = try readTable()
        guard let kernel else { return false }
        known = nil
        _ = try commit(Delta.removing(kernel), against: kernel, generation: generation)
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

    /// The named counters of weir's table.
    public mutating func counters() throws(CommitFailure) -> [String: CounterReading] {
        do throws(KernelError) { return try socket.readCounters() } catch { throw .kernel(error) }
    }

    public mutating func forEachConnection(
        _ body: (Connection) -> Void
    ) throws(CommitFailure) {
        do throws(KernelError) {
            try socket.forEachConnection { body($0) }
        } catch {
            throw .kernel(error)
        }
    }

    /// See ``PolicyKernel/isOnHost()``.
    public mutating func isOnHost() throws(CommitFailure) -> Bool? {
        do throws(KernelError) {
            let hooks = try socket.readHooks()
            return hooks.isEmpty ? nil : hooks.contains(.input)
        } catch {
            throw .kernel(error)
        }
    }

    /// - Returns: the generation afterwards.
    /// - Parameter wanted: what the delta leads to, where elements of it can expire meanwhile.
    mutating func commit(
        _ delta: Delta, to wanted: Ruleset? = nil, against kernel: KernelTable?,
        generation: UInt32
    ) throws(CommitFailure) -> UInt32 {
        guard !delta.isEmpty else { return generation }
        var (delta, generation) = (delta, generation)
        for _ in 0..<Self.attempts {
            do throws(KernelError) {
                return try socket.apply(delta, expectedGeneration: generation)
            } catch {
                guard error.reason == .lostRace else { throw .kernel(error) }
            }
            let (now, current) = try readTable()
            let nowMilliseconds = currentTimeMilliseconds()
            guard Self.isUnchanged(now, since: kernel, nowMilliseconds) else { throw .overtaken }
            generation = current
            // What expired in between cannot be deleted any more.
            if let wanted { delta = wanted.delta(from: now, nowMilliseconds: nowMilliseconds) }
            if delta.isEmpty { return generation }
        }
        throw .overtaken
    }

    /// The table as known, if nobody has committed since, or as read.
    private mutating func currentTable() throws(CommitFailure) -> (
        table: KernelTable?, generation: UInt32
    ) {
        if let known {
            do throws(KernelError) {
                if try socket.generation() == known.generation {
                    return (known.table, known.generation)
                }
            } catch {
                throw .kernel(error)
            }
        }
        return try readTable()
    }

    /// Whether weir's own table is as it was when the plan was made.
    private static func isUnchanged(
        _ now: KernelTable?, since earlier: KernelTable?, _ nowMilliseconds: Int64
    ) -> Bool {
        guard let now, let earlier else { return now == nil && earlier == nil }
        return now.isUnchanged(since: earlier, nowMilliseconds: nowMilliseconds)
    }

    mutating func readTable() throws(CommitFailure) -> (
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
