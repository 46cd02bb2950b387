// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the language can say and this compiler cannot yet enforce. Refused by name and line, so
// that nothing is accepted and then ignored.

import WeirDiagnostics
import WeirModel

extension PolicySet {
    /// An error for each construct that has no lowering.
    func unsupportedConstructs() -> [Diagnostic] {
        var found: [Diagnostic] = []
        func refuse(_ what: String, _ id: PolicyID, _ range: SourceRange?, _ help: String) {
            found.append(
                Diagnostic(
                    .error, "not-enforceable",
                    "\(what) in policy `\(qualifiedName(id))` cannot be enforced by this version",
                    at: range ?? self[id].origin, help: help))
        }
        for id in policyIDs {
            let policy = self[id]
            for limit in policy.limits where limit.unit != .connections {
                refuse(
                    "a limit on \(limit.unit.rawValue)", id, limit.origin,
                    "limit connections instead, or take the clause out")
            }
            for limit in policy.limits where limit.excess == .markECN {
                refuse("`then mark-ecn`", id, limit.origin, "say `then reject` or `then drop`")
            }
            for cap in policy.caps where cap.reservations.count > maximumReservations {
                refuse(
                    "a cap with more than \(maximumReservations) reservations", id, cap.origin,
                    "split it, or join beneficiaries into one group")
            }
            for cap in policy.caps where cap.scope != .total && !cap.reservations.isEmpty {
                refuse(
                    "`reserve` in a cap per \(cap.scope.rawValue)", id, cap.origin,
                    "reserve within a cap in total")
            }
            for effect in policy.effects {
                refuse(
                    "`\(effect.kind.keyword)`", id, effect.origin, "take the clause out")
            }
            let activation = policy.activation
            if !activation.during.isEmpty {
                refuse("`during`", id, nil, "use `until`, or `standby` and `weir enable`")
            }
            if activation.staged { refuse("`staged`", id, nil, "use `standby`") }
        }
        for trigger in triggers {
            found.append(
                Diagnostic(
                    .error, "not-enforceable",
                    "a trigger cannot be enforced by this version", at: trigger.origin,
                    help: "take the `when` out and use `weir enable`"))
        }
        return found
    }
}

extension Effect.Kind {
    var keyword: String {
        switch self {
        case .observe: "observe"
        case .log: "log"
        case .priority: "priority"
        case .mirror: "mirror"
        }
    }
}
