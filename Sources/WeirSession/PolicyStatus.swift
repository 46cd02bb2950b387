// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the kernel holds, what the files say and what HEAD says, side by side; where the kernel's
// table was changed by hand, object by object.

import WeirModel
import WeirKernel
import WeirDiagnostics
public import WeirRuleset

/// Kernel, files and HEAD compared at one moment.
public struct PolicyStatus: Sendable {
    /// In force; nil for no table, or a kernel that cannot be read.
    public var inForce: Revision?
    public var kernelProblem: CommitFailure?
    /// The log's entry of what is in force.
    public var entry: RecordedRevision?
    /// What it would take to put right what was changed in the table by hand, a line each.
    public var handChanges: [String] = []
    /// Of the files on disk.
    public var filesHash = ""
    /// Files that differ from what is in force, relative to the policy set, with `+`, `-` or `~`.
    public var changedFiles: [String] = []
    public var head: String?
    public var headSubject: String?
    public var git = GitRepository.Presence.none
    /// Files that are not as HEAD has them, with git's two letters.
    public var uncommitted: [String] = []
    public var enabled: [EnabledPolicy] = []
    public var pending: PendingConfirmation?
    /// Connections that caps count by their shadows, since the caps changed.
    public var shadows = 0
    /// Whether nobody was there to give their places back, and somebody is now.
    public var isSettlingResumed = false

    /// Whether the kernel enforces what the files say, and HEAD has them.
    public var isInAgreement: Bool {
        kernelProblem == nil && inForce?.contentHash == filesHash && handChanges.isEmpty
            && uncommitted.isEmpty
    }

    /// - Parameter root: the policy set's path.
    public init(
        _ root: String, state: StateDirectory, kernel: (any PolicyKernel)?, nowEpochSeconds: Int64
    ) {
        let draft = PolicyDraft(reading: root)
        let contents = draft.contents
        filesHash = contentHash(
            ofFiles: contents.mapValues { contentHash(of: $0) }, root: root)
        git = GitRepository.presence(containing: root)
        head = GitRepository.head(containing: root)
        headSubject = head.flatMap { GitRepository.subject(of: $0, at: root) }
        uncommitted = GitRepository.uncommitted(contents.keys.map(absolutePath).sorted(), at: root)
        enabled = state.enabledPolicies(atEpochSeconds: nowEpochSeconds)
        pending = state.pendingConfirmation()
        guard let kernel else { return }
        shadows = kernel.shadowCount()
        if shadows > 0 { isSettlingResumed = CapSettler.start(state) }
        do throws(CommitFailure) {
            inForce = try kernel.revision()
            guard let inForce else { return }
            let store = RevisionStore(state)
            entry = store.latest(contentHash: inForce.contentHash)
            guard let entry else { return }
            changedFiles = Self.compare(entry.files, contents, root)
            let changes = try store.changesByHand(
                since: entry, enabled, in: kernel, nowEpochSeconds: nowEpochSeconds)
            handChanges = changes?.repairs ?? []
        } catch {
            kernelProblem = error
        }
    }

    private static func compare(
        _ kept: [String: String], _ contents: [String: [UInt8]], _ root: String
    ) -> [String] {
        let now = Dictionary(
            contents.map { (absolutePath($0), contentHash(of: $1)) },
            uniquingKeysWith: { a, _ in a })
        return Set(kept.keys).union(now.keys).sorted().compactMap { path in
            guard kept[path] != now[path] else { return nil }
            let mark = kept[path] == nil ? "+" : now[path] == nil ? "-" : "~"
            return "\(mark) \(relativePath(path, to: root))"
        }
    }
}

extension RevisionStore {
    /// What it takes to bring the kernel's table to what a commit made of it; nil where its policies
    /// are lost. Measures that ended since then are no change: they are compared as of the commit,
    /// and what ended by itself is left to the kernel.
    /// - Parameter enabled: what is enabled now; where the log disagrees, this is believed.
    func changesByHand(
        since entry: RecordedRevision, _ enabled: [EnabledPolicy], in kernel: any PolicyKernel,
        nowEpochSeconds now: Int64
    ) throws(CommitFailure) -> Delta? {
        guard let policySet = policySet(of: entry) else { return nil }
        let lasting = entry.enabled.filter { $0.untilEpochSeconds.map { $0 > now } ?? true }
        let (plan, _) = try kernel.plan(
            policySet.enabling(Set(lasting) == Set(enabled) ? entry.enabled : enabled),
            revision: Revision(contentHash: entry.contentHash, gitCommit: entry.gitCommit),
            state: PolicyState(epochSeconds: entry.epochSeconds), findsCuts: false)
        var wanted = plan.program.ruleset
        // Which git commit holds it is written later.
        if let held = plan.kernel?.revision, held.contentHash == entry.contentHash {
            wanted.revision = held
        }
        return wanted.delta(from: plan.kernel, nowMilliseconds: now * 1000)
    }
}

extension Delta {
    /// Each operation as what somebody did to the table, who is not weir.
    var repairs: [String] {
        operations.filter { !$0.isCommitNumber }.flatMap { operation -> [String] in
            switch operation.kind {
            case .createTable: ["the table is gone"]
            case .deleteTable: ["the table is not weir's"]
            case .flushChain(let name): ["the rules of chain `\(name)` were changed"]
            case .deleteSet(let name): ["set `\(name)` was added or changed"]
            case .deleteObject(let name, _): ["object `\(name)` was added or changed"]
            case .deleteChain(let name): ["chain `\(name)` was added or changed"]
            case .addObject(let name, _): ["object `\(name)` is missing"]
            case .addSet(let name, _): ["set `\(name)` is missing"]
            case .addChain(let name, _): ["chain `\(name)` is missing"]
            case .addRule: []
            case .deleteElements(let elements, let set, let shape):
                elements.map { item in
                    "element `\(shape.keyText(item.key))` of set `\(set)` was added or changed"
                        + Self.owner(item)
                }
            case .addElements(let elements, let set, let shape):
                elements.map { item in
                    "element `\(shape.keyText(item.key))` of set `\(set)` is missing"
                        + Self.owner(item)
                }
            }
        }
    }

    private static func owner(_ item: KeyedElement) -> String {
        item.element.origin.isEmpty ? "" : " (\(item.element.origin))"
    }
}
