// SPDX-License-Identifier: GPL-3.0-or-later
//
// Operations on what is in force that need no staged work: going back to an earlier revision,
// switching standby policies. They work from the policies that were kept, not from the files, so
// that a half-edited file cannot get in the way of an emergency.

import Glibc
import WeirDiagnostics
import WeirModel
import WeirResolve
import WeirRuleset

extension PolicyWriter {
    /// The revision that rolling back goes to by itself: what was in force before what is; after a
    /// rollback, what was before that.
    public func previousRevision() -> RecordedRevision? {
        let all = store.all()
        guard let latest = all.first else { return nil }
        let from = latest.restores.flatMap { store[$0] } ?? latest
        return all.first {
            $0.number < from.number && !$0.files.isEmpty
                && ($0.contentHash != from.contentHash || $0.onHost != from.onHost)
        }
    }

    /// Puts the policies of an earlier revision in force, into the files and into git, as a new
    /// operation. The inventory stays as it is now: it describes the landscape, not a decision.
    /// - Parameter number: nil for ``previousRevision()``.
    public mutating func rollback(
        to number: Int?, message: String?, nowEpochSeconds now: Int64
    ) throws(WriteFailure) -> CommitOutcome {
        if let pending = state.pendingConfirmation(), number == nil {
            guard let entry = try expire(pending.id) else { throw Self.nothingBefore }
            return CommitOutcome(revision: entry, gitCommit: nil, gitFailure: nil, written: [])
        }
        try refuseWhilePending()
        if let number, store[number] == nil {
            throw .refused(
                StagingError(
                    "there is no revision \(number)", help: "`weir history` lists what there is"))
        }
        guard let target = number.map({ store[$0] }) ?? previousRevision() else {
            throw Self.nothingBefore
        }
        guard let kept = store.contents(of: target), !kept.isEmpty else {
            throw .refused(
                StagingError(
                    "revision \(target.number) holds no policies",
                    help: "`weir remove` takes weir out of the kernel"))
        }
        if let onHost = target.onHost { kernel.stand(onHost: onHost) }
        let request = try rollbackRequest(
            to: target, kept, message ?? "weir: back to revision \(target.number)")
        return try commit(request, nowEpochSeconds: now)
    }

    private static var nothingBefore: WriteFailure {
        .refused(
            StagingError(
                "there is no revision to go back to", help: "`weir history` lists what there is"))
    }

    private func rollbackRequest(
        to target: RecordedRevision, _ kept: [String: [UInt8]], _ message: String
    ) throws(WriteFailure) -> CommitRequest {
        let draft = PolicyDraft(reading: target.root)
        let onDisk = Dictionary(
            draft.files.values.map { (absolutePath($0.path), $0.bytes) },
            uniquingKeysWith: { a, _ in a })
        let wanted = kept.filter { $0.key.hasSuffix(".weir") }
        let paths = Set(onDisk.keys).union(wanted.keys)
            .filter { onDisk[$0] != wanted[$0] }.sorted()
        // A file that nobody ever committed is somebody's work.
        let known = Set(store.all().flatMap { $0.files.values })
        let strange = paths.filter { path in
            onDisk[path].map { !known.contains(contentHash(of: $0)) } ?? false
        }
        guard strange.isEmpty else { throw .filesChanged(strange) }
        var tree = MemoryTree([:])
        for (path, bytes) in draft.contents { tree.files[absolutePath(path)] = bytes }
        for path in paths { tree.files[path] = wanted[path] }
        let loaded = PolicySetLoader(tree: tree).load(target.root)
        guard let policySet = loaded.policySet else {
            let first = loaded.diagnostics.first { $0.severity == .error }
            throw .refused(
                StagingError(
                    "revision \(target.number) does not fit the inventory any more: "
                        + (first?.message ?? "it cannot be resolved"),
                    help: "`weir history` lists other revisions"))
        }
        var request = CommitRequest(
            root: target.root, policySet: policySet,
            contents: tree.files, operation: .rollback, message: message)
        request.files = paths.map {
            FileChange(path: $0, before: onDisk[$0], after: wanted[$0])
        }
        request.restores = target.number
        if case .repository = GitRepository.presence(containing: target.root) {
            request.usesGit = true
        }
        return request
    }

    // MARK: Removing

    /// Takes weir's table out of the kernel, as an operation that the log shows and rolling back
    /// undoes. The files stay as they are.
    /// - Returns: nil where there is no table.
    public mutating func remove(
        message: String, nowEpochSeconds now: Int64
    ) throws(WriteFailure) -> RecordedRevision? {
        try refuseWhilePending()
        let revision: Revision?
        let status: KernelStatus?
        do throws(CommitFailure) {
            revision = try kernel.revision()
            status = revision == nil ? nil : try kernel.status()
        } catch {
            throw .commit(error)
        }
        guard let revision else { return nil }
        let latest = store.latest(contentHash: revision.contentHash)
        var entry = RecordedRevision(
            id: "\(currentTimeNanoseconds())", epochSeconds: now, who: operatorName(),
            operation: .remove, message: message, root: latest?.root ?? "", contentHash: "",
            gitCommit: "", files: [:])
        let counters = status?.table.objects.keys.compactMap(CounterMeaning.init(counterName:))
        entry.removed = Set((counters ?? []).map(\.policy)).sorted()
        var journal = CommitJournal(
            entry: entry, files: [], previousContent: revision.contentHash, usesGit: false,
            stagedDocument: nil, remainingEdits: [])
        // A full disk must not keep weir in the kernel.
        var unlogged: WriteFailure?
        do throws(WriteFailure) { try write(journal) } catch { unlogged = error }
        do throws(CommitFailure) {
            _ = try kernel.remove()
        } catch {
            try? DurableFile.remove(state.journalPath)
            throw .commit(error)
        }
        if let unlogged {
            throw .refused(
                StagingError(
                    "the table was removed, but the log does not know it: "
                        + unlogged.words.message, help: unlogged.words.help ?? "check the disk"))
        }
        try onStep(.kernelCommitted)
        return try finish(&journal).revision
    }

    // MARK: Standby policies

    /// Enables a standby policy of what is in force.
    /// - Parameter seconds: for so long; nil until it is disabled.
    public mutating func enable(
        _ policy: String, forSeconds seconds: Int64?, nowEpochSeconds now: Int64
    ) throws(WriteFailure) -> CommitOutcome {
        let (entry, policySet) = try policiesInForce()
        let id = try standby(policy, policySet)
        let name = policySet.qualifiedName(id)
        var enabled = state.enabledPolicies(atEpochSeconds: now).filter { $0.policy != name }
        enabled.append(
            EnabledPolicy(
                policy: name, untilEpochSeconds: seconds.map { now + $0 }, who: operatorName()))
        return try switched(
            entry, policySet, enabled, .enable,
            "weir: enable \(name)" + (seconds.map { " for \($0) s" } ?? ""), now)
    }

    /// Enables a standby policy for a trigger.
    /// - Parameters:
    ///   - revision: content hash of the policies that the trigger was read from.
    ///   - reason: what the log says.
    /// - Returns: until when it is enabled now; never earlier than it was. nil where other
    ///   policies came in force meanwhile: then nothing was done.
    mutating func enable(
        _ name: String, forSeconds seconds: Int64, of revision: String, reason: String,
        nowEpochSeconds now: Int64
    ) throws(WriteFailure) -> Int64? {
        let (entry, policySet) = try policiesInForce()
        guard entry.contentHash == revision else { return nil }
        _ = try standby(name, policySet)
        let until = now + seconds
        let all = state.enabledPolicies(atEpochSeconds: now)
        if let old = all.first(where: { $0.policy == name }),
            old.untilEpochSeconds.map({ $0 >= until }) ?? true
        {
            return old.untilEpochSeconds ?? .max
        }
        let enabled =
            all.filter { $0.policy != name }
            + [EnabledPolicy(policy: name, untilEpochSeconds: until, who: TriggerAgent.name)]
        _ = try switched(
            entry, policySet, enabled, .enable,
            "weir: enable \(name) for \(seconds) s: \(reason)", now, who: TriggerAgent.name)
        return until
    }

    public mutating func disable(
        _ policy: String, nowEpochSeconds now: Int64
    ) throws(WriteFailure) -> CommitOutcome {
        let (entry, policySet) = try policiesInForce()
        let name = policySet.qualifiedName(try standby(policy, policySet))
        let enabled = state.enabledPolicies(atEpochSeconds: now)
        guard enabled.contains(where: { $0.policy == name }) else {
            throw .refused(
                StagingError(
                    "`\(name)` is not enabled", help: "`weir status` lists what is enabled"))
        }
        return try switched(
            entry, policySet, enabled.filter { $0.policy != name }, .disable,
            "weir: disable \(name)", now)
    }

    private mutating func switched(
        _ entry: RecordedRevision, _ policySet: PolicySet, _ enabled: [EnabledPolicy],
        _ operation: RecordedRevision.Operation, _ message: String, _ now: Int64,
        who: String? = nil
    ) throws(WriteFailure) -> CommitOutcome {
        guard let contents = store.contents(of: entry) else { throw Self.unknownPolicies }
        var request = CommitRequest(
            root: entry.root, policySet: policySet, contents: contents, operation: operation,
            message: message)
        request.enabled = enabled
        request.who = who
        return try commit(request, nowEpochSeconds: now)
    }

    private func standby(
        _ text: String, _ policySet: PolicySet
    ) throws(WriteFailure) -> PolicyID {
        let names = policySet.policyIDs.filter { policySet[$0].activation.standby }
            .map { policySet.qualifiedName($0) }
        guard let id = policySet.policy(named: text) else {
            let near = nearestName(to: text, among: names)
            throw .refused(
                StagingError(
                    "no policy \(quoted(text)) is in force",
                    help: near.map { "did you mean \(quoted($0))?" }
                        ?? "standby policies: "
                        + (names.isEmpty ? "none" : names.joined(separator: ", "))))
        }
        guard policySet[id].activation.standby else {
            throw .refused(
                StagingError(
                    "\(quoted(text)) is not `standby`",
                    help: "only a standby policy is enabled and disabled"))
        }
        return id
    }

    private static var unknownPolicies: WriteFailure {
        .refused(
            StagingError(
                "nobody knows the policies in force",
                help: "put them in force once with `weir apply`"))
    }

    /// The entry and the policies that the kernel's revision names.
    func policiesInForce() throws(WriteFailure) -> (RecordedRevision, PolicySet) {
        let revision: Revision?
        do throws(CommitFailure) { revision = try kernel.revision() } catch { throw .commit(error) }
        guard let revision else {
            throw .refused(
                StagingError(
                    "no policy is in force: there is no table `weir`",
                    help: "put policies in force with `weir apply`"))
        }
        guard let entry = store.latest(contentHash: revision.contentHash),
            let policySet = store.policySet(of: entry)
        else { throw Self.unknownPolicies }
        return (entry, policySet)
    }
}
