// SPDX-License-Identifier: GPL-3.0-or-later
//
// What policies match, as plain boxes: source classes × destination classes × ports × instants.
// The address family is folded into the port dimension, and each side of a box holds only classes
// that have addresses of that family, so that boxes meet exactly when some flow lies in both.

import WeirModel

/// A box of a policy, by reference to interned sets. Never empty.
struct Brick {
    let source: SetID
    let destination: SetID
    /// Inclusive; ``Space/familyOffset`` is added for IPv6.
    let low: UInt32
    let high: UInt32
    let time: TimeID
    /// Whose it is: a slot of the ``PolicyTable``.
    let owner: Int
}

/// A box by value.
struct Cell {
    var source: Bitset
    var destination: Bitset
    var low: UInt32
    var high: UInt32
    var time: Bitset

    var family: AddressFamily { low < Space.familyOffset ? .v4 : .v6 }
    var isEmpty: Bool { low > high || source.isEmpty || destination.isEmpty || time.isEmpty }
}

/// One point of the space: what a flow in a state is to the checker.
struct Point: Hashable {
    let source: Int
    let destination: Int
    let port: UInt32
    let instant: Int

    var family: AddressFamily { port < Space.familyOffset ? .v4 : .v6 }
}

/// The interned sets and instants that bricks refer to.
struct Space {
    /// Added to a port point to mean IPv6.
    static let familyOffset: UInt32 = 0x100_0000

    var table: SetTable
    var times: TimeTable
    private(set) var sides: SideMatrix
    private var masked: [[SetID?]] = [[], []]

    init(table: SetTable, times: TimeTable) {
        self.table = table
        self.times = times
        sides = SideMatrix(classCount: table.classes.count)
    }

    /// Makes the sets of bricks sides, so that these can be met quickly.
    mutating func register(_ bricks: [Brick]) {
        for brick in bricks {
            _ = sides.add(brick.source, table[brick.source])
            _ = sides.add(brick.destination, table[brick.destination])
        }
    }

    /// Whether some flow at some time lies in both bricks.
    func meets(_ a: Brick, _ b: Brick) -> Bool {
        max(a.low, b.low) <= min(a.high, b.high) && meet(a.source, b.source)
            && meet(a.destination, b.destination)
            && (a.time == 0 || b.time == 0 || times[a.time].intersects(times[b.time]))
    }

    private func meet(_ a: SetID, _ b: SetID) -> Bool {
        if a == b { return true }
        guard let left = sides.side(a), let right = sides.side(b) else {
            return table[a].intersects(table[b])
        }
        return sides.meet(left, right)
    }

    /// The least class that two sets have in common; nil if none.
    func firstCommon(_ a: SetID, _ b: SetID) -> Int? {
        for (one, other) in [(a, b), (b, a)] {
            guard let side = sides.side(one), !sides.isBroad(side) else { continue }
            return sides.members[Int(side)].first { table[other].contains(Int($0)) }.map { Int($0) }
        }
        let (left, right) = (table[a].words, table[b].words)
        for index in left.indices where left[index] & right[index] != 0 {
            return index * 64 + (left[index] & right[index]).trailingZeroBitCount
        }
        return nil
    }

    /// The first point that two bricks have in common: ``Cell/firstPoint`` of their intersection,
    /// without making it.
    func firstCommon(_ a: Brick, _ b: Brick) -> Point? {
        let (low, high) = (max(a.low, b.low), min(a.high, b.high))
        guard low <= high, let source = firstCommon(a.source, b.source),
            let destination = firstCommon(a.destination, b.destination)
        else { return nil }
        var instant = 0
        if a.time != 0 || b.time != 0 {
            guard let first = times[a.time].intersection(times[b.time]).first else { return nil }
            instant = first
        }
        return Point(
            source: source, destination: destination, port: Self.familiarPort(low, high),
            instant: instant)
    }

    /// A set without the classes that have no address of a family.
    mutating func masked(_ id: SetID, _ family: AddressFamily) -> SetID {
        let row = family == .v4 ? 0 : 1
        while masked[row].count <= id.index { masked[row].append(nil) }
        if let known = masked[row][id.index] { return known }
        let result = table.intern(table[id].intersection(table.classes.having(family)))
        masked[row][id.index] = result
        return result
    }

    /// What an interaction matches while `time` holds.
    mutating func bricks(_ interaction: Interaction, time: TimeID, owner: Int) -> [Brick] {
        guard !times[time].isEmpty else { return [] }
        var found: [Brick] = []
        for box in table.boxes(interaction) {
            for family in AddressFamily.allCases {
                let source = masked(box.source, family)
                let destination = masked(box.destination, family)
                guard !table[source].isEmpty, !table[destination].isEmpty else { continue }
                let offset = family == .v4 ? 0 : Self.familyOffset
                for interval in box.ports.intervals {
                    found.append(
                        Brick(
                            source: source, destination: destination, low: interval.first + offset,
                            high: interval.last + offset, time: time, owner: owner))
                }
            }
        }
        return found
    }

    func cell(_ brick: Brick) -> Cell {
        Cell(
            source: table[brick.source], destination: table[brick.destination], low: brick.low,
            high: brick.high, time: times[brick.time])
    }

    func contains(_ brick: Brick, _ point: Point) -> Bool {
        brick.low <= point.port && point.port <= brick.high
            && table[brick.source].contains(point.source)
            && table[brick.destination].contains(point.destination)
            && (brick.time == 0 || times[brick.time].contains(point.instant))
    }

    func intersects(_ cell: Cell, _ brick: Brick) -> Bool {
        max(cell.low, brick.low) <= min(cell.high, brick.high)
            && cell.source.intersects(table[brick.source])
            && cell.destination.intersects(table[brick.destination])
            && (brick.time == 0 || cell.time.intersects(times[brick.time]))
    }

    func contains(_ brick: Brick, _ cell: Cell) -> Bool {
        brick.low <= cell.low && cell.high <= brick.high
            && cell.source.isSubset(of: table[brick.source])
            && cell.destination.isSubset(of: table[brick.destination])
            && (brick.time == 0 || cell.time.isSubset(of: times[brick.time]))
    }

    /// What two bricks have in common; nil if nothing.
    func intersection(_ a: Brick, _ b: Brick) -> Cell? {
        let (low, high) = (max(a.low, b.low), min(a.high, b.high))
        guard low <= high else { return nil }
        var cell = cell(a)
        cell.low = low
        cell.high = high
        cell.source.formIntersection(table[b.source])
        guard !cell.source.isEmpty else { return nil }
        cell.destination.formIntersection(table[b.destination])
        guard !cell.destination.isEmpty else { return nil }
        if b.time != 0 {
            cell.time.formIntersection(times[b.time])
            guard !cell.time.isEmpty else { return nil }
        }
        return cell
    }

    func intersection(_ cell: Cell, _ brick: Brick) -> Cell? {
        var result = cell
        result.low = max(cell.low, brick.low)
        result.high = min(cell.high, brick.high)
        guard result.low <= result.high else { return nil }
        result.source.formIntersection(table[brick.source])
        result.destination.formIntersection(table[brick.destination])
        if brick.time != 0 { result.time.formIntersection(times[brick.time]) }
        return result.isEmpty ? nil : result
    }

    /// The flow that a point stands for.
    func flow(_ point: Point) -> Flow {
        let family = point.family
        let classes = table.classes.classes
        guard let source = classes[point.source].representative(family),
            let destination = classes[point.destination].representative(family)
        else { preconditionFailure("a brick holds only classes that have its family") }
        return Flow(
            source: source, destination: destination,
            port: PortPoint(rawValue: point.port & (Self.familyOffset - 1)))
    }

    /// The point of a flow at an instant.
    func point(_ flow: Flow, instant: Int) -> Point {
        Point(
            source: table.classes.classIndex(of: flow.source),
            destination: table.classes.classIndex(of: flow.destination),
            port: flow.port.rawValue + (flow.source.family == .v4 ? 0 : Self.familyOffset),
            instant: instant)
    }
}

extension Cell {
    /// The cell at one instant, whether it holds that instant or not.
    func at(_ instant: Int) -> Cell {
        var result = self
        result.time = Bitset(words: time.words.count, only: instant)
        return result
    }

    /// The first point of a cell that is not empty, at a port that people know where there is a
    /// choice of protocol.
    var firstPoint: Point {
        guard let source = source.first, let destination = destination.first,
            let instant = time.first
        else { preconditionFailure("a cell is not empty") }
        return Point(
            source: source, destination: destination, port: Space.familiarPort(low, high),
            instant: instant)
    }
}

extension Space {
    /// The lowest port, but tcp/80 or the protocol's port 80 where the interval starts at the
    /// lowest port of all or of a protocol with ports.
    static func familiarPort(_ low: UInt32, _ high: UInt32) -> UInt32 {
        let raw = low & (familyOffset - 1)
        let offset = low - raw
        if raw == 0 {
            let http = offset + UInt32(IPProtocol.tcp) << 16 + 80
            return http <= high ? http : low
        }
        let isStart = raw & 0xFFFF == 0 && IPProtocol.hasPorts(UInt8(raw >> 16))
        return isStart && low + 80 <= high ? low + 80 : low
    }
}

extension Bitset {
    /// One member, with room for 64 times as many as there are words.
    init(words: Int, only member: Int) { self.init(capacity: words * 64, [member]) }
}
