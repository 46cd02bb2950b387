// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every constraint on a flow applies, but a stage has one answer for it: constraints that overlap
// go into different slots. Most constraints have narrow destinations, so a slot knows its boxes by
// destination class and compares a new one with few.

import WeirModel

struct SlotAssigner: Sendable {
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

    private var slots: [String: Slot] = [:]
    private var meets: [Pair: Bool] = [:]

    /// Takes the wished slot if it is free of overlap, else the first that is.
    mutating func assign(
        _ boxes: [Box], shape: Shape, prefix: String, wish: String?, _ table: SetTable
    ) -> String {
        let base = prefix + shape.text
        if let wish, wish.hasPrefix(base), fits(boxes, wish, table) {
            occupy(boxes, wish, table)
            return wish
        }
        var number = 0
        while !fits(boxes, "\(base)\(number)", table) { number += 1 }
        occupy(boxes, "\(base)\(number)", table)
        return "\(base)\(number)"
    }

    private mutating func fits(_ boxes: [Box], _ name: String, _ table: SetTable) -> Bool {
        guard let slot = slots[name] else { return true }
        for box in boxes {
            if slot.broad.contains(where: { overlaps(box, slot.boxes[$0], table) }) {
                return false
            }
            if isBroad(box.destination, table) {
                if slot.boxes.contains(where: { overlaps(box, $0, table) }) { return false }
            } else {
                for member in table[box.destination] {
                    let near = slot.byDestination[member] ?? []
                    if near.contains(where: { overlaps(box, slot.boxes[$0], table) }) {
                        return false
                    }
                }
            }
        }
        return true
    }

    private mutating func overlaps(_ a: Box, _ b: Box, _ table: SetTable) -> Bool {
        a.ports.intersects(b.ports) && meet(a.source, b.source, table)
            && meet(a.destination, b.destination, table)
    }

    private mutating func meet(_ a: SetID, _ b: SetID, _ table: SetTable) -> Bool {
        if a == b { return true }
        let pair = a < b ? Pair(a: a, b: b) : Pair(a: b, b: a)
        if let known = meets[pair] { return known }
        let answer = table[a].intersects(table[b])
        meets[pair] = answer
        return answer
    }

    private func isBroad(_ set: SetID, _ table: SetTable) -> Bool {
        table[set].count > narrowSetClasses
    }

    private mutating func occupy(_ boxes: [Box], _ name: String, _ table: SetTable) {
        for box in boxes {
            let position = slots[name, default: Slot()].boxes.count
            slots[name, default: Slot()].boxes.append(box)
            if isBroad(box.destination, table) {
                slots[name, default: Slot()].broad.append(position)
            } else {
                for member in table[box.destination] {
                    slots[name, default: Slot()].byDestination[member, default: []].append(position)
                }
            }
        }
    }
}

/// The slots of the last compilation. Whoever has in the kernel the slot that it was given here
/// keeps it without being asked again: the others of that slot are disjoint from it.
struct SlotMemory: Sendable {
    private struct Place {
        let boxes: [Box]
        let prefix: String
        let slot: String
    }

    private var assigner = SlotAssigner()
    private var places: [String: Place] = [:]

    /// A slot for each item: those first whose slot the kernel knows, then by name.
    /// - Parameters:
    ///   - prefixes: what each item's slots' names begin with.
    ///   - wished: the slot that the kernel has each item in.
    mutating func assign(
        _ items: [SlotItem], prefixes: [String], wished: [String?], _ table: SetTable
    ) -> [String] {
        var kept = 0
        var found = items.indices.map { index -> String? in
            guard let wish = wished[index], let place = places[items[index].name],
                place.slot == wish, place.prefix == prefixes[index],
                place.boxes == items[index].entry.boxes
            else { return nil }
            kept += 1
            return wish
        }
        let isNew = items.indices.filter { found[$0] == nil }
        if kept < places.count || isNew.contains(where: { wished[$0] != nil }) {
            // Somebody left a place or wants one back: all choose again, in the one order.
            self = SlotMemory()
            found = items.map { _ in nil }
        }
        let order = items.indices.filter { found[$0] == nil }.sorted { a, b in
            let (first, second) = (wished[a] == nil ? 1 : 0, wished[b] == nil ? 1 : 0)
            return (first, items[a].name) < (second, items[b].name)
        }
        for index in order {
            let item = items[index]
            let slot = assigner.assign(
                item.entry.boxes, shape: item.shape, prefix: prefixes[index],
                wish: wished[index], table)
            places[item.name] = Place(
                boxes: item.entry.boxes, prefix: prefixes[index], slot: slot)
            found[index] = slot
        }
        return found.map { $0 ?? "" }
    }
}
