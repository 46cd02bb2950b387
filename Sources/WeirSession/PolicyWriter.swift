// SPDX-License-Identifier: GPL-3.0-or-later
//
// Carries a commit through: kernel, files, git, log, in an order in which a crash at any point can
// be put right. Whoever holds it holds the writer lock.

public import WeirAnalysis
import FoundationEssentials
import Glibc

/// Why a commit was not made, or not to its end.
public enum WriteFailure: Error, Sendable {
    case commit(CommitFailure)
    case file(FileFailure)
    case lock(WriterLock.Failure)
    /// Files that somebody changed between reading and writing.
    case filesChanged([String])
    /// What an operator can do something about: message and help.
    case refused(StagingError)
    /// A test's crash.
    case crashed(CommitStep)
}

/// What a commit did.
public struct CommitOutcome: Sendable {
    public let revision: RecordedRevision
    /// The git commit that was made; nil where none was needed or none could be.
    public let gitCommit: String?
    /// git's own words where it refused; the kernel and the files hold the commit all the same.
    public let gitFailure: String?
    /// Files that were written, absolute.
    public let written: [String]
    /// What the kernel's commit changed; nil where only files were left to write.
    public var plan: Plan?
    /// Live connections that were ended because they are denied now.
    public var connectionsCut = 0
    /// Why caps that changed do not count the connections that exist; nil where they do.
    public var recountProblem: String?
}

/// A commit that was worked out.
struct PreparedCommit {
    var plan: Plan
    var journal: CommitJournal
    /// Everything the revision store must keep, by path.
    var contents: [String: [UInt8]]
    /// Hashes of them, where they are known.
    var hashes: [String: String]?
    var enabled: [EnabledPolicy]
}

/// The one writer of a network namespace.
public struct PolicyWriter: ~Copyable {
    let state: StateDirectory
    let store: RevisionStore
    let kernel: any PolicyKernel
    /// Connections that no commit may cut unnoticed, where a table polices the host or not.
    public var channels: (_ onHost: Bool) -> [ProtectedChannel] = { _ in [] }
    /// Called after each step; a test throws here to die at that point.
    var onStep: (CommitStep) throws(WriteFailure) -> Void = { _ in }
    private let lock: WriterLock

    /// Takes the lock at once or not at all.
    public init(_ state: StateDirectory, _ kernel: any PolicyKernel) throws(WriteFailure) {
        do {
            try state.prepare()
        } catch {
            throw .lock(.unavailable(path: state.path, errno: EACCES))
        }
        do throws(WriterLock.Failure) {
            lock = try WriterLock.acquire(state.lockPath)
        } catch {
            throw .lock(error)
        }
        self.state = state
        store = RevisionStore(state)
        self.kernel = kernel
    }

    // MARK: Steps

    /// Makes a commit from its first step to its last.
    mutating func commit(_ prepared: PreparedCommit) throws(WriteFailure) -> CommitOutcome {
        var journal = prepared.journal
        try keep(prepared, &journal)
        try write(journal)
        let cut = try putInForce(prepared)
        var outcome = try finish(&journal)
        outcome.plan = prepared.plan
        outcome.connectionsCut = cut
        outcome.plan?.recounts = kernel.recounts
        outcome.recountProblem = kernel.recountProblem
        return outcome
    }

    func keep(
        _ prepared: PreparedCommit, _ journal: inout CommitJournal
    ) throws(WriteFailure) {
        journal.entry.files = try onDisk { () throws(FileFailure) in
            try store.keep(prepared.contents, hashes: prepared.hashes)
        }
        try onStep(.objectsKept)
    }

    func write(_ journal: CommitJournal) throws(WriteFailure) {
        let path = state.journalPath
        try onDisk { () throws(FileFailure) in try StateDocument.write(journal, path) }
        try onStep(.journalWritten)
    }

    /// The kernel's commit; a refusal leaves everything as it was.
    func putInForce(_ prepared: PreparedCommit) throws(WriteFailure) -> Int {
        let cut: Int
        do throws(CommitFailure) {
            cut = try kernel.commit(prepared.plan)
        } catch {
            try? DurableFile.remove(state.journalPath)
            throw .commit(error)
        }
        try onStep(.kernelCommitted)
        return cut
    }

    /// Everything after the kernel's commit. Each step does nothing where it is done already, so
    /// that recovery can call this too.
    func finish(_ journal: inout CommitJournal) throws(WriteFailure) -> CommitOutcome {
        let enabled = journal.entry.enabled
        try onDisk { () throws(FileFailure) in try state.save(enabled: enabled) }
        let written = try writeFiles(journal)
        try onStep(.filesWritten)
        var gitFailure: String?
        var made: String?
        if journal.usesGit {
            do throws(GitRepository.Failure) {
                made = try commitToGit(journal)
            } catch {
                gitFailure = error.message
            }
        }
        try onStep(.gitCommitted)
        let head = GitRepository.head(containing: journal.root) ?? ""
        if !journal.files.isEmpty, gitFailure == nil, !head.isEmpty {
            journal.entry.gitCommit = head
            // Only what `show` prints: a failure here is no failure of the commit.
            try? kernel.record(gitCommit: head)
        }
        let record = journal.entry
        let entry = try onDisk { () throws(FileFailure) in try store.add(record) }
        try onStep(.revisionRecorded)
        if let path = journal.stagedDocument {
            let rest = journal.remainingEdits
            try onDisk { () throws(FileFailure) in try StagedStore.replace(path, with: rest) }
        }
        try onStep(.stagedCleared)
        let journalPath = state.journalPath
        try onDisk { () throws(FileFailure) in try DurableFile.remove(journalPath) }
        try onStep(.journalRemoved)
        return CommitOutcome(
            revision: entry, gitCommit: made, gitFailure: gitFailure, written: written)
    }

    private func writeFiles(_ journal: CommitJournal) throws(WriteFailure) -> [String] {
        var written: [String] = []
        for step in journal.files {
            _ = unsafe unlink(DurableFile.temporaryPath(DurableFile.resolved(step.path)))
            let isWritten = try onDisk { () throws(FileFailure) in try write(step) }
            guard isWritten else { continue }
            written.append(step.path)
            try onStep(.fileWritten)
        }
        return written
    }

    /// - Returns: false where the file has the new content already, or one that is neither.
    private func write(_ step: CommitJournal.FileStep) throws(FileFailure) -> Bool {
        let now = try DurableFile.read(step.path).map { contentHash(of: $0) }
        guard now != step.after, now == step.before else { return false }
        guard let after = step.after else {
            try DurableFile.remove(step.path)
            return true
        }
        guard let bytes = store.object(after) else {
            throw FileFailure("find the new content of", step.path, ENOENT)
        }
        try DurableFile.write(bytes, to: step.path)
        return true
    }

    func onDisk<Value>(
        _ body: () throws(FileFailure) -> Value
    ) throws(WriteFailure) -> Value {
        do throws(FileFailure) { return try body() } catch { throw .file(error) }
    }

    private func commitToGit(
        _ journal: CommitJournal
    ) throws(GitRepository.Failure) -> String? {
        let paths = journal.files.map(\.path)
        return try GitRepository.commit(
            paths, at: journal.root, message: journal.entry.message,
            revision: journal.entry.contentHash)
    }
}
