// SPDX-License-Identifier: GPL-3.0-or-later
//
// What somebody wants committed, whichever command it came from: the policies, the files they
// stand in, which of those are to be written, and what the log shall say.

import WeirDiagnostics
public import WeirModel
import WeirResolve
import WeirRuleset
import WeirSyntax

/// A file that a commit writes.
public struct FileChange: Sendable {
    public var path: String
    /// The bytes that it was read with; nil where there was none.
    public var before: [UInt8]?
    /// nil: the file is removed.
    public var after: [UInt8]?

    public init(path: String, before: [UInt8]?, after: [UInt8]?) {
        self.path = path
        self.before = before
        self.after = after
    }
}

/// A commit that is asked for.
public struct CommitRequest: Sendable {
    /// The policy set's path.
    public var root: String
    public var policySet: PolicySet
    /// Bytes of every policy file and inventory as they are after the commit, by path.
    public var contents: [String: [UInt8]]
    /// Their hashes where they are known already.
    var hashes: [String: String]?
    public var files: [FileChange] = []
    public var operation: RecordedRevision.Operation
    public var message: String
    /// Standby policies that are enabled after the commit; nil: those that are now.
    public var enabled: [EnabledPolicy]?
    public var usesGit = false
    /// Whether the outcome's plan is to say what became of live connections; see ``Plan/cuts``.
    public var findsCuts = false
    /// What the log says of who did it; nil: the operator.
    var who: String?
    public var restores: Int?
    var stagedDocument: String?
    var remainingEdits: [StagedEdit] = []

    public init(
        root: String, policySet: PolicySet, contents: [String: [UInt8]],
        operation: RecordedRevision.Operation, message: String
    ) {
        self.root = root
        self.policySet = policySet
        self.contents = contents
        self.operation = operation
        self.message = message
    }

    /// The policies as they stand in the files, without anything staged: what `weir apply` commits.
    /// `for D` becomes `until`, in the files too.
    public static func applying(
        _ checked: CheckedPolicySet, _ policySet: PolicySet, root: String, message: String,
        nowEpochSeconds now: Int64
    ) -> CommitRequest {
        let sources = checked.sources
        var request = CommitRequest(
            root: root, policySet: policySet.startingDurations(at: now),
            contents: Dictionary(
                sources.texts.filter { !$0.isBuiltIn }.map { ($0.name, $0.bytes) },
                uniquingKeysWith: { $1 }),
            operation: .apply, message: message)
        request.findsCuts = true
        for file in checked.loaded.files {
            let edits = file.durations(startingAt: now)
            guard !edits.isEmpty else { continue }
            let text = sources[file.file.source]
            let bytes = SyntaxEdits(file).applying(edits)
            request.files.append(FileChange(path: text.name, before: text.bytes, after: bytes))
            request.contents[text.name] = bytes
        }
        return request
    }

    /// The hash of the content.
    public var revisionHash: String {
        contentHash(ofFiles: hashes ?? contents.mapValues { contentHash(of: $0) }, root: root)
    }
}

extension PolicyWriter {
    /// Works a commit out against what the kernel holds now.
    func prepare(
        _ request: CommitRequest, nowEpochSeconds now: Int64
    ) throws(WriteFailure) -> PreparedCommit {
        let enabled = request.enabled ?? state.enabledPolicies(atEpochSeconds: now)
        let hash = request.revisionHash
        let revision = Revision(
            contentHash: hash,
            gitCommit: GitRepository.head(containing: request.root) ?? "")
        let plan: Plan
        do throws(CommitFailure) {
            try kernel.clearLeftovers()
            plan = try kernel.plan(
                request.policySet.enabling(enabled), revision: revision,
                state: PolicyState(epochSeconds: now), findsCuts: request.findsCuts
            ).0
        } catch {
            throw .commit(error)
        }
        var entry = RecordedRevision(
            id: "\(currentTimeNanoseconds())", epochSeconds: now,
            who: request.who ?? operatorName(),
            operation: request.operation, message: request.message,
            root: absolutePath(request.root), contentHash: hash, gitCommit: revision.gitCommit,
            files: [:], enabled: enabled, restores: request.restores)
        entry.onHost = plan.program.ruleset.chains["input"] != nil
        entry.added = plan.changes.added
        entry.changed = plan.changes.changed
        entry.removed = plan.changes.removed
        let steps = request.files.map { file in
            CommitJournal.FileStep(
                path: absolutePath(file.path), before: file.before.map { contentHash(of: $0) },
                after: file.after.map { contentHash(of: $0) })
        }
        let journal = CommitJournal(
            entry: entry, files: steps,
            previousContent: plan.kernel?.revision.contentHash ?? "", usesGit: request.usesGit,
            stagedDocument: request.stagedDocument, remainingEdits: request.remainingEdits)
        return PreparedCommit(
            plan: plan, journal: journal, contents: request.contents, hashes: request.hashes,
            enabled: enabled)
    }

    /// Files that are no longer as they were read.
    func changedFiles(_ journal: CommitJournal) -> [String] {
        journal.files.filter { step in
            let now = ((try? DurableFile.read(step.path)) ?? nil).map { contentHash(of: $0) }
            return now != step.before && now != step.after
        }.map(\.path)
    }

    /// Plans and commits.
    /// - Parameter confirmWithinSeconds: where set, the commit is taken back unless it is
    ///   confirmed in time; files and git are written when it is.
    public mutating func commit(
        _ request: CommitRequest, nowEpochSeconds now: Int64,
        confirmWithinSeconds: Int64? = nil, startGuard: ConfirmationGuard.Start? = nil
    ) throws(WriteFailure) -> CommitOutcome {
        try refuseWhilePending()
        let prepared = try prepare(request, nowEpochSeconds: now)
        try refuseLockout(request, prepared, nowEpochSeconds: now)
        let changed = changedFiles(prepared.journal)
        guard changed.isEmpty else { throw .filesChanged(changed) }
        // A full or read-only disk is found before the kernel knows of the commit, not after it.
        for file in request.files where file.before != file.after {
            try onDisk { () throws(FileFailure) in
                try DurableFile.rehearse(file.after, to: absolutePath(file.path))
            }
        }
        if request.usesGit, !request.files.isEmpty,
            let problem = GitRepository.identityProblem(at: request.root)
        {
            throw .refused(
                StagingError(
                    "git would not commit: \(problem.message)",
                    help: "set user.name and user.email in git, or commit with --no-git"))
        }
        if prepared.plan.isEmpty, request.files.isEmpty, let latest = store.latest,
            latest.contentHash == prepared.journal.entry.contentHash,
            latest.enabled == prepared.enabled
        {
            let cut = try putInForce(prepared)
            // The log knows what is enabled, but its own file may have been lost.
            let (state, enabled) = (state, prepared.enabled)
            if state.enabledPolicies(atEpochSeconds: now) != enabled {
                try onDisk { () throws(FileFailure) in try state.save(enabled: enabled) }
            }
            return CommitOutcome(
                revision: latest, gitCommit: nil, gitFailure: nil, written: [],
                plan: prepared.plan, connectionsCut: cut)
        }
        guard let confirmWithinSeconds, let startGuard else { return try commit(prepared) }
        return try commit(
            prepared, confirmWithinSeconds: confirmWithinSeconds, startGuard: startGuard)
    }
}
