// SPDX-License-Identifier: GPL-3.0-or-later
//
// The checker's findings brought to the oracle's form, and their witnesses replayed through
// `decide`, which neither of the two had a hand in.

import WeirAnalysis
import WeirDiagnostics
import WeirModel

extension Key {
    /// nil for an undecided finding.
    init?(_ finding: Finding) {
        guard finding.certainty != .undecided else { return nil }
        var about = finding.policies.first.map { [$0.policy.index] } ?? []
        var reason = ""
        switch (finding.code, finding.subject) {
        case (.ambiguousDecision, _), (.undeclaredOverride, _), (.narrowed, _),
            (.overrideUnused, _), (.overrideCycle, _):
            about = finding.policies.map(\.policy.index)
        case (.maskedLimit, _): about = Self.about(finding.policies[0])
        case (.brokenReservation, _):
            reason = Self.reason(finding)
            about = [finding.policies[0].policy.index]
            switch finding.policies[0].part {
            case .cap(let cap): about.append(cap)
            case .reservation(let cap, let number): about += [cap, number]
            default: break
            }
        case (.emptySet, .assertion(let index, let interaction)):
            about = [-1, index, interaction ?? -1]
        case (.emptySet, _): about = Self.about(finding.policies[0])
        case (.overcommittedCapacity, .service(let index)):
            about = [index]
            reason = finding.witness?.arithmetic?.bound.perSeconds == nil ? "connections" : "rate"
        case (.assertionFailed, .assertion(let index, _)):
            about = [index]
            reason = finding.witness?.arithmetic == nil ? "decision" : "connections"
        case (.lockout, .channel(let index)): about = [index]
        default: break
        }
        self.init(
            code: finding.code, about: about, reason: reason,
            severity: finding.severity.rawValue, certainty: finding.certainty.rawValue)
    }

    private static func about(_ involved: Finding.Involved) -> [Int] {
        let policy = involved.policy.index
        return switch involved.part {
        case .interaction(let index): [policy, 0, index]
        case .cap(let index): [policy, 1, index]
        case .limit(let index): [policy, 2, index]
        case .reservation(let cap, let number): [policy, 3, cap, number]
        case nil: [policy]
        }
    }

    private static func reason(_ finding: Finding) -> String {
        let reserves = finding.policies.filter { $0.role == .reserves }
        guard reserves.isEmpty else {
            let isOwn = reserves.allSatisfy { involved in
                guard case .reservation(let cap, _)? = involved.part else { return false }
                return involved.policy == finding.policies[0].policy
                    && finding.policies[0].part == .cap(cap)
            }
            return isOwn ? "over" : "shared"
        }
        return finding.policies.contains { $0.role == .tighter } ? "starved" : "denied"
    }
}

extension PolicySet {
    /// Whether `decide` shows at the witness what the finding claims.
    func replays(_ finding: Finding) -> Bool {
        guard let witness = finding.witness, let flow = witness.flow else {
            return [.overrideCycle, .overrideUnused, .emptySet, .expiredPolicy].contains(
                finding.code)
        }
        let verdict = decide(flow, in: witness.state)
        let ids = finding.policies.map(\.policy)
        func stands(_ id: PolicyID) -> Bool {
            switch verdict.layers[self[id].layer] {
            case .decided(_, let by), .ambiguous(let by): by.contains(id)
            case .pass, .byDefault: false
            }
        }
        func isPresent(_ id: PolicyID) -> Bool {
            isInForce(id, in: witness.state) && matches(id, flow)
        }
        switch finding.code {
        case .ambiguousDecision:
            return stands(ids[0]) && stands(ids[1]) && self[ids[0]].layer == self[ids[1]].layer
                && self[ids[0]].decision?.action != self[ids[1]].decision?.action
        case .undeclaredOverride, .narrowed:
            let allows = finding.code == .undeclaredOverride
            let lower = ids.dropFirst().filter(stands)
            return stands(ids[0]) && !lower.isEmpty
                && verdict.decidingLayer == self[ids[0]].layer
                && (self[ids[0]].decision?.action == .allow) == allows
                && lower.contains { (self[$0].decision?.action == .allow) != allows }
        case .shadowedPolicy:
            return isPresent(ids[0])
                && !(stands(ids[0]) && verdict.decidingLayer == self[ids[0]].layer)
        case .redundantPolicy: return isPresent(ids[0])
        case .deadConstraint: return isPresent(ids[0]) && verdict.action != .allow
        case .maskedLimit: return isPresent(ids[0]) && isPresent(ids[1])
        case .brokenReservation:
            if Key(finding)?.reason == "denied", verdict.action == .allow { return false }
            return isPresent(ids[0])
        case .overcommittedCapacity:
            return verdict.action != .reject && verdict.action != .drop
                && ids.contains(where: isPresent)
        case .assertionFailed, .lockout:
            return replaysOutcome(finding, flow, verdict)
        case .overrideCycle, .overrideUnused, .emptySet, .expiredPolicy: return false
        }
    }

    private func replaysOutcome(_ finding: Finding, _ flow: Flow, _ verdict: Verdict) -> Bool {
        var wanted = Set<Action>([.reject, .drop])
        if case .assertion(let index, _) = finding.subject {
            guard assertions[index].interactions.contains(where: { matches($0, flow) }) else {
                return false
            }
            if finding.witness?.arithmetic != nil { return true }
            if assertions[index].modality == .never { wanted = [.allow] }
        }
        guard let layer = verdict.decidingLayer else { return wanted.contains(.allow) }
        return switch verdict.layers[layer] {
        case .decided(let action, _), .byDefault(let action): wanted.contains(action)
        case .ambiguous(let by):
            by.contains { self[$0].decision.map { wanted.contains($0.action) } ?? false }
        case .pass: false
        }
    }
}
