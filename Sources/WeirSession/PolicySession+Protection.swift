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
