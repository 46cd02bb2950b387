// SPDX-License-Identifier: GPL-3.0-or-later
//
// Puts right what a crash left. The kernel says whether the commit happened; after that there is
// one way only.

import Glibc
import WeirModel
import WeirRuleset

extension PolicyWriter {
    /// Finishes or takes back a commit that was cut off, and takes back one that nobody confirmed
    /// and whose guard is gone. nil where there was neither.
    public mutating func recover() throws(WriteFailure) -> RecoveryReport? {
        if let journal = StateDocument.read(CommitJournal.self, state.journalPath) {
            if state.pendingConfirmation()?.id == journal.entry.id {
                let path = state.pendingPath
                try onDisk { () throws(FileFailure) in try DurableFile.remove(path) }
            }
            return try recover(journal)
        }
        guard let pending = state.pendingConfirmation(),
            bootTimeMilliseconds() > pending.deadlineMilliseconds + 2000
                || Int64(time(nil)) > pending.deadlineEpochSeconds + 2,
            !ConfirmationGuard.isAlive(state), let entry = try expire(pending.id)
        else { return nil }
        return .expired(revision: entry.number)
    }

    private mutating func recover(
        _ journal: CommitJournal
    ) throws(WriteFailure) -> RecoveryReport {
        let message = journal.entry.message
        let inForce: String
        do throws(CommitFailure) {
            inForce = try kernel.revision()?.contentHash ?? ""
        } catch {
            throw .commit(error)
        }
        let journalPath = state.journalPath
        guard inForce == journal.entry.contentHash else {
            try onDisk { () throws(FileFailure) in try DurableFile.remove(journalPath) }
            return .takenBack(message: message)
        }
        if journal.previousContent == journal.entry.contentHash { try reenact(journal) }
        let changed = changedFiles(journal)
        var journal = journal
        guard changed.isEmpty else {
            let entry = journal.entry
            try onDisk { () throws(FileFailure) in
                try state.save(enabled: entry.enabled)
                _ = try store.add(entry)
                try DurableFile.remove(journalPath)
            }
            return .filesChanged(message: message, paths: changed)
        }
        let outcome = try finish(&journal)
        return .finished(
            message: message, revision: outcome.revision.number, gitFailure: outcome.gitFailure)
    }

    /// Where the content did not change (a policy was enabled, say) the kernel's revision does not
    /// tell whether the commit happened: it is made again, which changes nothing if it did.
    private func reenact(_ journal: CommitJournal) throws(WriteFailure) {
        guard let policySet = store.policySet(of: journal.entry) else { return }
        let revision = Revision(
            contentHash: journal.entry.contentHash, gitCommit: journal.entry.gitCommit)
        do throws(CommitFailure) {
            try kernel.clearLeftovers()
            let (plan, _) = try kernel.plan(
                policySet.enabling(journal.entry.enabled), revision: revision,
                state: PolicyState(epochSeconds: Int64(time(nil))), findsCuts: false)
            _ = try kernel.commit(plan)
        } catch {
            throw .commit(error)
        }
    }
}
