// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a commit is about to do, written down before it does anything. The kernel's commit is the
// point of no return: a commit that was cut off before it is taken back, one that was cut off
// after it is finished. Which of the two it is, the kernel itself says by the revision it holds.

/// A commit under way.
struct CommitJournal: Codable, Sendable {
    struct FileStep: Codable, Sendable {
        /// Absolute.
        var path: String
        /// Hash of the bytes that the file must have before; nil where there must be none.
        var before: String?
        /// Kept in the revision store; nil where the file is removed.
        var after: String?
    }

    /// The entry that the operation log gets; its `files` name everything that must be kept.
    var entry: RecordedRevision
    var files: [FileStep]
    /// The content that was in force before; empty for none.
    var previousContent: String
    /// Whether the files belong to a git repository that takes the commit.
    var usesGit: Bool
    /// The document of staged edits, and what of it stays staged.
    var stagedDocument: String?
    var remainingEdits: [StagedEdit]

    var root: String { entry.root }
}

/// A step of a commit, in order. Between any two of them the process may die.
public enum CommitStep: String, CaseIterable, Sendable {
    case objectsKept, journalWritten, kernelCommitted, fileWritten, filesWritten, gitCommitted
    case revisionRecorded, stagedCleared, journalRemoved
}

/// What a start after a crash found and did.
public enum RecoveryReport: Equatable, Sendable {
    /// The commit had not reached the kernel: nothing of it is left; its edits are still staged.
    case takenBack(message: String)
    /// The commit was in force: files and git now say so too.
    case finished(message: String, revision: Int, gitFailure: String?)
    /// The commit is in force, but somebody has changed these files since: they were left alone,
    /// and the edits are still staged.
    case filesChanged(message: String, paths: [String])
    /// A commit was never confirmed and its guard is gone: what was in force before is back.
    case expired(revision: Int)

    /// One line for an operator.
    public var text: String {
        switch self {
        case .takenBack(let message):
            "a commit (\(message)) was cut off before it reached the kernel: it was taken back, "
                + "and its edits are still staged"
        case .finished(let message, let revision, let failure):
            "a commit (\(message)) was cut off after it reached the kernel: it was finished as "
                + "revision \(revision)"
                + (failure.map { "; git refused it: \($0)" } ?? "")
        case .filesChanged(let message, let paths):
            "a commit (\(message)) was cut off after it reached the kernel, and "
                + paths.map { "`\($0)`" }.joined(separator: ", ")
                + " changed since: the files were left alone, and its edits are still staged"
        case .expired(let revision):
            "a commit was not confirmed in time: what was in force before is back as revision "
                + "\(revision)"
        }
    }
}

extension StateDirectory {
    var journalPath: String { path + "/journal.json" }
}
