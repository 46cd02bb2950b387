// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whether a policy makes a difference: a search for a flow and a state in which the action would
// be another without it, by cutting its cells along the other policies until each piece lies
// wholly inside or outside every one of them.

import WeirModel

extension Analyzer {
    /// Standby policies at one flow beyond which not every subset of them is tried.
    static let mostOptional = 10

    /// Whether a policy changes the action of a flow that it and `matching` match, with some of
    /// the standby policies among them enabled.
    func makesDifference(_ slot: Int, among matching: [Int]) -> Bool {
        let steady = matching.filter { !policies[$0].standby }
        let optional = matching.filter {
            policies[$0].standby && policies[$0].layer >= policies[slot].layer
        }
        for mask in 0..<(1 << min(optional.count, Self.mostOptional)) {
            let others =
                mask == 0
                ? steady
                : steady
                    + optional.enumerated().filter { mask >> $0.offset & 1 == 1 }.map(\.element)
            if ruling(others + [slot]).action != ruling(others).action { return true }
        }
        return false
    }

    /// A point at which removing a policy changes the action in some state; `covered` if there
    /// is none.
    func differenceWithout(_ slot: Int, _ near: [Int]) -> CoverResult {
        var search = RemovalSearch(
            analyzer: self, slot: slot, budget: options.searchBudget)
        let deciders = near.filter { policies[$0].decides }
        for cell in region(slot) {
            if let point = search.run(
                cell, inside: [], partly: deciders.flatMap { policies.bricks[$0] })
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
    private let own: PolicyHead
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
        let optional = matching.filter { analyzer.policies[$0].standby }
        if optional.count > Analyzer.mostOptional { isUndecided = true }
        if analyzer.makesDifference(slot, among: matching.sorted()) { return point }
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
        let defaulting = analyzer.layers.indices.first {
            $0 >= own.layer && analyzer.layers[$0].defaultAction != nil
        }
        let end = min(steady ?? .max, defaulting ?? .max)
        if steady ?? .max > end || end == .max {
            let last = defaulting.flatMap { analyzer.layers[$0].defaultAction }
            guard own.action == last ?? .allow else { return false }
        }
        return involved.allSatisfy {
            policies[$0].layer > end || policies[$0].action == own.action
        }
    }
}
