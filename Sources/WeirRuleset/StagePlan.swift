// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which policies share a stage. Classes of one stage multiply when broad and narrow sets meet, so
// policies of a layer are grouped by shape (tuple-space search); a policy's group depends on
// itself alone, so that an edit moves nothing else. Constraints that overlap take further slots.

import WeirModel

/// Sets of at most so many address classes are narrow.
let narrowSetClasses = 8

/// The shape that groups policies: narrow or broad on either side.
struct Shape: Hashable, Comparable {
    let broadSource: Bool
    let broadDestination: Bool

    var text: String { (broadSource ? "b" : "n") + (broadDestination ? "b" : "n") }

    init(_ boxes: [Box], _ table: SetTable) {
        broadSource = boxes.contains { table[$0.source].count > narrowSetClasses }
        broadDestination = boxes.contains { table[$0.destination].count > narrowSetClasses }
    }

    static func < (a: Shape, b: Shape) -> Bool { a.text > b.text }
}

/// Policies of a layer that are looked up together.
struct AdmissionGroup: Hashable {
    let layer: Int
    /// 0 for policies that nothing of their layer overrides; else one more than the highest rank
    /// of those that do. Lower ranks are asked first.
    let rank: Int
    let timed: Bool
    let shape: Shape
}

extension PolicySet {
    /// The rank of each policy in its layer; nil where overriding runs in a circle.
    func overrideRanks() -> [Int]? {
        var ranks = [Int](repeating: 0, count: policies.count)
        var changed = true
        var rounds = 0
        while changed {
            guard rounds <= policies.count else { return nil }
            changed = false
            rounds += 1
            for (index, policy) in policies.enumerated() where policy.decision != nil {
                for loser in policy.overriding.map(\.policy)
                where self[loser].layer == policy.layer && ranks[loser.index] <= ranks[index] {
                    ranks[loser.index] = ranks[index] + 1
                    changed = true
                }
            }
        }
        return ranks
    }
}
