// SPDX-License-Identifier: GPL-3.0-or-later
//
// The one hard question of the checker: is a region covered by the union of some policies, and if
// not, where does it stick out? Cheap answers first (one superset, the first point, a few other
// points), then exact box subtraction under a budget, and an honest *undecided* where it ends.

import WeirModel

/// What became of a region under a list of blockers.
enum CoverResult: Hashable {
    /// This point of the region lies in no blocker.
    case uncovered(Point)
    /// The region lies in the union of these owners' bricks; not necessarily the fewest.
    case covered(by: [Int])
    /// The budget ended first.
    case undecided

    var witness: Point? {
        if case .uncovered(let point) = self { return point }
        return nil
    }
}

/// A search for a point of a region outside all blockers.
struct CoverSearch {
    let space: Space
    private var budget: Int
    private var used: Set<Int> = []

    init(_ space: Space, budget: Int) {
        self.space = space
        self.budget = budget
    }

    /// Whether the union of `blockers` covers every cell of `region`.
    mutating func run(_ region: [Cell], _ blockers: [Brick]) -> CoverResult {
        var undecided = false
        for cell in region where !cell.isEmpty {
            switch search(cell, blockers[...]) {
            case .uncovered(let point): return .uncovered(point)
            case .undecided: undecided = true
            case .covered: break
            }
        }
        return undecided ? .undecided : .covered(by: used.sorted())
    }

    private mutating func search(_ cell: Cell, _ blockers: ArraySlice<Brick>) -> CoverResult {
        var near: [Brick] = []
        for brick in blockers where space.intersects(cell, brick) {
            if space.contains(brick, cell) {
                used.insert(brick.owner)
                return .covered(by: [])
            }
            near.append(brick)
        }
        for point in probes(cell) where !near.contains(where: { space.contains($0, point) }) {
            return .uncovered(point)
        }
        budget -= 1
        guard budget > 0 else { return .undecided }
        let widest = near.indices.max { volume(near[$0], cell) < volume(near[$1], cell) }
        guard let widest else { preconditionFailure("without blockers the first probe is free") }
        let cut = near.remove(at: widest)
        used.insert(cut.owner)
        var undecided = false
        for piece in remainder(of: cell, without: cut) {
            switch search(piece, near[...]) {
            case .uncovered(let point): return .uncovered(point)
            case .undecided: undecided = true
            case .covered: break
            }
        }
        return undecided ? .undecided : .covered(by: [])
    }

    /// A few points that differ in all dimensions but time; the first is the cell's first point.
    private func probes(_ cell: Cell) -> [Point] {
        let first = cell.firstPoint
        guard let source = cell.source.last, let destination = cell.destination.last else {
            return [first]
        }
        return [
            (source, destination, cell.high), (first.source, destination, cell.high),
            (source, first.destination, cell.low),
        ].reduce(into: [first]) { list, other in
            list.append(
                Point(
                    source: other.0, destination: other.1, port: other.2, instant: first.instant))
        }
    }

    /// The share of a cell that a brick covers.
    private func volume(_ brick: Brick, _ cell: Cell) -> Double {
        let ports = Double(min(brick.high, cell.high) - max(brick.low, cell.low)) + 1
        let sources = cell.source.intersectionCount(space.table[brick.source])
        let destinations = cell.destination.intersectionCount(space.table[brick.destination])
        return ports * Double(sources) * Double(destinations)
    }

    /// Disjoint cells that make up a cell outside a brick.
    private func remainder(of cell: Cell, without brick: Brick) -> [Cell] {
        space.split(cell, by: brick).outside
    }
}

extension Space {
    /// A cell cut by a brick that meets it: disjoint cells outside, and the part inside.
    func split(_ cell: Cell, by brick: Brick) -> (outside: [Cell], inside: Cell) {
        var outside: [Cell] = []
        var inside = cell
        func cutOff(_ change: (inout Cell) -> Void) {
            var piece = inside
            change(&piece)
            if !piece.isEmpty { outside.append(piece) }
        }
        cutOff { $0.source.subtract(table[brick.source]) }
        inside.source.formIntersection(table[brick.source])
        cutOff { $0.destination.subtract(table[brick.destination]) }
        inside.destination.formIntersection(table[brick.destination])
        if inside.low < brick.low {
            cutOff { $0.high = brick.low - 1 }
            inside.low = brick.low
        }
        if inside.high > brick.high {
            cutOff { $0.low = brick.high + 1 }
            inside.high = brick.high
        }
        if brick.time != 0 {
            cutOff { $0.time.subtract(times[brick.time]) }
            inside.time.formIntersection(times[brick.time])
        }
        return (outside, inside)
    }
}

extension Bitset {
    /// The greatest member; nil where empty.
    var last: Int? {
        for index in words.indices.reversed() where words[index] != 0 {
            return index * 64 + 63 - words[index].leadingZeroBitCount
        }
        return nil
    }

    func intersectionCount(_ other: Bitset) -> Int {
        var count = 0
        for index in words.indices { count += (words[index] & other.words[index]).nonzeroBitCount }
        return count
    }
}
