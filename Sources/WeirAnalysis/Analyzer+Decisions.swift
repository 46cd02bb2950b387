// SPDX-License-Identifier: GPL-3.0-or-later
//
// Two policies that speak about the same flows: within a layer they must agree or override, across
// layers an allow over a denial must be declared, and a denial over an allow is worth knowing.

import WeirDiagnostics
import WeirModel

extension Analyzer {
    /// What a pair of deciding policies is to each other, if they can meet.
    enum Conflict {
        case ambiguous, undeclared, narrowed
    }

    /// The finding that two deciding policies give if a flow is left to them, `upper` being in
    /// the higher layer or, within one layer, before the other.
    func conflict(_ upper: Int, _ lower: Int) -> Conflict? {
        let (a, b) = (policies[upper], policies[lower])
        guard let left = a.action, let right = b.action, left != right else { return nil }
        if a.layer == b.layer {
            let declared = a.overriding.contains(lower) || b.overriding.contains(upper)
            return declared ? nil : .ambiguous
        }
        if left == .allow { return a.overriding.contains(lower) ? nil : .undeclared }
        return right == .allow ? .narrowed : nil
    }

    /// The `default` that hides a layer: the topmost layer above it that has one.
    func defaultLayer(above layer: Int) -> Int? {
        policySet.layers[..<layer].firstIndex { $0.defaultAction != nil }
    }

    /// `ambiguous-decision`, `undeclared-override` and `narrowed` with a policy and those among
    /// `near` that come after it.
    func decisionFindings(_ slot: Int, _ near: [Int]) -> [Finding] {
        guard policies[slot].decides else { return [] }
        return near.filter { policies[slot].id < policies[$0].id }.compactMap { other in
            guard let conflict = conflict(slot, other) else { return nil }
            let result = solve(conflict, slot, other, near)
            if case .covered = result { return nil }
            return finding(conflict, slot, other, result)
        }
    }

    /// Where two policies meet and nothing steadily in force stands between them.
    private func solve(_ conflict: Conflict, _ a: Int, _ b: Int, _ near: [Int]) -> CoverResult {
        var blockers = policies.overriders[a] + policies.overriders[b]
        if conflict != .ambiguous {
            if defaultLayer(above: policies[a].layer) != nil { return .covered(by: []) }
            blockers += near.filter { policies[$0].layer < policies[a].layer }
        }
        let others = blockers.filter { $0 != a && $0 != b }
        return uncovered(common(a, b), by: others, .free(assuming: nil))
    }

    private func finding(
        _ conflict: Conflict, _ a: Int, _ b: Int, _ result: CoverResult
    ) -> Finding {
        let (upper, lower) = (policies[a], policies[b])
        let roles: (Finding.Role, Finding.Role) =
            (upper.action == .allow ? .allows : .denies, lower.action == .allow ? .allows : .denies)
        let code: FindingCode
        var fix: Finding.FixIntent?
        switch conflict {
        case .ambiguous:
            code = .ambiguousDecision
            if isNarrower(a, b) {
                fix = .addOverriding(policy: upper.id, overridden: lower.id)
            } else if isNarrower(b, a) {
                fix = .addOverriding(policy: lower.id, overridden: upper.id)
            }
        case .undeclared:
            code = .undeclaredOverride
            fix = .addOverriding(policy: upper.id, overridden: lower.id)
        case .narrowed: code = .narrowed
        }
        return Finding(
            code: code, certainty: certainty(result, enabling: [a, b]),
            policies: [.init(upper.id, roles.0), .init(lower.id, roles.1)],
            witness: witness(result, enabling: [a, b]), fix: fix)
    }

    /// Whether a policy matches part of what another matches and not the other way round.
    private func isNarrower(_ a: Int, _ b: Int) -> Bool {
        covers(b, a) && !covers(a, b)
    }

    /// Whether a policy matches, whenever both are in force, all that another matches.
    func covers(_ a: Int, _ b: Int) -> Bool {
        isCovered(region(b), by: a)
    }

    /// Provable, unless enabling is needed or the search was cut off.
    func certainty(_ result: CoverResult, enabling slots: [Int]) -> Finding.Certainty {
        if case .undecided = result { return .undecided }
        return slots.contains { policies[$0].standby } ? .possible : .provable
    }

    func witness(_ result: CoverResult, enabling slots: [Int]) -> Finding.Witness? {
        guard let point = result.witness else { return nil }
        return Finding.Witness(
            flow: space.flow(point), state: state(at: point, enabling: slots),
            timeDependent: point.instant != 0 || slots.contains { policies[$0].time != 0 })
    }
}
