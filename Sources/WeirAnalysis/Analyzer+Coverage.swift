// SPDX-License-Identifier: GPL-3.0-or-later
//
// Policies that are of no use: everything they decide is decided above them, what they constrain
// is denied, or nothing changes when they go. All of these must hold in every state in which the
// policy is in force; a standby measure that hides a policy for an hour does not make it useless.

import WeirModel

extension Analyzer {
    /// `shadowed-policy`, or else `redundant-policy`.
    func uselessnessFindings(_ slot: Int, _ near: [Int]) -> [Finding] {
        let entry = policies[slot]
        guard entry.decides else { return [] }
        let subject = Finding.Involved(entry.id, .subject)
        let isPure = entry.caps.isEmpty && entry.limits.isEmpty && !entry.hasEffects
        let removal: Finding.FixIntent? = isPure ? .removePolicy(entry.id) : nil
        let cells = region(slot)
        if let layer = defaultLayer(above: entry.layer) {
            return [
                Finding(
                    code: .shadowedPolicy, policies: [subject],
                    witness: witness(cells, enabling: [slot], defaultLayer: layer), fix: removal)
            ]
        }
        let above = near.filter { policies[$0].layer < entry.layer } + policies.overriders[slot]
        switch uncovered(cells, by: above, .free(assuming: nil)) {
        case .covered(let owners):
            let blockers = needed(owners, toCover: cells)
            return [
                Finding(
                    code: .shadowedPolicy,
                    policies: [subject] + blockers.map { .init(policies[$0].id, .decidesAbove) },
                    witness: witness(cells, enabling: [slot]), fix: removal)
            ]
        case .undecided:
            return [
                Finding(code: .shadowedPolicy, certainty: .undecided, policies: [subject])
            ]
        case .uncovered: break
        }
        guard isPure, !isReferredTo(slot) else { return [] }
        switch differenceWithout(slot, near) {
        case .uncovered: return []
        case .covered:
            return [
                Finding(
                    code: .redundantPolicy, policies: [subject],
                    witness: witness(cells, enabling: [slot]), fix: removal)
            ]
        case .undecided:
            return [
                Finding(code: .redundantPolicy, certainty: .undecided, policies: [subject])
            ]
        }
    }

    /// `dead-constraint`.
    func deadFindings(_ slot: Int, _ near: [Int]) -> [Finding] {
        let entry = policies[slot]
        guard entry.constrains else { return [] }
        let cells = region(slot)
        let answer = reach(.admitted, cells, among: near + [slot], .free(assuming: slot))
        guard answer.result.witness == nil else { return [] }
        let subject = constraints(slot).map { Finding.Involved(entry.id, .subject, $0.part) }
        if case .undecided = answer.result {
            return [Finding(code: .deadConstraint, certainty: .undecided, policies: subject)]
        }
        let first = cells.first?.firstPoint
        let here = first.map {
            ruling(matching($0, among: near + [slot], .free(assuming: slot)))
        }
        return [
            Finding(
                code: .deadConstraint,
                policies: subject
                    + (here?.standing ?? []).map { .init(policies[$0].id, .denies) },
                witness: witness(cells, enabling: [slot], defaultLayer: here?.defaultLayer),
                fix: constraints(slot).count == 1
                    ? .removePart(entry.id, constraints(slot)[0].part) : nil)
        ]
    }

    /// The first flow of a region, in a state with some policies enabled.
    func witness(
        _ region: [Cell], enabling slots: [Int], defaultLayer: Int? = nil
    ) -> Finding.Witness? {
        guard let point = region.first?.firstPoint else { return nil }
        return Finding.Witness(
            flow: space.flow(point), state: state(at: point, enabling: slots),
            timeDependent: slots.contains { policies[$0].time != 0 }, defaultLayer: defaultLayer)
    }

    /// Whether something else names the policy, so that it cannot simply go.
    private func isReferredTo(_ slot: Int) -> Bool {
        let id = policies[slot].id
        return policySet.policies.contains { $0.overriding.contains { $0.policy == id } }
            || policySet.triggers.contains { $0.policy == id || $0.enables == id }
    }

    /// A point at which removing a policy changes the action in some state; `covered` if there
    /// is none.
    private func differenceWithout(_ slot: Int, _ near: [Int]) -> CoverResult {
        var search = RemovalSearch(
            analyzer: self, slot: slot, budget: options.searchBudget)
        let deciders = near.filter { policies[$0].decides }
        for cell in region(slot) {
            if let point = search.run(
                cell, inside: [], partly: deciders.flatMap { policies[$0].bricks })
            {
                return .uncovered(point)
            }
        }
        return search.isUndecided ? .undecided : .covered(by: [])
    }
}

/// Looks for a flow and a state in which a policy makes a difference, by cutting its cells along
/// the other policies until each piece lies wholly inside or outside every one of them.
private struct RemovalSearch {
    private let analyzer: Analyzer
    private let slot: Int
    private let own: PolicyEntry
    private var budget: Int
    private(set) var isUndecided = false

    init(analyzer: Analyzer, slot: Int, budget: Int) {
        self.analyzer = analyzer
        self.slot = slot
        self.budget = budget
        own = analyzer.policies[slot]
    }

    mutating func run(_ cell: Cell, inside: Set<Int>, partly: [Brick]) -> Point? {
        var inside = inside
        var rest: [Brick] = []
        for brick in partly where analyzer.space.intersects(cell, brick) {
            if analyzer.space.contains(brick, cell) {
                inside.insert(brick.owner)
            } else {
                rest.append(brick)
            }
        }
        rest.removeAll { inside.contains($0.owner) }
        if isSettled(inside, rest) { return nil }
        let point = cell.firstPoint
        let matching = inside.union(
            rest.filter { analyzer.space.contains($0, point) }.map(\.owner))
        if makesDifference(matching.sorted()) { return point }
        guard let cut = rest.first else { return nil }
        budget -= 1
        guard budget > 0 else {
            isUndecided = true
            return nil
        }
        let (outside, overlap) = analyzer.space.split(cell, by: cut)
        for piece in [overlap] + outside {
            if let point = run(piece, inside: inside, partly: rest) { return point }
        }
        return nil
    }

    /// Whether nothing in the cell can depend on the policy: it is decided above, or everything
    /// down to where the decision is certain says the same as the policy does.
    private func isSettled(_ inside: Set<Int>, _ partly: [Brick]) -> Bool {
        let policies = analyzer.policies
        if inside.contains(where: {
            policies[$0].isSteadyDecider && policies[$0].layer < own.layer
        }) {
            return true
        }
        let involved = inside.union(partly.map(\.owner)).filter {
            policies[$0].layer >= own.layer
        }
        let steady = inside.filter { policies[$0].isSteadyDecider }.map { policies[$0].layer }
            .filter { $0 >= own.layer }.min()
        let defaulting = analyzer.policySet.layers.indices.first {
            $0 >= own.layer && analyzer.policySet.layers[$0].defaultAction != nil
        }
        let end = min(steady ?? .max, defaulting ?? .max)
        if steady ?? .max > end || end == .max {
            let last = defaulting.flatMap { analyzer.policySet.layers[$0].defaultAction }
            guard own.action == last ?? .allow else { return false }
        }
        return involved.allSatisfy {
            policies[$0].layer > end || policies[$0].action == own.action
        }
    }

    /// Whether the policy changes the action of a flow that it and `matching` match, with some
    /// of the standby policies among them enabled.
    private mutating func makesDifference(_ matching: [Int]) -> Bool {
        let steady = matching.filter { !analyzer.policies[$0].standby }
        let optional = matching.filter {
            analyzer.policies[$0].standby && analyzer.policies[$0].layer >= own.layer
        }
        if optional.count > 10 { isUndecided = true }
        for mask in 0..<(1 << min(optional.count, 10)) {
            let others =
                steady
                + optional.enumerated().filter { mask >> $0.offset & 1 == 1 }
                .map(\.element)
            let with = analyzer.ruling(others + [slot]).action
            if with != analyzer.ruling(others).action { return true }
        }
        return false
    }
}
