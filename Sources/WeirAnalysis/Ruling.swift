// SPDX-License-Identifier: GPL-3.0-or-later
//
// What `decide` says of one point, in terms of slots, and the question that most findings come down
// to: can a flow of some region be admitted, or denied, in a state that can be reached?

import WeirModel

/// Which policies speak for a point, and who wins.
struct Ruling: Equatable {
    /// Policies of the deciding layer that no other overrides; empty for a default and for none.
    let standing: [Int]
    /// The layer whose default decides.
    let defaultLayer: Int?
    let actions: Set<Action>

    /// nil where policies of the deciding layer disagree.
    var action: Action? { actions.count == 1 ? actions.first : nil }
    func may(_ outcome: Outcome) -> Bool { actions.contains { outcome.includes($0) } }
}

/// What is asked of a flow.
enum Outcome {
    case admitted, denied

    func includes(_ action: Action) -> Bool { (action == .allow) == (self == .admitted) }
}

/// Which standby policies take part in a question.
enum Enabling {
    /// Any of them may be enabled or not; this slot is in force.
    case free(assuming: Int?)
    /// Exactly these are enabled.
    case exactly(Set<Int>)

    /// Whether a policy is in force whatever else is enabled.
    func isSteady(_ slot: Int, _ entry: PolicyHead) -> Bool {
        switch self {
        case .free(let assumed): entry.isSteadyDecider || slot == assumed && entry.decides
        case .exactly(let enabled): entry.decides && (!entry.standby || enabled.contains(slot))
        }
    }

    func mayBeInForce(_ slot: Int, _ entry: PolicyHead) -> Bool {
        if case .free = self { return entry.decides }
        return isSteady(slot, entry)
    }
}

/// The answer to whether a region has a flow with an outcome.
struct Reachability {
    /// `uncovered` with such a flow; `covered` by those who prevent it.
    let result: CoverResult
    /// The policy that gives it the outcome; nil where a default or nobody does.
    let decider: Int?
    let defaultLayer: Int?
}

extension Analyzer {
    /// What happens to a flow that exactly these deciding policies match and are in force for.
    func ruling(_ matching: [Int]) -> Ruling {
        let deciding = matching.map { policies[$0].layer }.min()
        let defaulting = defaultingLayer
        if let deciding, deciding <= defaulting ?? deciding {
            let speaking = matching.filter { policies[$0].layer == deciding }
            let standing = speaking.filter { slot in
                !policies.overriders[slot].contains { speaking.contains($0) }
            }
            return Ruling(
                standing: standing, defaultLayer: nil,
                actions: Set(standing.compactMap { policies[$0].action }))
        }
        let action = defaulting.flatMap { layers[$0].defaultAction }
        return Ruling(standing: [], defaultLayer: defaulting, actions: [action ?? .allow])
    }

    /// Those of some policies that are surely in force at a point and match it.
    func matching(_ point: Point, among slots: [Int], _ enabling: Enabling) -> [Int] {
        slots.filter { slot in
            enabling.isSteady(slot, policies[slot])
                && contains(slot, point)
        }
    }

    /// Whether some flow of a region can have an outcome. `slots` are all policies that meet it.
    func reach(
        _ outcome: Outcome, _ region: [Cell], among slots: [Int], _ enabling: Enabling
    ) -> Reachability {
        guard let first = region.first(where: { !$0.isEmpty })?.firstPoint else {
            return Reachability(result: .covered(by: []), decider: nil, defaultLayer: nil)
        }
        let near = policies.inOrder(slots.filter { enabling.mayBeInForce($0, policies[$0]) })
        let here = ruling(matching(first, among: near, enabling))
        if here.may(outcome) {
            let decider = here.standing.first { slot in
                policies[slot].action.map { outcome.includes($0) } ?? false
            }
            return Reachability(
                result: .uncovered(first), decider: decider, defaultLayer: here.defaultLayer)
        }
        return reachElsewhere(outcome, region, near, enabling)
    }

    private func reachElsewhere(
        _ outcome: Outcome, _ region: [Cell], _ near: [Int], _ enabling: Enabling
    ) -> Reachability {
        let last = defaultingLayer
        var undecided = false
        var preventing: Set<Int> = []
        func note(_ result: CoverResult) -> Bool {
            switch result {
            case .uncovered: return true
            case .undecided: undecided = true
            case .covered(let owners): preventing.formUnion(owners)
            }
            return false
        }
        func look(for slot: Int) -> Reachability? {
            guard let action = policies[slot].action, outcome.includes(action) else { return nil }
            let shared = region.flatMap { cell in
                policies.bricks[slot].compactMap { space.intersection(cell, $0) }
            }
            let above = near.filter { policies[$0].layer < policies[slot].layer }
            let result = uncovered(shared, by: policies.overriders[slot] + above, enabling)
            guard note(result) else { return nil }
            return Reachability(result: result, decider: slot, defaultLayer: nil)
        }
        // A witness that needs nothing enabled is worth more.
        let eligible = near.filter { policies[$0].layer <= last ?? .max }
        for slot in eligible where enabling.isSteady(slot, policies[slot]) {
            if let found = look(for: slot) { return found }
        }
        let action = last.flatMap { layers[$0].defaultAction } ?? .allow
        if outcome.includes(action) {
            let result = uncovered(region, by: eligible, enabling)
            if note(result) {
                return Reachability(result: result, decider: nil, defaultLayer: last)
            }
        }
        for slot in eligible where !enabling.isSteady(slot, policies[slot]) {
            if let found = look(for: slot) { return found }
        }
        return Reachability(
            result: undecided ? .undecided : .covered(by: preventing.sorted()), decider: nil,
            defaultLayer: last)
    }

    /// The first point of a region that no policy of `slots` surely decides.
    func uncovered(_ region: [Cell], by slots: [Int], _ enabling: Enabling) -> CoverResult {
        let bricks = policies.inOrder(Set(slots))
            .filter { enabling.isSteady($0, policies[$0]) }
            .flatMap { policies.bricks[$0] }
        var search = CoverSearch(space, budget: options.searchBudget)
        return search.run(region, bricks)
    }

    /// Those of `owners` that are needed to cover a region, each tried without in turn.
    func needed(_ owners: [Int], toCover region: [Cell]) -> [Int] {
        var rest = policies.inOrder(owners)
        for owner in rest.reversed() where rest.count > 1 {
            let without = rest.filter { $0 != owner }
            var search = CoverSearch(space, budget: options.searchBudget)
            let bricks = without.flatMap { policies.bricks[$0] }
            if case .covered = search.run(region, bricks) { rest = without }
        }
        return rest
    }
}
