// SPDX-License-Identifier: GPL-3.0-or-later
//
// The bricks of all policies as a structure of arrays, for the one scan that everything starts
// with: whose bricks meet these. A few nanoseconds a brick.

import WeirModel

struct BrickTable {
    private var source: [SideID] = []
    private var destination: [SideID] = []
    private var low: [UInt32] = []
    private var high: [UInt32] = []
    private var time: [TimeID] = []
    private var owner: [Int32] = []
    /// Where each owner's bricks start, and how many there are.
    private var places: [Int: Range<Int>] = [:]
    private var unused = 0

    /// Adds an owner's bricks; it must have none yet. Their sets must be sides.
    mutating func add(_ bricks: [Brick], of slot: Int, _ sides: SideMatrix) {
        guard !bricks.isEmpty else { return }
        places[slot] = source.count..<(source.count + bricks.count)
        for brick in bricks {
            guard let from = sides.side(brick.source), let to = sides.side(brick.destination)
            else { preconditionFailure("the sets of a brick are sides") }
            source.append(from)
            destination.append(to)
            low.append(brick.low)
            high.append(brick.high)
            time.append(brick.time)
            owner.append(Int32(slot))
        }
    }

    /// Takes an owner's bricks out.
    mutating func remove(_ slot: Int) {
        guard let place = places.removeValue(forKey: slot) else { return }
        // An empty interval meets nothing.
        for index in place { (low[index], high[index]) = (.max, 0) }
        unused += place.count
        if unused > 256, unused > source.count / 4 { compact() }
    }

    private mutating func compact() {
        let kept = source.indices.filter { low[$0] <= high[$0] }
        source = kept.map { source[$0] }
        destination = kept.map { destination[$0] }
        low = kept.map { low[$0] }
        high = kept.map { high[$0] }
        time = kept.map { time[$0] }
        owner = kept.map { owner[$0] }
        places = [:]
        for (index, slot) in owner.enumerated() {
            let start = places[Int(slot)]?.lowerBound ?? index
            places[Int(slot)] = start..<(index + 1)
        }
        unused = 0
    }

    /// Owners with a brick that meets one of some bricks, in the order of the table.
    func owners(meeting bricks: [Brick], _ space: Space) -> [Int] {
        var found: [Int32] = []
        for brick in bricks { scan(brick, space, into: &found) }
        guard bricks.count > 1 else { return found.map { Int($0) } }
        return Set(found).map { Int($0) }.sorted()
    }

    private func scan(_ brick: Brick, _ space: Space, into found: inout [Int32]) {
        guard let from = space.sides.side(brick.source),
            let to = space.sides.side(brick.destination)
        else { preconditionFailure("the sets of a brick are sides") }
        let stride = space.sides.stride
        let (fromRow, toRow) = (Int(from) * stride, Int(to) * stride)
        let rows = space.sides.rows.span
        let (source, destination) = (source.span, destination.span)
        let (low, high) = (low.span, high.span)
        var last: Int32 = -1
        for index in low.indices {
            guard low[index] <= brick.high, brick.low <= high[index] else { continue }
            let other = source[index]
            guard rows[fromRow + Int(other >> 6)] >> UInt64(other & 63) & 1 == 1 else { continue }
            let there = destination[index]
            guard rows[toRow + Int(there >> 6)] >> UInt64(there & 63) & 1 == 1,
                owner[index] != last,
                brick.time == 0 || time[index] == 0
                    || space.times[brick.time].intersects(space.times[time[index]])
            else { continue }
            last = owner[index]
            found.append(last)
        }
    }
}
