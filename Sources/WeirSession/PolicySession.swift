// SPDX-License-Identifier: GPL-3.0-or-later
//
// One operator's session: what is staged, whether it holds together, what it would do, and its
// commit. It prints nothing and asks nothing; the prompt, scripts and tests drive it alike.

import Glibc
public import WeirAnalysis
public import WeirDiagnostics
public import WeirKernel
public import WeirModel
public import WeirResolve
import WeirRuleset

/// How a commit is to be made.
public struct CommitOptions: Sendable {
    public var message: String?
    /// Taken back unless it is confirmed within so many seconds.
    public var confirmWithinSeconds: Int64?
    /// Leaves git alone, and says so.
    public var usesGit = true

    public init(message: String? = nil, confirmWithinSeconds: Int64? = nil) {
        self.message = message
        self.confirmWithinSeconds = confirmWithinSeconds
    }
}

/// Why a commit did not come about.
public enum SessionFailure: Error, Sendable {
    /// The staged policies have errors.
    case unsound([Diagnostic], SourceMap)
    /// Others changed the same declarations.
    case conflicts([EditConflict])
    /// The kernel cannot be had: no permission, most likely.
    case noKernel(KernelError?)
    case write(WriteFailure)
    case nothingStaged
}

/// A session over one policy set.
public final class PolicySession {
    public let root: String
    public let state: StateDirectory
    /// nil where it cannot be had; why is ``kernelProblem``.
    public let kernel: (any PolicyKernel)?
    public let kernelProblem: KernelError?
    public private(set) var work: StagedWork
    /// Why staged edits are not kept on disk; nil where they are.
    public private(set) var storeProblem: String?
    let store: StagedStore?
    private let tree: any PolicySource
    private let startGuard: ConfirmationGuard.Start
    /// Seconds since 1970-01-01.
    public var now: () -> Int64 = { Int64(time(nil)) }
    var onStep: ((CommitStep) throws(WriteFailure) -> Void)?

    /// What is enabled by hand in the kernel, for the next commit to write down.
    var adoptedEnabled: [EnabledPolicy]?
    /// The content that this session put in force last.
    public private(set) var lastCommitted: String?
    private var checkedCache: CheckedPolicySet?
    private var resolution: Resolution?
    private var analyzer: Analyzer?
    /// What the analyzer has taken over.
    private var analyzed: PolicySet?
    /// Declarations that were edited since the last analysis; nil where it could be any.
    private var touched: Set<DeclarationName>? = []
    /// Whether inventories, and nothing else, were read again since the last analysis.
    private var isLandscapeNew = false
    private(set) var head: String?
    /// Connections that no commit may cut unnoticed.
    public var channels: [ProtectedChannel] = [] {
        didSet { (analyzer, checkedCache) = (nil, nil) }
    }
    /// Whether a commit may cut them all the same.
    public var acceptsLockout = false

    /// - Parameter kernel: nil opens the one of this network namespace.
    public init(
        _ root: String, state: StateDirectory = .standard(), kernel: (any PolicyKernel)? = nil,
        tree: any PolicySource = WorkTree(), startGuard: ConfirmationGuard.Start? = nil
    ) {
        self.root = root
        self.state = state
        self.tree = tree
        self.startGuard = startGuard ?? ConfirmationGuard.start(state)
        var problem: KernelError?
        var opened = kernel
        if opened == nil {
            do throws(KernelError) { opened = try LiveKernel() } catch { problem = error }
        }
        self.kernel = opened
        kernelProblem = problem
        do throws(FileFailure) {
            store = try StagedStore(state, root: absolutePath(root))
        } catch {
            store = nil
            storeProblem = error.message
        }
        work = StagedWork(over: PolicyDraft(reading: root, tree: tree))
        head = GitRepository.head(containing: root)
    }

    // MARK: Start

    /// Puts right what a crash left; what it did. A session that may not write does nothing.
    public func recover() -> RecoveryReport? {
        guard let kernel else { return nil }
        guard state.hasUnfinishedWork else { return nil }
        do throws(WriteFailure) {
            var writer = try PolicyWriter(state, kernel)
            let report = try writer.recover()
            _ = consume writer
            if report != nil { work = StagedWork(over: PolicyDraft(reading: root, tree: tree)) }
            return report
        } catch {
            return nil
        }
    }

    /// Takes up what sessions that ended without committing have left.
    /// - Returns: the number of edits, and those that others' changes have made impossible.
    public func adoptAbandoned() -> (count: Int, conflicts: [EditConflict]) {
        var conflicts: [EditConflict] = []
        var count = 0
        for edits in store?.takeAbandoned() ?? [] {
            let before = work.edits.count
            let found = work.adopt(edits)
            if !found.isEmpty {
                conflicts += found
                let clashing = Set(found.map(\.edit))
                _ = work.adopt(edits.filter { !clashing.contains($0) })
            }
            count += work.edits.count - before
        }
        changed()
        // What conflicts stays on disk for the operator to look at.
        if conflicts.isEmpty, storeProblem == nil { store?.forgetAbandoned() }
        return (count, conflicts)
    }

    // MARK: Staging

    public func stage(_ edits: [StagedEdit]) throws(StagingError) -> [StagedEdit] {
        let made = try work.stage(edits)
        changed(made)
        return made
    }

    public func undo() -> [StagedEdit]? {
        let edits = work.undo()
        changed(edits)
        return edits
    }

    public func redo() -> [StagedEdit]? {
        let edits = work.redo()
        changed(edits)
        return edits
    }

    public func reset() {
        work.reset()
        adoptedEnabled = nil
        changed()
    }

    public func hold(_ held: Set<Int>) throws(StagingError) {
        try work.hold(held)
        changed()
    }

    /// - Parameter edits: all that is different; nil where more may be.
    private func changed(_ edits: [StagedEdit]? = nil) {
        checkedCache = nil
        if let edits, !edits.isEmpty,
            edits.allSatisfy({ if case .rename = $0.change { false } else { true } })
        {
            touched?.formUnion(edits.map(\.name))
        } else {
            touched = nil
            isLandscapeNew = false
        }
        persist()
    }

    private func persist() {
        guard let store else { return }
        do throws(FileFailure) {
            try store.save(work.edits)
            storeProblem = nil
        } catch {
            storeProblem = error.message
        }
    }

    // MARK: Checking

    /// The staged policies with everything that is wrong with them.
    public var checked: CheckedPolicySet {
        if let checkedCache { return checkedCache }
        let loaded = work.draft.load(&resolution)
        let result: CheckedPolicySet
        if let policySet = loaded.policySet {
            let findings = analyze(policySet)
            result = CheckedPolicySet(loaded, findings: findings)
        } else {
            result = CheckedPolicySet(loaded, findings: [])
        }
        checkedCache = result
        return result
    }

    private func analyze(_ policySet: PolicySet) -> [Finding] {
        defer { analyzed = policySet }
        guard var current = analyzer, let analyzed else {
            let fresh = Analyzer(
                policySet, options: AnalysisOptions(epochSeconds: now(), channels: channels))
            analyzer = fresh
            (touched, isLandscapeNew) = ([], false)
            return fresh.findings
        }
        // One owner only, or the analyzer's tables would be copied.
        analyzer = nil
        let endpoints =
            isLandscapeNew ? PolicyEdit.endpoints(from: analyzed, to: policySet) : nil
        for edit in endpoints ?? [PolicyEdit(touched, from: analyzed, to: policySet)] {
            current.apply(edit, giving: policySet)
        }
        (touched, isLandscapeNew) = ([], false)
        let findings = current.findings
        analyzer = current
        return findings
    }

    // MARK: Others' changes

    /// Reads the files again where they changed, and makes the staged edits over them.
    /// - Returns: whether anything changed, and the conflicts; with any, nothing was taken over.
    @discardableResult
    public func refresh() -> (changed: [String], conflicts: [EditConflict]) {
        let fresh = PolicyDraft(rereading: work.base, tree: tree)
        let paths = fresh.changedPaths(from: work.base)
        let isInventoryChanged = fresh.inventories.hashes != work.base.inventories.hashes
        guard !paths.isEmpty || isInventoryChanged else { return ([], []) }
        let conflicts = work.rebase(onto: fresh)
        if conflicts.isEmpty {
            // Edits that were not analysed yet are on top of the files.
            let isFresh = paths.isEmpty && checkedCache != nil
            changed()
            isLandscapeNew = isFresh
            head = GitRepository.head(containing: root)
        }
        return (paths, conflicts)
    }

    /// Settles conflicts: one's own edits as they were typed, or the others' declarations.
    public func settle(keepingMine: Bool) {
        work.rebase(
            onto: PolicyDraft(rereading: work.base, tree: tree), keepingMine: keepingMine)
        head = GitRepository.head(containing: root)
        changed()
    }

    // MARK: Plan and commit

    /// What a commit would do.
    public func plan() throws(SessionFailure) -> (Plan, PolicySet) {
        let policySet = try sound()
        guard let kernel else { throw .noKernel(kernelProblem) }
        let now = self.now()
        let enabled = adoptedEnabled ?? state.enabledPolicies(atEpochSeconds: now)
        let revision = Revision(contentHash: work.draft.revisionHash, gitCommit: head ?? "")
        do throws(CommitFailure) {
            let set = policySet.enabling(enabled).startingDurations(at: now)
            let (plan, _) = try kernel.plan(
                set, revision: revision, state: PolicyState(epochSeconds: now),
                findsCuts: true)
            return (plan, policySet)
        } catch {
            throw .write(.commit(error))
        }
    }

    /// Commits what is staged: kernel, files, git.
    public func commit(_ options: CommitOptions) throws(SessionFailure) -> CommitOutcome {
        let (_, conflicts) = refresh()
        guard conflicts.isEmpty else { throw .conflicts(conflicts) }
        _ = try sound()
        guard let kernel else { throw .noKernel(kernelProblem) }
        try refuseStaleWorkTree(options)
        let (draft, policySet) = try withoutDurations()
        var request = CommitRequest(
            root: root, policySet: policySet, contents: draft.contents, operation: .commit,
            message: options.message ?? defaultMessage)
        request.hashes = draft.hashes
        request.enabled = adoptedEnabled
        request.files = draft.changedPaths(from: work.base).map { path in
            FileChange(
                path: path, before: work.base.files[path]?.bytes, after: draft.files[path]?.bytes)
        }
        if options.usesGit, case .repository = GitRepository.presence(containing: root) {
            request.usesGit = true
        }
        request.stagedDocument = store?.documentPath
        request.remainingEdits = work.edits.filter(\.isHeld)
        let outcome: CommitOutcome
        do throws(WriteFailure) {
            var writer = try PolicyWriter(state, kernel)
            if let onStep { writer.onStep = onStep }
            outcome = try writer.commit(
                request, nowEpochSeconds: now(),
                confirmWithinSeconds: options.confirmWithinSeconds, startGuard: startGuard)
        } catch {
            throw .write(error)
        }
        lastCommitted = outcome.revision.contentHash
        adoptedEnabled = nil
        if options.confirmWithinSeconds == nil {
            let isAsChecked = draft.changedPaths(from: work.draft).isEmpty
            work.committed(as: draft)
            if isAsChecked { persist() } else { changed() }
            head = GitRepository.head(containing: root)
        }
        return outcome
    }

    /// Keeps the commit that waits to be confirmed; whoever made it.
    public func confirm() throws(SessionFailure) -> CommitOutcome {
        guard let kernel else { throw .noKernel(kernelProblem) }
        let outcome: CommitOutcome
        do throws(WriteFailure) {
            var writer = try PolicyWriter(state, kernel)
            outcome = try writer.confirm()
        } catch {
            throw .write(error)
        }
        // The files are written: what of the staged edits they hold now is done.
        refresh()
        return outcome
    }

    /// A message for a commit that came without: what it does, in the words of `git log`.
    private var defaultMessage: String {
        let parts = work.activeEdits.map(\.summary)
        let first = parts.prefix(3).joined(separator: ", ")
        return parts.isEmpty
            ? "weir: policies as in the files"
            : "weir: \(first)" + (parts.count > 3 ? ", and \(parts.count - 3) more" : "")
    }

    /// `for D` becomes `until` in the files: from here on the time runs.
    private func withoutDurations() throws(SessionFailure) -> (PolicyDraft, PolicySet) {
        var draft = work.draft
        let now = self.now()
        for file in draft.files.values {
            let edits = file.parsed.durations(startingAt: now)
            if !edits.isEmpty { draft.edit(file.path, edits) }
        }
        if draft.changedPaths(from: work.draft).isEmpty { return (draft, try sound()) }
        let loaded = draft.load()
        guard let policySet = loaded.policySet else {
            throw .unsound(loaded.diagnostics, loaded.sources)
        }
        return (draft, policySet)
    }

    /// HEAD may have moved without the work tree: a commit of our file would then take back what
    /// HEAD has.
    private func refuseStaleWorkTree(_ options: CommitOptions) throws(SessionFailure) {
        let current = GitRepository.head(containing: root)
        guard options.usesGit, let current, let head, current != head else {
            head = current
            return
        }
        let paths = work.draft.changedPaths(from: work.base)
        let stale = GitRepository.changed(
            paths.map(absolutePath), from: head, to: current, at: root)
        // Where the file on disk is what the new HEAD holds, it has come along.
        let dirty = GitRepository.uncommitted(stale, at: root)
        guard stale.isEmpty || dirty.isEmpty else {
            throw .write(
                .refused(
                    StagingError(
                        "HEAD moved to \(current.prefix(12)) and the work tree did not: "
                            + stale.map { relativePath($0, to: root) }.joined(separator: ", "),
                        help: "`git checkout HEAD -- FILE` takes HEAD's file; the staged edits "
                            + "are then merged into it")))
        }
        self.head = current
    }
}

extension StateDirectory {
    /// A commit was cut off, or waits to be confirmed.
    var hasUnfinishedWork: Bool {
        unsafe access(journalPath, F_OK) == 0 || access(pendingPath, F_OK) == 0
    }
}
