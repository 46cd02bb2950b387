// SPDX-License-Identifier: GPL-3.0-or-later
//
// The codes that are about decisions, by trying every kind of flow in every state.

import WeirAnalysis
import WeirDiagnostics
import WeirModel

extension Oracle {
    /// Every key of the policy set.
    func keys(channels: [ProtectedChannel]) -> Set<Key> {
        var keys = names().union(emptiness())
        if keys.contains(where: { $0.code == .overrideCycle }) { return keys }
        keys.formUnion(decisions())
        keys.formUnion(uselessness())
        keys.formUnion(promises(channels))
        keys.formUnion(masked())
        keys.formUnion(overReserved())
        keys.formUnion(starved())
        keys.formUnion(denied())
        keys.formUnion(shared())
        keys.formUnion(overcommitted())
        return keys
    }

    private func names() -> Set<Key> {
        var keys: Set<Key> = []
        let count = policySet.policies.count
        var reaches = (0..<count).map { index in
            (0..<count).map { target in
                policySet.policies[index].overriding.contains { $0.policy.index == target }
            }
        }
        for middle in 0..<count {
            for a in 0..<count where reaches[a][middle] {
                for b in 0..<count where reaches[middle][b] { reaches[a][b] = true }
            }
        }
        for index in 0..<count where reaches[index][index] {
            let loop = (0..<count).filter { reaches[index][$0] && reaches[$0][index] }
            keys.insert(key(.overrideCycle, loop))
        }
        for index in 0..<count where isLive(index) {
            for override in policySet.policies[index].overriding {
                let target = override.policy.index
                guard target != index, isLive(target) else { continue }
                let both = UInt32(1) << UInt32(index) | 1 << UInt32(target)
                let meet =
                    both & deciders == both
                    && kinds.contains { $0.policies & both == both }
                    && moments.contains { $0.inForce & both == both }
                if !meet { keys.insert(key(.overrideUnused, [index, target])) }
            }
        }
        return keys
    }

    /// Whether a policy can be in force and matches something.
    func isLive(_ index: Int) -> Bool {
        moments.contains { has($0.inForce, index) } && kinds.contains { has($0.policies, index) }
    }

    func key(
        _ code: FindingCode, _ about: [Int], reason: String = "", possible: Bool = false,
        warning: Bool = false
    ) -> Key {
        Key(
            code: code, about: about, reason: reason,
            severity: warning ? "warning" : code.severity.rawValue,
            certainty: possible ? "possible" : "provable")
    }

    private func emptiness() -> Set<Key> {
        var keys: Set<Key> = []
        for (index, policy) in policySet.policies.enumerated() {
            for (number, interaction) in policy.interactions.enumerated()
            where !cases.contains(where: { policySet.matches(interaction, $0.flow) }) {
                keys.insert(key(.emptySet, [index, 0, number]))
            }
            let isOver = !moments.contains { has($0.inForce, index) }
            if isOver, !policy.activation.staged { keys.insert(key(.expiredPolicy, [index])) }
            let couldBe = !isOver || policy.activation.staged && stagedCouldBe(policy)
            for (cap, item) in policy.caps.enumerated() where couldBe {
                for number in item.reservations.indices
                where cases.contains(where: { has($0.policies, index) })
                    && reserved(index, cap, number).isEmpty
                {
                    keys.insert(key(.emptySet, [index, 3, cap, number]))
                }
            }
        }
        for (index, assertion) in policySet.assertions.enumerated() {
            for (number, interaction) in assertion.interactions.enumerated()
            where !cases.contains(where: { policySet.matches(interaction, $0.flow) }) {
                keys.insert(key(.emptySet, [-1, index, number]))
            }
        }
        return keys
    }

    /// Whether a staged policy could be in force at some time, were it not staged.
    private func stagedCouldBe(_ policy: Policy) -> Bool {
        var other = policy
        other.activation.staged = false
        var all = policySet
        all.policies = [other]
        all.policies[0].overriding = []
        all.assertions = []
        return Oracle(all, now: now).moments.contains { $0.inForce != 0 }
    }

    /// The flows of a reservation, as indices of cases.
    func reserved(_ policy: Int, _ cap: Int, _ number: Int) -> [Int] {
        let beneficiary = policySet.policies[policy].caps[cap].reservations[number].beneficiary
        return cases.indices.filter {
            has(cases[$0].policies, policy)
                && policySet.landscape.contains(beneficiary, cases[$0].flow.source)
        }
    }

    private func decisions() -> Set<Key> {
        var keys: Set<Key> = []
        for kind in kinds {
            for moment in moments {
                let here = decided(kind.policies & moment.inForce)
                for a in members(here.standing) {
                    for b in members(here.standing) where a < b {
                        if let key = conflict(a, b, here) { keys.insert(key) }
                    }
                }
            }
        }
        let narrowed = keys.filter { $0.code == .narrowed }
        return keys.subtracting(narrowed).union(
            Dictionary(grouping: narrowed) { $0.about[0] }.map { upper, pairs in
                key(
                    .narrowed, [upper] + pairs.map { $0.about[1] }.sorted(),
                    possible: pairs.allSatisfy { $0.certainty == "possible" })
            })
    }

    private func conflict(_ a: Int, _ b: Int, _ here: Decided) -> Key? {
        let (upper, lower) = (policySet.policies[a], policySet.policies[b])
        guard let left = upper.decision?.action, let right = lower.decision?.action else {
            return nil
        }
        let possible = has(standby, a) || has(standby, b)
        if upper.layer == lower.layer {
            return left == right ? nil : key(.ambiguousDecision, [a, b], possible: possible)
        }
        guard has(here.effective, a), (left == .allow) != (right == .allow) else { return nil }
        if left != .allow { return key(.narrowed, [a, b], possible: possible) }
        let declared = upper.overriding.contains { $0.policy.index == b }
        return declared ? nil : key(.undeclaredOverride, [a, b], possible: possible)
    }

    private func uselessness() -> Set<Key> {
        var keys: Set<Key> = []
        for (index, policy) in policySet.policies.enumerated() where isLive(index) {
            var (decides, differs, admits) = (false, false, false)
            for kind in kinds where has(kind.policies, index) {
                for moment in moments where has(moment.inForce, index) {
                    let matching = kind.policies & moment.inForce
                    let here = decided(matching)
                    if has(here.effective, index) { decides = true }
                    if here.mayAdmit { admits = true }
                    if decided(matching & ~(1 << UInt32(index))).action != here.action {
                        differs = true
                    }
                }
            }
            let hasConstraints = !policy.caps.isEmpty || !policy.limits.isEmpty
            if hasConstraints, !admits { keys.insert(key(.deadConstraint, [index])) }
            guard policy.decision != nil else { continue }
            if !decides {
                keys.insert(key(.shadowedPolicy, [index]))
            } else if !hasConstraints, policy.effects.isEmpty, !differs, !isNamed(index) {
                keys.insert(key(.redundantPolicy, [index]))
            }
        }
        return keys
    }

    /// Whether an `overriding` or a trigger names a policy.
    private func isNamed(_ index: Int) -> Bool {
        policySet.policies.contains { $0.overriding.contains { $0.policy.index == index } }
            || policySet.triggers.contains {
                $0.policy.index == index || $0.enables.index == index
            }
    }

    private func promises(_ channels: [ProtectedChannel]) -> Set<Key> {
        var keys: Set<Key> = []
        for (index, assertion) in policySet.assertions.enumerated() {
            let own = kinds.filter { $0.assertions >> UInt32(index) & 1 == 1 }
            func fails(_ moment: Moment) -> Bool {
                own.contains { kind in
                    let here = decided(kind.policies & moment.inForce)
                    return assertion.modality == .never ? here.mayAdmit : here.mayDeny
                }
            }
            let failing = moments.filter(fails)
            if !failing.isEmpty {
                keys.insert(
                    key(
                        .assertionFailed, [index], reason: "decision",
                        possible: !failing.contains { $0.enabled == 0 }))
            }
            if assertion.modality == .always, let wanted = assertion.connections {
                let flows = cases.indices.filter {
                    cases[$0].assertions >> UInt32(index) & 1 == 1
                }
                keys.formUnion(tooFew(index, wanted, flows))
            }
        }
        for (index, channel) in channels.enumerated() {
            let failing = moments.filter { moment in
                let matching = policySet.policyIDs.reduce(UInt32(0)) {
                    has(moment.inForce, $1.index) && policySet.matches($1, channel.flow)
                        ? $0 | 1 << UInt32($1.index) : $0
                }
                return decided(matching).mayDeny
            }
            guard !failing.isEmpty else { continue }
            keys.insert(
                key(.lockout, [index], possible: !failing.contains { $0.enabled == 0 }))
        }
        return keys
    }

    private func tooFew(_ assertion: Int, _ wanted: UInt64, _ flows: [Int]) -> Set<Key> {
        guard !flows.isEmpty else { return [] }
        let tight = moments.filter { moment in
            leastCover(flows, caps(moment.inForce)) < wanted
        }
        guard !tight.isEmpty else { return [] }
        return [
            key(
                .assertionFailed, [assertion], reason: "connections",
                possible: !tight.contains { $0.enabled == 0 })
        ]
    }
}
