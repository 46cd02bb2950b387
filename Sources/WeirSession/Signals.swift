// SPDX-License-Identifier: GPL-3.0-or-later
//
// The golden signals of each policy in force: what triggers compare, what `top` shows and what the
// agent's metrics say. One dump of the counters and one of conntrack a reading, whatever the number
// of policies.

public import WeirDiagnostics
public import WeirKernel
public import WeirModel
import WeirResolve
public import WeirRuleset

/// The policies in force as they were kept when they were committed, not as the files are now.
public struct PoliciesInForce: Sendable {
    public let revision: Revision
    public let entry: RecordedRevision
    /// With standby policies in force that are enabled.
    public let policySet: PolicySet
    /// As written.
    public let declared: PolicySet
    public let sources: SourceMap
    public let enabled: [EnabledPolicy]
    /// By `layer.policy`.
    let ids: [String: PolicyID]
}

/// What a policy does just now. Rates are per second since the reading before; nil where nothing
/// can be said.
public struct PolicySignals: Codable, Sendable, Equatable {
    /// `layer.policy`
    public let policy: String
    /// That stand now.
    public var connections: Int?
    /// New connections asked for, whatever was decided.
    public var newPerSecond: Double?
    public var bytesPerSecond: Double?
    public var packetsPerSecond: Double?
    /// Connections that it rejected, dropped, or refused by a cap or a limit on connections.
    public var rejectedPerSecond: Double?
    /// Connections and packets over one of its caps and limits.
    public var limitedPerSecond: Double?
    /// Connections of its fullest cap in total over that cap's number; 1 is full.
    public var capFill: Double?
    /// Until it ends by itself.
    public var secondsLeft: Int64?

    public init(policy: String) { self.policy = policy }
}

/// One reading of all signals.
public struct SignalReading: Sendable {
    /// nil where nobody knows the policies behind the table.
    public let inForce: PoliciesInForce?
    /// By policy in force, `layer.policy`.
    public let signals: [String: PolicySignals]
    public let counters: [String: CounterReading]
    /// Whether rates are known: not in the first reading of a revision.
    public let hasRates: Bool
    /// Whether the kernel counts bytes and packets of connections.
    public let isAccounted: Bool
}

/// Reads signals over and over.
public struct SignalReader: ~Copyable {
    private struct Board {
        let inForce: PoliciesInForce
        var census: ConnectionCensus
        let policies: [PolicyID]
    }

    private let state: StateDirectory
    private let kernel: any PolicyKernel
    private var board: Board?
    private var revision: Revision?
    private var enabled: [EnabledPolicy] = []
    private var meanings: [String: CounterMeaning?] = [:]
    private var last: (counters: [String: CounterReading], milliseconds: Int64)?
    private var lastCensusMilliseconds: Int64?

    public init(_ state: StateDirectory, _ kernel: any PolicyKernel) {
        self.state = state
        self.kernel = kernel
    }

    /// Forgets which policies are in force, so that the next reading looks again.
    public mutating func reload() {
        board = nil
        revision = nil
        last = nil
    }

    /// Reads what the kernel says now.
    /// - Parameters:
    ///   - countsConnections: false leaves conntrack alone: no connections, rates from counters.
    ///   - milliseconds: of a clock that nobody sets.
    /// - Returns: nil where no table is in force.
    public mutating func read(
        nowEpochSeconds now: Int64, milliseconds: Int64, countsConnections: Bool = true
    ) throws(CommitFailure) -> SignalReading? {
        guard let current = try kernel.revision() else {
            reload()
            return nil
        }
        try follow(current, now)
        let counters = try kernel.counters()
        var tallies: [PolicyID: ConnectionCensus.Tally] = [:]
        var censusSeconds: Double?
        if countsConnections, board != nil {
            try board?.census.count(kernel)
            tallies = board?.census.tallies ?? [:]
            censusSeconds = lastCensusMilliseconds.map { Double(milliseconds - $0) / 1000 }
            lastCensusMilliseconds = milliseconds
        }
        let seconds = last.map { Double(milliseconds - $0.milliseconds) / 1000 }
        var signals = fromCounters(counters, seconds: seconds)
        addTallies(tallies, censusSeconds, now, countsConnections, &signals)
        last = (counters, milliseconds)
        return SignalReading(
            inForce: board?.inForce, signals: signals, counters: counters,
            hasRates: seconds != nil, isAccounted: ConntrackSetting.accounting.isOn)
    }

    /// Takes up what is in force where that changed.
    private mutating func follow(_ current: Revision, _ now: Int64) throws(CommitFailure) {
        let enabled = state.enabledPolicies(atEpochSeconds: now)
        let isSame = revision?.contentHash == current.contentHash
        guard !isSame || enabled != self.enabled else { return }
        if !isSame {
            last = nil
            meanings = [:]
        }
        (revision, self.enabled) = (current, enabled)
        lastCensusMilliseconds = nil
        board = nil
        let store = RevisionStore(state)
        guard let entry = store.latest(contentHash: current.contentHash),
            let loaded = store.load(entry), let declared = loaded.policySet
        else { return }
        let policySet = declared.enabling(enabled).startingDurations(at: now)
        let time = PolicyState(epochSeconds: now)
        let policies = policySet.policyIDs.filter { policySet.isEnabled($0, in: time) }
        let onHost = try kernel.isOnHost() ?? false
        board = Board(
            inForce: PoliciesInForce(
                revision: current, entry: entry, policySet: policySet, declared: declared,
                sources: loaded.sources, enabled: enabled,
                ids: Dictionary(
                    policySet.policyIDs.map { (policySet.qualifiedName($0), $0) },
                    uniquingKeysWith: { a, _ in a })),
            census: ConnectionCensus(policySet, policies, onHost: onHost), policies: policies)
    }

    // MARK: Counters

    private mutating func meaning(_ counter: String) -> CounterMeaning? {
        if let known = meanings[counter] { return known }
        let meaning = CounterMeaning(counterName: counter)
        meanings[counter] = .some(meaning)
        return meaning
    }

    /// Signals of every policy that has counters. A counter that was not there before counts from
    /// nothing, as does one that was made anew.
    private mutating func fromCounters(
        _ counters: [String: CounterReading], seconds: Double?
    ) -> [String: PolicySignals] {
        var rows: [String: PolicySignals] = [:]
        var asked: [String: Double] = [:]
        for (name, value) in counters {
            guard let meaning = meaning(name) else { continue }
            var row = rows[meaning.policy] ?? PolicySignals(policy: meaning.policy)
            defer { rows[meaning.policy] = row }
            guard let last, let seconds, seconds > 0 else { continue }
            let before = last.counters[name]
            func rate(_ path: KeyPath<CounterReading, UInt64>) -> Double {
                let (old, new) = (before?[keyPath: path] ?? 0, value[keyPath: path])
                return Double(new >= old ? new - old : new) / seconds
            }
            let packets = rate(\.packets)
            row.rejectedPerSecond = row.rejectedPerSecond ?? 0
            row.limitedPerSecond = row.limitedPerSecond ?? 0
            switch meaning.subject {
            case .seen: row.newPerSecond = packets
            case .allowed: asked[meaning.policy, default: 0] += packets
            case .rejected, .dropped:
                asked[meaning.policy, default: 0] += packets
                row.rejectedPerSecond? += packets
            case .watched:
                row.packetsPerSecond = packets
                row.bytesPerSecond = rate(\.bytes)
            case .overCap:
                row.rejectedPerSecond? += packets
                row.limitedPerSecond? += packets
            case .overLimit(let index):
                if countsConnections(meaning.policy, index) { row.rejectedPerSecond? += packets }
                row.limitedPerSecond? += packets
            case .hypothetical: break
            }
        }
        for (policy, rate) in asked where rows[policy]?.newPerSecond == nil {
            rows[policy]?.newPerSecond = rate
        }
        return rows
    }

    /// Whether a limit counts connections; where nobody knows the policy, yes.
    private func countsConnections(_ policy: String, _ index: Int) -> Bool {
        guard let set = board?.inForce.policySet, let id = board?.inForce.ids[policy],
            set[id].limits.indices.contains(index)
        else { return true }
        return set[id].limits[index].unit == .connections
    }

    // MARK: Conntrack

    private func addTallies(
        _ tallies: [PolicyID: ConnectionCensus.Tally], _ seconds: Double?, _ now: Int64,
        _ countsConnections: Bool, _ rows: inout [String: PolicySignals]
    ) {
        guard let board else { return }
        let set = board.inForce.policySet
        for id in board.policies {
            let name = set.qualifiedName(id)
            var row = rows[name] ?? PolicySignals(policy: name)
            defer { rows[name] = row }
            if let until = set[id].activation.until, until <= now { continue }
            row.secondsLeft = set[id].activation.until.map { $0 - now }
            guard countsConnections else { continue }
            let tally = tallies[id] ?? ConnectionCensus.Tally()
            row.connections = tally.connections
            row.capFill =
                set[id].caps.filter { $0.scope == .total }
                .map { Double(tally.connections) / Double($0.connections) }.max()
            guard let seconds, seconds > 0 else { continue }
            // What constrains without deciding has no counter of what passes: what began and still
            // stands, and what was refused.
            if row.newPerSecond == nil {
                row.newPerSecond = Double(tally.begun) / seconds + (row.rejectedPerSecond ?? 0)
            }
            guard tally.isAccounted else { continue }
            row.packetsPerSecond = row.packetsPerSecond ?? Double(tally.packets) / seconds
            row.bytesPerSecond = row.bytesPerSecond ?? Double(tally.bytes) / seconds
        }
    }
}
