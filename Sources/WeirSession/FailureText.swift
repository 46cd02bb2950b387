// SPDX-License-Identifier: GPL-3.0-or-later
//
// Failures, the log and the comparison of kernel, files and HEAD in words; the prompt and the
// command say the same.

import Glibc
import WeirDiagnostics
import WeirKernel
import WeirRuleset

extension WriteFailure {
    /// What happened, and what to do: lower case, no final period.
    public var words: (message: String, help: String?) {
        switch self {
        case .commit(.uncompilable(let diagnostics)):
            let first = diagnostics.first { $0.severity == .error } ?? diagnostics.first
            return (first?.message ?? "the policy set cannot be compiled", first?.help)
        case .commit(.overtaken):
            return (
                "somebody else changed the table `weir` meanwhile; nothing was applied",
                "look at the plan again, then commit again"
            )
        case .commit(.kernel(let error)): return (error.message, nil)
        case .file(let failure):
            return (
                failure.message,
                "check the disk and its permissions; `weir status` says what is in force"
            )
        case .lock(.held(let process)):
            let who = process.map { " (process \($0))" } ?? ""
            return (
                "another weir is writing in this network namespace\(who); nothing was applied",
                "wait for it, then do this again"
            )
        case .lock(.unavailable(let path, let code)):
            return (
                "cannot lock `\(path)`: \(code == EACCES ? "needs root" : "error \(code)")",
                "run as root, or set WEIR_STATE to a directory that you can write"
            )
        case .filesChanged(let paths):
            return (
                "changed by somebody else since it was read: "
                    + paths.map { "`\($0)`" }.joined(separator: ", ") + "; nothing was applied",
                "keep the change (commit it) or take it away, then do this again"
            )
        case .refused(let problem): return (problem.message, problem.help)
        case .crashed(let step): return ("stopped after \(step.rawValue)", nil)
        }
    }
}

/// The log, the newest first.
public func historyText(_ entries: [RecordedRevision]) -> String {
    entries.map { entry in
        let restores = entry.restores.map { " (back to \($0))" } ?? ""
        let changes = entry.changeSummary
        return "\(entry.number)  \(timestampText(entry.epochSeconds))  \(entry.who)  "
            + "\(entry.operation.rawValue)\(restores)  \(entry.message)  "
            + (entry.contentHash.isEmpty
                ? "nothing in force" : String(entry.contentHash.prefix(12)))
            + (changes.isEmpty ? "" : "\n     \(changes)")
    }.joined(separator: "\n")
}

extension PolicyStatus {
    /// Side by side, a line each; then what differs.
    public func text(atEpochSeconds now: Int64) -> String {
        var lines = [kernelLine, "files:   " + filesLine, "HEAD:    " + headLine]
        if isInAgreement, git != .none { lines.append("all three agree") }
        lines += changedFiles.map { "differs from what is in force: \($0)" }
        lines += uncommitted.map { "not in git: \($0)" }
        if !handChanges.isEmpty {
            lines.append(
                "changed in the kernel, but not by this log (`weir apply` puts it right, "
                    + "`weir adopt` takes over what policies can say):")
            lines += handChanges.prefix(40).map { "  " + $0 }
            if handChanges.count > 40 { lines.append("  … and \(handChanges.count - 40) more") }
        }
        for item in enabled {
            let end = item.untilEpochSeconds.map { ", \($0 - now) s left" } ?? ""
            lines.append("enabled: \(item.policy) by \(item.who)\(end)")
        }
        if let pending {
            lines.append(
                "unconfirmed: \(pending.message), "
                    + "\(max(0, pending.deadlineEpochSeconds - now)) s left")
        }
        if shadows > 0 {
            lines.append(
                "settling: caps that changed count \(shadows) earlier "
                    + "connection\(shadows == 1 ? "" : "s") until they end"
                    + (isSettlingResumed ? "; resumed, since nobody did it" : ""))
        }
        return lines.joined(separator: "\n")
    }

    private var kernelLine: String {
        if let kernelProblem {
            return "kernel:  " + WriteFailure.commit(kernelProblem).words.message
        }
        guard let inForce else { return "kernel:  no table `weir`" }
        let hash = inForce.contentHash.prefix(12)
        if let pending, pending.contentHash == inForce.contentHash {
            return "kernel:  \(hash), unconfirmed: \(pending.message)"
        }
        guard let entry else { return "kernel:  \(hash), of which this log knows nothing" }
        return "kernel:  \(hash), revision \(entry.number) by \(entry.who), \(entry.message)"
    }

    private var filesLine: String {
        let same = inForce?.contentHash == filesHash
        return "\(filesHash.prefix(12))" + (same ? ", as in the kernel" : ", not as in the kernel")
    }

    private var headLine: String {
        switch git {
        case .none: return "no git repository"
        case .unusable(let why): return "git does not work here: \(why)"
        case .repository:
            guard let head else { return "no commit yet" }
            return "\(head.prefix(12)) \(headSubject ?? "")"
                + (uncommitted.isEmpty ? ", as the files" : ", not as the files")
        }
    }
}
