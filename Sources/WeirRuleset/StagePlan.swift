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

/// Puts constraints into slots so that no two of one slot meet.
struct SlotAssigner {
    let table: SetTable
    /// Boxes in each slot, by destination class, so that narrow ones are compared with few.
    private var occupied: [String: [Int: [Box]]] = [:]

    init(table: SetTable) { self.table = table }

    /// Takes the wished slot if it is free of overlap, else the first that is.
    mutating func assign(_ boxes: [Box], prefix: String, wish: String?) -> String {
        let base = prefix + Shape(boxes, table).text
        if let wish, wish.hasPrefix(base), fits(boxes, wish) {
            occupy(boxes, wish)
            return wish
        }
        var number = 0
        while !fits(boxes, "\(base)\(number)") { number += 1 }
        occupy(boxes, "\(base)\(number)")
        return "\(base)\(number)"
    }

    private func fits(_ boxes: [Box], _ slot: String) -> Bool {
        guard let here = occupied[slot] else { return true }
        for box in boxes {
            for destination in table[box.destination] {
                for other in here[destination] ?? []
                where table[box.source].intersects(table[other.source])
                    && box.ports.intersects(other.ports)
                {
                    return false
                }
            }
        }
        return true
    }

    private mutating func occupy(_ boxes: [Box], _ slot: String) {
        for box in boxes {
            for destination in table[box.destination] {
                occupied[slot, default: [:]][destination, default: []].append(box)
            }
        }
    }
}
