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
        let last = policySet.layers.firstIndex { $0.defaultAction != nil }
        let near = slots.filter {
            enabling.mayBeInForce($0, policies[$0]) && policies[$0].layer <= last ?? .max
        }.sorted { policies[$0].id < policies[$1].id }
        var found: [Cell] = []
        for slot in near where policies[slot].action == .allow {
            let shared = region.flatMap { cell in
                policies[slot].bricks.compactMap { space.intersection(cell, $0) }
            }
            let above = near.filter { policies[$0].layer < policies[slot].layer }
            guard let rest = remainder(shared, policies.overriders[slot] + above, enabling) else {
                return nil
            }
            found += rest
        }
        let action = last.flatMap { policySet.layers[$0].defaultAction } ?? .allow
        guard action == .allow else { return found }
        return remainder(region, near, enabling).map { found + $0 }
    }

    /// What is left of a region without the policies that are surely in force.
    private func remainder(_ region: [Cell], _ slots: [Int], _ enabling: Enabling) -> [Cell]? {
        var rest = region
        for slot in Set(slots).sorted() where enabling.isSteady(slot, policies[slot]) {
            for brick in policies[slot].bricks {
                rest = rest.flatMap { cell in
                    space.intersects(cell, brick) ? space.split(cell, by: brick).outside : [cell]
                }
                if rest.count > options.searchBudget { return nil }
            }
        }
        return rest
    }
}
