// SPDX-License-Identifier: GPL-3.0-or-later
//
// Commits that are taken back unless they are confirmed. What was in force before is compiled
// again over what the kernel then holds, so that whatever the commit did not change keeps its
// counters, buckets and counts. A process of its own session waits for the time to run out; if
// that is gone too, the next command sees that it has.

import FoundationEssentials
import Glibc
public import WeirModel
public import WeirResolve
import WeirRuleset

/// A commit that is in force and not confirmed.
public struct PendingConfirmation: Codable, Sendable {
    /// What was in force before.
    enum Previous: Codable, Sendable {
        /// There was no table.
        case nothing
        case revision(Int, enabled: [EnabledPolicy])
    }
    /// Tells it from others.
    public let id: String
    /// Seconds since 1970-01-01.
    public let deadlineEpochSeconds: Int64
    /// Milliseconds of CLOCK_BOOTTIME, which nobody sets.
    let deadlineMilliseconds: Int64
    let previous: Previous
    let journal: CommitJournal

    public var message: String { journal.entry.message }
    public var root: String { journal.root }
    /// Of the policies that it put in force.
    public var contentHash: String { journal.entry.contentHash }
}

extension StateDirectory {
    var pendingPath: String { path + "/confirm.json" }
    var guardLockPath: String { path + "/confirm.lock" }

    /// The commit that waits to be confirmed.
    public func pendingConfirmation() -> PendingConfirmation? {
        StateDocument.read(PendingConfirmation.self, pendingPath)
    }
}

extension PolicyWriter {
    func refuseWhilePending() throws(WriteFailure) {
        guard let pending = state.pendingConfirmation() else { return }
        let left = max(0, pending.deadlineEpochSeconds - Int64(time(nil)))
        throw .refused(
            StagingError(
                "a commit (\(pending.message)) waits to be confirmed, \(left) s left",
                help: "`weir confirm` keeps it, `weir rollback` takes it back"))
    }

    /// Commits to the kernel only; files and git follow when it is confirmed.
    func commit(
        _ prepared: PreparedCommit, confirmWithinSeconds seconds: Int64,
        startGuard: ConfirmationGuard.Start
    ) throws(WriteFailure) -> CommitOutcome {
        var journal = prepared.journal
        let previous = try previousState()
        try keep(prepared, &journal)
        let pending = PendingConfirmation(
            id: journal.entry.id, deadlineEpochSeconds: Int64(time(nil)) + seconds,
            deadlineMilliseconds: bootTimeMilliseconds() + seconds * 1000, previous: previous,
            journal: journal)
        let path = state.pendingPath
        try onDisk { () throws(FileFailure) in try StateDocument.write(pending, path) }
        // The guard first: from the kernel's commit on, nothing may be needed of this process.
        guard startGuard(pending.id) else {
            try? DurableFile.remove(path)
            throw .refused(
                StagingError(
                    "the process that would take the commit back did not start",
                    help: "commit without --confirm, or free memory and processes"))
        }
        let cut: Int
        do throws(CommitFailure) {
            cut = try kernel.commit(prepared.plan)
        } catch {
            try? DurableFile.remove(path)
            throw .commit(error)
        }
        let enabled = prepared.enabled
        try onDisk { () throws(FileFailure) in try state.save(enabled: enabled) }
        return CommitOutcome(
            revision: journal.entry, gitCommit: nil, gitFailure: nil, written: [],
            plan: prepared.plan, connectionsCut: cut)
    }

    private func previousState() throws(WriteFailure) -> PendingConfirmation.Previous {
        let inForce: Revision?
        do throws(CommitFailure) { inForce = try kernel.revision() } catch { throw .commit(error) }
        guard let inForce else { return .nothing }
        guard let entry = store.latest(contentHash: inForce.contentHash),
            store.contents(of: entry) != nil
        else {
            throw .refused(
                StagingError(
                    "nobody knows the policies in force, so they could not be put back",
                    help: "put them in force once with `weir apply`, then use --confirm"))
        }
        return .revision(
            entry.number, enabled: state.enabledPolicies(atEpochSeconds: Int64(time(nil))))
    }

    /// Keeps the commit that waits.
    public mutating func confirm() throws(WriteFailure) -> CommitOutcome {
        guard let pending = state.pendingConfirmation() else {
            throw .refused(
                StagingError(
                    "no commit waits to be confirmed",
                    help: "`weir history` shows whether it was taken back"))
        }
        var journal = pending.journal
        let changed = changedFiles(journal)
        guard changed.isEmpty else { throw .filesChanged(changed) }
        let (journalPath, pendingPath) = (state.journalPath, state.pendingPath)
        try onDisk { () throws(FileFailure) in
            try StateDocument.write(journal, journalPath)
            try DurableFile.remove(pendingPath)
        }
        return try finish(&journal)
    }

    /// Takes back the commit that waits, if it is still the one with this id.
    /// - Returns: nil where nothing waits, or something else.
    public func expire(_ id: String) throws(WriteFailure) -> RecordedRevision? {
        guard let pending = state.pendingConfirmation(), pending.id == id else { return nil }
        var entry = pending.journal.entry
        entry.id = id + "-expired"
        entry.operation = .expired
        entry.epochSeconds = Int64(time(nil))
        entry.message = "not confirmed: \(pending.message)"
        swap(&entry.added, &entry.removed)
        switch pending.previous {
        case .nothing:
            do throws(CommitFailure) { _ = try kernel.remove() } catch { throw .commit(error) }
            entry.contentHash = ""
            entry.files = [:]
            entry.enabled = []
        case .revision(let number, let enabled):
            guard let old = store[number] else { break }
            try restore(old, enabled: enabled)
            entry.contentHash = old.contentHash
            entry.gitCommit = old.gitCommit
            entry.files = old.files
            entry.enabled = enabled
            entry.restores = number
        }
        let (added, path) = (entry, state.pendingPath)
        return try onDisk { () throws(FileFailure) in
            try state.save(enabled: added.enabled)
            let recorded = try store.add(added)
            try DurableFile.remove(path)
            return recorded
        }
    }

    /// Puts the policies of an entry in force as they were.
    private func restore(
        _ entry: RecordedRevision, enabled: [EnabledPolicy]
    ) throws(WriteFailure) {
        guard let policySet = store.policySet(of: entry) else {
            throw .refused(
                StagingError(
                    "the policies of revision \(entry.number) are lost", help: "`weir apply`"))
        }
        let revision = Revision(contentHash: entry.contentHash, gitCommit: entry.gitCommit)
        var failure: CommitFailure?
        for _ in 0..<10 {
            do throws(CommitFailure) {
                try kernel.clearLeftovers()
                let (plan, _) = try kernel.plan(
                    policySet.enabling(enabled), revision: revision,
                    state: PolicyState(epochSeconds: Int64(time(nil))), findsCuts: false)
                _ = try kernel.commit(plan)
                return
            } catch {
                failure = error
            }
            usleep(20_000)
        }
        if let failure { throw .commit(failure) }
    }
}

extension RevisionStore {
    /// The policies of an entry, resolved again from the files that were kept.
    public func load(_ entry: RecordedRevision) -> LoadedPolicySet? {
        guard let contents = contents(of: entry) else { return nil }
        var tree = MemoryTree([:])
        tree.files = contents
        return PolicySetLoader(tree: tree).load(entry.root)
    }

    public func policySet(of entry: RecordedRevision) -> PolicySet? { load(entry)?.policySet }
}

/// Milliseconds since the machine started, sleep included.
public func bootTimeMilliseconds() -> Int64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_BOOTTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
}

func currentTimeNanoseconds() -> Int64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
