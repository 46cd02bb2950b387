// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every constraint on a flow applies, but a stage has one answer for it: constraints that overlap
// go into different slots. Most constraints have narrow destinations, so a slot knows its boxes by
// destination class and compares a new one with few.

import WeirModel

/// Puts constraints into slots so that no two of one slot meet.
struct SlotAssigner {
    private struct Slot {
        var boxes: [Box] = []
        /// Positions in `boxes`, by class of their destination; for narrow destinations only.
        var byDestination: [Int: [Int]] = [:]
        var broad: [Int] = []
    }
    private struct Pair: Hashable {
        let a: SetID
        let b: SetID
    }

    let table: SetTable
    private var slots: [String: Slot] = [:]
    private var meets: [Pair: Bool] = [:]

    init(table: SetTable) { self.table = table }

    /// Takes the wished slot if it is free of overlap, else the first that is.
    mutating func assign(_ boxes: [Box], shape: Shape, prefix: String, wish: String?) -> String {
        let base = prefix + shape.text
        if let wish, wish.hasPrefix(base), fits(boxes, wish) {
            occupy(boxes, wish)
            return wish
        }
        var number = 0
        while !fits(boxes, "\(base)\(number)") { number += 1 }
        occupy(boxes, "\(base)\(number)")
        return "\(base)\(number)"
    }

    private mutating func fits(_ boxes: [Box], _ name: String) -> Bool {
        guard let slot = slots[name] else { return true }
        for box in boxes {
            if slot.broad.contains(where: { overlaps(box, slot.boxes[$0]) }) { return false }
            if isBroad(box.destination) {
                if slot.boxes.contains(where: { overlaps(box, $0) }) { return false }
            } else {
                for member in table[box.destination] {
                    let near = slot.byDestination[member] ?? []
                    if near.contains(where: { overlaps(box, slot.boxes[$0]) }) { return false }
                }
            }
        }
        return true
    }

    private mutating func overlaps(_ a: Box, _ b: Box) -> Bool {
        a.ports.intersects(b.ports) && meet(a.source, b.source)
            && meet(a.destination, b.destination)
    }

    private mutating func meet(_ a: SetID, _ b: SetID) -> Bool {
        if a == b { return true }
        let pair = a < b ? Pair(a: a, b: b) : Pair(a: b, b: a)
        if let known = meets[pair] { return known }
        let answer = table[a].intersects(table[b])
        meets[pair] = answer
        return answer
    }

    private func isBroad(_ set: SetID) -> Bool { table[set].count > narrowSetClasses }

    private mutating func occupy(_ boxes: [Box], _ name: String) {
        for box in boxes {
            let position = slots[name, default: Slot()].boxes.count
            slots[name, default: Slot()].boxes.append(box)
            if isBroad(box.destination) {
                slots[name, default: Slot()].broad.append(position)
            } else {
                for member in table[box.destination] {
                    slots[name, default: Slot()].byDestination[member, default: []].append(position)
                }
            }
        }
    }
}
