// SPDX-License-Identifier: GPL-3.0-or-later
//
// What stands in the way of a commit: errors, and the operator's own connection being cut, which
// the operator may accept.

import WeirAnalysis
import WeirDiagnostics
import WeirModel
import WeirResolve
import WeirRuleset

extension PolicySession {
    /// Whether the table in force polices this host rather than what it forwards.
    public var isOnHost: Bool { ((try? kernel?.status()) ?? nil)?.table.isOnHost ?? false }

    /// The staged policies, if they may be put in force.
    func sound() throws(SessionFailure) -> PolicySet {
        let checked = self.checked
        let isLockedOut = checked.findings.contains {
            $0.code == .lockout && $0.severity == .error && !acceptsLockout
        }
        let hasErrors =
            checked.loaded.diagnostics.hasErrors
            || checked.findings.contains { $0.severity == .error && $0.code != .lockout }
        guard let policySet = checked.policySet, !hasErrors, !isLockedOut else {
            throw .unsound(checked.diagnostics, checked.sources)
        }
        return policySet
    }
}

extension PolicyWriter {
    /// Refuses a commit after which the policies deny a protected connection. The checker has said
    /// the same of edits; this holds for going back and for switching, too.
    func refuseLockout(
        _ request: CommitRequest, _ prepared: PreparedCommit, nowEpochSeconds now: Int64
    ) throws(WriteFailure) {
        let protected = channels(prepared.plan.program.ruleset.chains["input"] != nil)
        guard !protected.isEmpty else { return }
        let policySet = request.policySet.enabling(prepared.enabled)
        // When it ends, a measure that lets the operator in cuts as one does that begins.
        let ends = policySet.policies.compactMap(\.activation.until).filter { $0 > now }
        for moment in [now] + Set(ends).sorted() {
            try refuseLockout(policySet, protected, moment, isNow: moment == now)
        }
    }

    private func refuseLockout(
        _ policySet: PolicySet, _ protected: [ProtectedChannel], _ moment: Int64, isNow: Bool
    ) throws(WriteFailure) {
        for channel in protected {
            let verdict = policySet.decide(channel.flow, in: PolicyState(epochSeconds: moment))
            guard let action = verdict.action, action != .allow else { continue }
            let who = verdict.decidingLayer.map { index in
                guard case .decided(_, let policies) = verdict.layers[index] else {
                    return "the default of layer `\(policySet.layers[index].name)`"
                }
                return policies.map { "`\(policySet.qualifiedName($0))`" }
                    .joined(separator: ", ")
            }
            throw .refused(
                StagingError(
                    "this would cut your own connection \(channel.flow): \(action.rawValue) by "
                        + (who ?? "nobody")
                        + (isNow ? "" : ", from \(timestampText(moment))"),
                    help: "`--operator none` goes on all the same"))
        }
    }
}
