// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which sets have a class in common, as rows of bits: the relation that every scan over policies
// asks twice for every brick. Narrow sets are found through their classes, broad ones by testing
// the members of the others, so that a row costs little more than its answer.

import WeirModel

/// A set that some brick has as its source or destination: a row of a ``SideMatrix``.
typealias SideID = Int32

struct SideMatrix {
    /// Sets with more classes than this are tested one by one.
    private static let narrow = 128

    /// Classes of each side; empty for broad ones.
    private(set) var members: [[Int32]] = []
    private var sets: [Bitset] = []
    private var broad: [SideID] = []
    private var sidesOfClass: [[SideID]]
    private var sideOfSet: [SideID] = []
    /// Words in a row.
    private(set) var stride = 0
    /// Row by row: bit b of row a says that sides a and b meet.
    private(set) var rows: [UInt64] = []

    init(classCount: Int) { sidesOfClass = [[SideID]](repeating: [], count: classCount) }

    var count: Int { sets.count }

    /// The side of a set, if it is one.
    func side(_ set: SetID) -> SideID? {
        guard set.index < sideOfSet.count, sideOfSet[set.index] >= 0 else { return nil }
        return sideOfSet[set.index]
    }

    func isBroad(_ side: SideID) -> Bool { members[Int(side)].isEmpty }

    func meet(_ a: SideID, _ b: SideID) -> Bool {
        rows[Int(a) * stride + Int(b >> 6)] >> UInt64(b & 63) & 1 == 1
    }

    /// Makes a set a side. It must not be empty.
    mutating func add(_ set: SetID, _ bits: Bitset) -> SideID {
        if let known = side(set) { return known }
        let side = SideID(sets.count)
        while sideOfSet.count <= set.index { sideOfSet.append(-1) }
        sideOfSet[set.index] = side
        sets.append(bits)
        let size = bits.count
        members.append(size <= Self.narrow ? bits.map { Int32($0) } : [])
        makeRoom()
        if size <= Self.narrow {
            for member in members[Int(side)] { sidesOfClass[Int(member)].append(side) }
            relateNarrow(side, bits)
        } else {
            broad.append(side)
            relateBroad(side, bits)
        }
        return side
    }

    private mutating func makeRoom() {
        let needed = (sets.count + 63) / 64
        if needed > stride {
            let wider = max(4, needed + needed / 2)
            var next = [UInt64](repeating: 0, count: wider * sets.count)
            for row in 0..<(sets.count - 1) {
                for word in 0..<stride { next[row * wider + word] = rows[row * stride + word] }
            }
            rows = next
            stride = wider
        } else {
            rows.append(contentsOf: repeatElement(0, count: stride))
        }
    }

    private mutating func relate(_ a: SideID, _ b: SideID) {
        rows[Int(a) * stride + Int(b >> 6)] |= 1 << UInt64(b & 63)
        rows[Int(b) * stride + Int(a >> 6)] |= 1 << UInt64(a & 63)
    }

    private mutating func relateNarrow(_ side: SideID, _ bits: Bitset) {
        for member in members[Int(side)] {
            for other in sidesOfClass[Int(member)] { relate(side, other) }
        }
        let own = members[Int(side)]
        for other in broad where own.contains(where: { sets[Int(other)].contains(Int($0)) }) {
            relate(side, other)
        }
    }

    private mutating func relateBroad(_ side: SideID, _ bits: Bitset) {
        for other in 0..<SideID(sets.count) {
            let isMet =
                isBroad(other)
                ? bits.intersects(sets[Int(other)])
                : members[Int(other)].contains { bits.contains(Int($0)) }
            if isMet { relate(side, other) }
        }
    }
}
