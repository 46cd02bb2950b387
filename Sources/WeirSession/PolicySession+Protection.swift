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
        _ request: CommitRequest, _ enabled: [EnabledPolicy], nowEpochSeconds now: Int64
    ) throws(WriteFailure) {
        guard !channels.isEmpty else { return }
        let policySet = request.policySet.enabling(enabled)
        for channel in channels {
            let verdict = policySet.decide(channel.flow, in: PolicyState(epochSeconds: now))
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
                        + (who ?? "nobody"),
                    help: "`--operator none` goes on all the same"))
        }
    }
}
