// SPDX-License-Identifier: GPL-3.0-or-later
//
// Two policies that speak about the same flows: within a layer they must agree or override, across
// layers an allow over a denial must be declared, and a denial over an allow is worth knowing.

import WeirDiagnostics
import WeirModel

extension Analyzer {
    /// What two deciding policies are to each other if a flow is left to them, `upper` being in
    /// the higher layer or, within one layer, before the other.
    private func conflict(_ upper: Int, _ lower: Int) -> PairFact.Conflict? {
        let (a, b) = (policies[upper], policies[lower])
        guard a.decides, b.decides, let left = a.action, let right = b.action, left != right else {
            return nil
        }
        if a.layer == b.layer {
            let declared = names(upper, lower) || names(lower, upper)
            return declared ? nil : .ambiguous
        }
        // Below a layer with a default nothing is reached.
        guard a.layer <= defaultingLayer ?? a.layer else { return nil }
        if left == .allow { return names(upper, lower) ? nil : .undeclared }
        return right == .allow ? .narrowed : nil
    }

    /// Whether a policy says that it overrides another.
    private func names(_ slot: Int, _ other: Int) -> Bool {
        policies.namers[other].contains(slot)
    }

    /// Examines a policy, whose neighbours are `near`, with some of these.
    mutating func addPairs(_ slot: Int, _ near: [Int], with others: [Int]) {
        guard policies[slot].decides else { return }
        let layer = policies[slot].layer
        // Who stands between a pair meets what it has in common, and so meets the policy.
        let above = near.filter { policies[$0].decides && policies[$0].layer < layer }
        for other in others {
            let isUpper = policies.comesBefore(slot, other)
            let (upper, lower) = isUpper ? (slot, other) : (other, slot)
            guard let conflict = conflict(upper, lower) else { continue }
            let blockers =
                isUpper ? above : above.filter { policies[$0].layer < policies[upper].layer }
            pairs.add(fact(conflict, upper, lower, blockers))
        }
    }

    /// Looks at a pair again. Blockers are searched among the neighbours of the narrower.
    mutating func refreshPair(_ index: Int) {
        guard let old = pairs.facts[index] else { return }
        let near = overlapping(old.upper)
        let above = near.filter {
            policies[$0].decides && policies[$0].layer < policies[old.upper].layer
        }
        pairs.replace(index, fact(old.conflict, old.upper, old.lower, above))
    }

    /// - Parameter above: deciding policies of higher layers that meet the upper one, in the
    ///   order of policies; more do no harm.
    private func fact(
        _ conflict: PairFact.Conflict, _ upper: Int, _ lower: Int, _ above: [Int]
    ) -> PairFact {
        var blockers = conflict == .ambiguous ? [] : above
        blockers += policies.overriders[upper] + policies.overriders[lower]
        blockers = blockers.filter {
            $0 != upper && $0 != lower && policies[$0].isSteadyDecider
        }
        if let first = firstCommon(upper, lower), !blockers.contains(where: { contains($0, first) })
        {
            return PairFact(
                upper: upper, lower: lower, conflict: conflict, result: .uncovered(first),
                isFirst: true)
        }
        let result = uncovered(common(upper, lower), by: blockers, .free(assuming: nil))
        return PairFact(
            upper: upper, lower: lower, conflict: conflict, result: result, isFirst: false)
    }

    private func firstCommon(_ a: Int, _ b: Int) -> Point? {
        for left in policies.bricks[a] {
            for right in policies.bricks[b] {
                if let point = space.firstCommon(left, right) { return point }
            }
        }
        return nil
    }

    /// `ambiguous-decision`, `undeclared-override` and `narrowed`.
    func pairFindings() -> [Finding] {
        var narrowed: [Int: [PairFact]] = [:]
        var found: [Finding] = []
        for case let pair? in pairs.facts {
            if case .covered = pair.result { continue }
            if pair.conflict == .narrowed {
                narrowed[pair.upper, default: []].append(pair)
            } else {
                found.append(finding(pair))
            }
        }
        return found + narrowed.values.map(narrowing)
    }

    /// All that one policy narrows: the pairs of one upper policy.
    private func narrowing(_ all: [PairFact]) -> Finding {
        let pairs = all.sorted { policies.comesBefore($0.lower, $1.lower) }
        let order: [Finding.Certainty] = [.provable, .possible, .undecided]
        let certainties = pairs.map { certainty($0.result, enabling: [$0.upper, $0.lower]) }
        let best = order.first(where: certainties.contains) ?? .undecided
        let sure = zip(pairs, certainties).filter { $1 != .undecided || best == .undecided }
        let told = zip(pairs, certainties).first { $1 == best }?.0 ?? pairs[0]
        return Finding(
            code: .narrowed, certainty: best,
            policies: [.init(handle(told.upper), .denies)]
                + sure.map { .init(handle($0.0.lower), .allows) },
            witness: witness(told.result, enabling: [told.upper, told.lower]))
    }

    private func finding(_ pair: PairFact) -> Finding {
        let (upper, lower) = (handle(pair.upper), handle(pair.lower))
        let roles = [pair.upper, pair.lower].map { slot -> Finding.Role in
            policies[slot].action == .allow ? .allows : .denies
        }
        let code: FindingCode =
            pair.conflict == .ambiguous ? .ambiguousDecision : .undeclaredOverride
        var fix: Finding.FixIntent?
        if pair.conflict == .ambiguous {
            if isNarrower(pair.upper, pair.lower) {
                fix = .addOverriding(policy: upper, overridden: lower)
            } else if isNarrower(pair.lower, pair.upper) {
                fix = .addOverriding(policy: lower, overridden: upper)
            }
        } else {
            fix = .addOverriding(policy: upper, overridden: lower)
        }
        let slots = [pair.upper, pair.lower]
        let certainty = certainty(pair.result, enabling: slots)
        return Finding(
            code: code,
            severity: certainty == .undecided ? min(code.severity, .warning) : code.severity,
            certainty: certainty,
            policies: [.init(upper, roles[0]), .init(lower, roles[1])],
            witness: witness(pair.result, enabling: slots), fix: fix)
    }

    /// Whether a policy matches part of what another matches and not the other way round.
    private func isNarrower(_ a: Int, _ b: Int) -> Bool {
        isCovered(region(a), by: b) && !isCovered(region(b), by: a)
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
