// SPDX-License-Identifier: GPL-3.0-or-later
//
// The bricks of all policies as a structure of arrays, for the one question that everything
// starts with: whose bricks meet these. Bricks are also listed by their sides, so that for most
// questions only a small part of them is looked at, a few nanoseconds each.

import WeirModel

struct BrickTable {
    private var source: [SideID] = []
    private var destination: [SideID] = []
    private var low: [UInt32] = []
    private var high: [UInt32] = []
    private var time: [TimeID] = []
    private var owner: [Int32] = []
    /// Bricks by source and by destination side; also those that are not in use any more.
    private var bySource: [[Int32]] = []
    private var byDestination: [[Int32]] = []
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
            list(source.count - 1)
        }
    }

    private mutating func list(_ index: Int) {
        let (from, to) = (Int(source[index]), Int(destination[index]))
        while bySource.count <= max(from, to) {
            bySource.append([])
            byDestination.append([])
        }
        bySource[from].append(Int32(index))
        byDestination[to].append(Int32(index))
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
        bySource = []
        byDestination = []
        for (index, slot) in owner.enumerated() {
            let start = places[Int(slot)]?.lowerBound ?? index
            places[Int(slot)] = start..<(index + 1)
            list(index)
        }
        unused = 0
    }

    /// Owners with a brick that meets one of some bricks, in no order and perhaps repeated.
    func owners(meeting bricks: [Brick], _ space: Space) -> [Int32] {
        var found: [Int32] = []
        for brick in bricks { scan(brick, space, into: &found) }
        return found
    }

    private func scan(_ brick: Brick, _ space: Space, into found: inout [Int32]) {
        guard let from = space.sides.side(brick.source),
            let to = space.sides.side(brick.destination)
        else { preconditionFailure("the sets of a brick are sides") }
        let test = Test(
            brick: brick, fromRow: Int(from) * space.sides.stride,
            toRow: Int(to) * space.sides.stride)
        // Listing costs more a brick than going through all of them in turn.
        let most = source.count / 3
        let sources = near(from, bySource, space.sides, atMost: most)
        let destinations = near(
            to, byDestination, space.sides, atMost: sources?.count ?? most)
        if let destinations {
            for side in destinations.sides {
                for index in byDestination[Int(side)] { check(Int(index), test, space, &found) }
            }
        } else if let sources {
            for side in sources.sides {
                for index in bySource[Int(side)] { check(Int(index), test, space, &found) }
            }
        } else {
            for index in low.indices { check(index, test, space, &found) }
        }
    }

    /// The sides that meet a side and have bricks, and how many bricks these are; nil if more
    /// than so many.
    private func near(
        _ side: SideID, _ lists: [[Int32]], _ sides: SideMatrix, atMost most: Int
    ) -> (sides: [SideID], count: Int)? {
        var found: [SideID] = []
        var count = 0
        let row = Int(side) * sides.stride
        for word in 0..<sides.stride {
            var bits = sides.rows[row + word]
            while bits != 0 {
                let other = word * 64 + bits.trailingZeroBitCount
                bits &= bits - 1
                guard other < lists.count, !lists[other].isEmpty else { continue }
                count += lists[other].count
                if count > most { return nil }
                found.append(SideID(other))
            }
        }
        return (found, count)
    }

    /// What a brick must meet.
    private struct Test {
        let brick: Brick
        /// Where the rows of its sides start in the matrix.
        let fromRow: Int
        let toRow: Int
    }

    @inline(__always)
    private func check(_ index: Int, _ test: Test, _ space: Space, _ found: inout [Int32]) {
        // Unchecked: all arrays have one length, and a side is a bit of every row.
        let rows = space.sides.rows.span
        let there = unsafe destination.span[unchecked: index]
        guard unsafe low.span[unchecked: index] <= test.brick.high,
            unsafe test.brick.low <= high.span[unchecked: index],
            unsafe rows[unchecked: test.toRow + Int(there >> 6)] >> UInt64(there & 63) & 1 == 1
        else { return }
        let here = unsafe source.span[unchecked: index]
        guard unsafe rows[unchecked: test.fromRow + Int(here >> 6)] >> UInt64(here & 63) & 1 == 1
        else { return }
        let (one, other) = (test.brick.time, time[index])
        if one != 0, other != 0, !space.times[one].intersects(space.times[other]) { return }
        found.append(owner[index])
    }
}
