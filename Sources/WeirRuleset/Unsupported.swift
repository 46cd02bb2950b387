// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the language can say and this compiler cannot yet enforce. Refused by name and line, so
// that nothing is accepted and then ignored.

import WeirDiagnostics
import WeirModel

extension Policy {
    fileprivate var mayBeUnsupported: Bool {
        !limits.isEmpty || !caps.isEmpty || !effects.isEmpty
    }
}

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
        for index in policies.indices where policies[index].mayBeUnsupported {
            let (id, policy) = (PolicyID(index: index), policies[index])
            for limit in policy.limits where limit.unit == .connections && limit.excess == .markECN
            {
                refuse(
                    "`then mark-ecn` on connections", id, limit.origin,
                    "only packets carry congestion marks: limit packets or bytes, or say `reject`")
            }
            for limit in policy.limits where !limit.kernelRate.isInKernelRange {
                refuse(
                    "a limit of \(limit.rate.amount) \(limit.unit.rawValue)", id, limit.origin,
                    "the kernel counts up to 10⁹ packets or 18 GB a second")
            }
            for cap in policy.caps where cap.reservations.count > maximumReservations {
                refuse(
                    "a cap with more than \(maximumReservations) reservations", id, cap.origin,
                    "split it, or join beneficiaries into one group")
            }
            for effect in policy.effects {
                guard case .mirror = effect.kind else { continue }
                refuse(
                    "`mirror`", id, effect.origin,
                    "take the clause out: a copy of a packet cannot be sent from the inet family")
            }
        }
        return found
    }
}
