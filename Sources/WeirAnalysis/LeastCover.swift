// SPDX-License-Identifier: GPL-3.0-or-later
//
// How much a region can carry when several caps each hold a part of it: the lightest family of
// caps that together cover it. Branch and bound over the caps at a point that is still open.

import WeirModel

/// A cap, or a limit on new connections, as far as a region is concerned.
struct CoveringCap {
    let slot: Int
    let part: Finding.Part
    let bricks: [Brick]
    /// What it admits of the region.
    let term: Finding.Arithmetic.Term

    var weight: UInt64 { term.product }
}

/// The lightest family of caps that covers a region.
struct LeastCover {
    private let space: Space
    private let region: [Cell]
    private let caps: [CoveringCap]
    private var budget: Int
    private var best: (weight: UInt64, chosen: [Int])?
    private(set) var isUndecided = false

    /// Looks only for families lighter than `limit`. Caps that alone reach it are not tried.
    init(_ space: Space, _ region: [Cell], _ caps: [CoveringCap], below limit: UInt64, budget: Int)
    {
        self.space = space
        self.region = region
        self.caps = caps.filter { $0.weight < limit }
        self.budget = budget
        search(chosen: [], weight: 0, below: limit)
    }

    /// The family found, in the order of the caps; nil where none is light enough.
    var family: [CoveringCap]? { best.map { $0.chosen.sorted().map { caps[$0] } } }

    private mutating func search(chosen: [Int], weight: UInt64, below limit: UInt64) {
        var cover = CoverSearch(space, budget: budget)
        switch cover.run(region, chosen.flatMap { caps[$0].bricks }) {
        case .covered:
            if weight < best?.weight ?? limit { best = (weight, chosen) }
        case .undecided: isUndecided = true
        case .uncovered(let point):
            for index in caps.indices where !chosen.contains(index) {
                let next = saturatingSum(weight, caps[index].weight)
                guard next < best?.weight ?? limit,
                    caps[index].bricks.contains(where: { space.contains($0, point) })
                else { continue }
                budget -= 1
                guard budget > 0 else {
                    isUndecided = true
                    return
                }
                search(chosen: chosen + [index], weight: next, below: limit)
            }
        }
    }
}
