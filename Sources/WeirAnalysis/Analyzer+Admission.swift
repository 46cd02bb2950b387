// SPDX-License-Identifier: GPL-3.0-or-later
//
// The part of a region that can be admitted at all. Constraints are written `from any` and mean
// the few that the layers let through; counters are counted over those.

import WeirModel

extension Analyzer {
    /// The flows of a region that may be admitted in some state; nil if they are scattered over
    /// more cells than the budget allows. Cells may overlap. `slots` are all policies that meet
    /// the region.
    func admissible(_ region: [Cell], among slots: [Int], _ enabling: Enabling) -> [Cell]? {
        let last = defaultingLayer
        let near = policies.inOrder(
            slots.filter {
                enabling.mayBeInForce($0, policies[$0]) && policies[$0].layer <= last ?? .max
            })
        var found: [Cell] = []
        for slot in near where policies[slot].action == .allow {
            let shared = region.flatMap { cell in
                policies.bricks[slot].compactMap { space.intersection(cell, $0) }
            }
            let above = near.filter { policies[$0].layer < policies[slot].layer }
            guard let rest = remainder(shared, policies.overriders[slot] + above, enabling) else {
                return nil
            }
            found += rest
        }
        let action = last.flatMap { layers[$0].defaultAction } ?? .allow
        guard action == .allow else { return found }
        return remainder(region, near, enabling).map { found + $0 }
    }

    /// What is left of a region without the policies that are surely in force.
    private func remainder(_ region: [Cell], _ slots: [Int], _ enabling: Enabling) -> [Cell]? {
        var rest = region
        for slot in policies.inOrder(Set(slots)) where enabling.isSteady(slot, policies[slot]) {
            rest = space.remainder(of: rest, without: policies.bricks[slot])
            if rest.count > options.searchBudget { return nil }
        }
        return rest
    }
}

extension Space {
    /// Disjoint cells that make up what is left of disjoint cells without some bricks.
    func remainder(of region: [Cell], without bricks: [Brick]) -> [Cell] {
        bricks.reduce(region) { rest, brick in
            rest.flatMap { cell in
                intersects(cell, brick) ? split(cell, by: brick).outside : [cell]
            }
        }
    }
}
