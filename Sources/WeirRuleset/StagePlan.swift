// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which policies share a stage. Classes of one stage multiply when broad and narrow sets meet, so
// policies of a layer are grouped by shape (tuple-space search); a policy's group depends on
// itself alone, so that an edit moves nothing else. Constraints that overlap take further slots.

import WeirModel

/// Sets of at most so many address classes are narrow.
let narrowSetClasses = 8

/// The shape that groups policies: narrow or broad on either side.
struct Shape: Hashable, Comparable, Sendable {
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
    /// The hours in which its policies hold; none: always.
    let hours: [WeeklyHours]
}

extension [WeeklyHours] {
    /// Part of a stage's name: `.h31-540-1020` for Monday to Friday, 09:00 to 17:00.
    var nameSuffix: String {
        map { window in
            let days = window.days.reduce(0) { $0 | 1 << $1 }
            return ".h\(days)-\(window.startMinute)-\(window.endMinute)"
        }.joined()
    }

    /// The rules that hold in these hours, each of which goes to a chain. A window that crosses
    /// midnight is two; the kernel's week begins with Sunday.
    func rules(goto chain: String) -> [Rule] {
        flatMap { window -> [Rule] in
            let (start, end) = (window.startMinute * 60, window.endMinute * 60)
            return window.days.sorted().flatMap { day -> [Rule] in
                func rule(_ day: Int, _ first: Int, _ last: Int) -> Rule {
                    Rule([
                        .day(UInt8((day + 1) % 7)), .hours(UInt32(first), UInt32(last)),
                        .verdict(.goto(chain)),
                    ])
                }
                if start < end { return [rule(day, start, end - 1)] }
                let evening = rule(day, start, 86_399)
                return end == 0 ? [evening] : [evening, rule((day + 1) % 7, 0, end - 1)]
            }
        }
    }
}

extension PolicySet {
    /// The rank of each policy in its layer; nil where overriding runs in a circle.
    func overrideRanks() -> [Int]? {
        var ranks = [Int](repeating: 0, count: policies.count)
        let overriding = policies.indices.filter {
            policies[$0].decision != nil && !policies[$0].overriding.isEmpty
        }
        var changed = true
        var rounds = 0
        while changed {
            guard rounds <= policies.count else { return nil }
            changed = false
            rounds += 1
            for index in overriding {
                for loser in policies[index].overriding.map(\.policy)
                where self[loser].layer == policies[index].layer
                    && ranks[loser.index] <= ranks[index]
                {
                    ranks[loser.index] = ranks[index] + 1
                    changed = true
                }
            }
        }
        return ranks
    }
}
