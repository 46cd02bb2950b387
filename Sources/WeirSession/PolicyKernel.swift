// SPDX-License-Identifier: GPL-3.0-or-later
//
// The kernel as a session needs it: what is in force, a plan against it, a commit. Behind a
// protocol, so that commits, crashes and recoveries can be tested by the thousand in memory.

public import WeirDiagnostics
public import WeirKernel
public import WeirModel
public import WeirRuleset

/// Something that enforces one policy set.
public protocol PolicyKernel: AnyObject {
    /// Works out what it takes to put a policy set in force.
    /// - Parameter findsCuts: whether ``Plan/cuts`` is wanted, for somebody to read.
    func plan(
        _ policySet: PolicySet, revision: Revision, state: PolicyState, findsCuts: Bool
    ) throws(CommitFailure) -> (Plan, [Diagnostic])
    /// Commits a plan whole or not at all, then ends the connections that it denies.
    /// - Returns: how many were ended.
    func commit(_ plan: Plan) throws(CommitFailure) -> Int
    /// What is in force; nil for no table.
    func revision() throws(CommitFailure) -> Revision?
    /// Writes down which git commit holds what is in force.
    func record(gitCommit: String) throws(CommitFailure)
    /// What is in force, with counters; nil for no table.
    func status() throws(CommitFailure) -> KernelStatus?
    /// Takes away what a writer left behind that died; for who holds the lock.
    func clearLeftovers() throws(CommitFailure)
    /// Connections that a cap counts by their shadows, since it changed.
    func shadowCount() -> Int
    /// What the last commit's new caps found.
    var recounts: [CapRecount] { get }
    /// Why the last commit's new caps do not count what exists; nil where they do.
    var recountProblem: String? { get }
    /// Takes weir's table away; false where there was none.
    func remove() throws(CommitFailure) -> Bool
    /// The named counters of what is in force; empty where there is no table.
    func counters() throws(CommitFailure) -> [String: CounterReading]
    /// Hands over every tracked connection, once or, if it comes and goes, twice or not at all.
    func forEachConnection(_ body: (Connection) -> Void) throws(CommitFailure)
    /// Whether the table polices this host rather than what it forwards; nil for no table.
    func isOnHost() throws(CommitFailure) -> Bool?
    /// Where to stand from the next commit on, whatever the table says; an operator's own word for
    /// it goes before.
    func stand(onHost: Bool)
}

extension PolicyKernel {
    public func clearLeftovers() throws(CommitFailure) {}
    public func shadowCount() -> Int { 0 }
    public var recountProblem: String? { nil }
    public var recounts: [CapRecount] { [] }
}

/// The kernel of this process's network namespace.
public final class LiveKernel: PolicyKernel {
    private var committer: Committer
    private var onHost: Bool?

    /// - Parameter onHost: see ``Committer/plan(_:revision:state:onHost:findsCuts:)``.
    public init(onHost: Bool? = nil) throws(KernelError) {
        committer = try Committer.open()
        self.onHost = onHost
    }

    public func plan(
        _ policySet: PolicySet, revision: Revision, state: PolicyState, findsCuts: Bool
    ) throws(CommitFailure) -> (Plan, [Diagnostic]) {
        try committer.plan(
            policySet, revision: revision, state: state, onHost: onHost, findsCuts: findsCuts)
    }

    public func commit(_ plan: Plan) throws(CommitFailure) -> Int {
        let cut = try committer.commit(plan)
        if committer.shadowsMade > 0 { CapSettler.start(.standard()) }
        return cut
    }

    public func clearLeftovers() throws(CommitFailure) { try committer.clearLeftovers() }

    public func shadowCount() -> Int { (try? committer.shadowCount()) ?? 0 }

    public var recountProblem: String? { committer.recountProblem }

    public var recounts: [CapRecount] { committer.recounts }

    public func stand(onHost: Bool) { if self.onHost == nil { self.onHost = onHost } }

    public func revision() throws(CommitFailure) -> Revision? { try committer.revision() }

    public func record(gitCommit: String) throws(CommitFailure) {
        try committer.record(gitCommit: gitCommit)
    }

    public func status() throws(CommitFailure) -> KernelStatus? { try committer.status() }

    public func remove() throws(CommitFailure) -> Bool { try committer.remove() }

    public func counters() throws(CommitFailure) -> [String: CounterReading] {
        try committer.counters()
    }

    public func forEachConnection(_ body: (Connection) -> Void) throws(CommitFailure) {
        try committer.forEachConnection(body)
    }

    public func isOnHost() throws(CommitFailure) -> Bool? { try committer.isOnHost() }
}
