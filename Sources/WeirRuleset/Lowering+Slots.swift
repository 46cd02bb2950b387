// SPDX-License-Identifier: GPL-3.0-or-later
//
// Things of which every one applies that covers a flow: constraints, effects, staged policies.
// They go into slots, each of which answers with one of them, and keep their slot across edits.

import WeirModel

/// One thing that wants a slot.
struct SlotItem {
    let entry: StageEntry
    /// Unique; orders the items.
    let name: String
    let policy: PolicyID
    /// What its slots' names begin with; slots are asked in the order of their names.
    let prefix: String
    var constraintClass: ConstraintClass?
    var layer: Int?
}

extension Lowering {
    /// Assigns slots, to those first whose slot the kernel knows.
    func slots(_ items: [SlotItem]) -> [StagePlan] {
        var assigner = SlotAssigner(table: table)
        var members: [StageName: [Int]] = [:]
        var shapes: [StageName: Shape] = [:]
        let wished = items.map { recovery.stageOfConstraint[$0.entry.value] }
        let order = items.indices.sorted { a, b in
            let (first, second) = (wished[a] == nil ? 1 : 0, wished[b] == nil ? 1 : 0)
            return (first, items[a].name) < (second, items[b].name)
        }
        for index in order {
            let item = items[index]
            let timed = item.entry.expiresAtMilliseconds != nil
            let hours = policySet[item.policy].activation.during
            let shape = Shape(item.entry.boxes, table)
            let slot = assigner.assign(
                item.entry.boxes, shape: shape,
                prefix: item.prefix + hours.nameSuffix + (timed ? "t" : ""), wish: wished[index])
            let name = StageName(text: slot, timed: timed)
            members[name, default: []].append(index)
            shapes[name] = shape
        }
        return members.sorted { $0.key.text < $1.key.text }.map { name, indices in
            let own = indices.map { items[$0] }
            return StagePlan(
                name: name, shape: shapes[name] ?? Shape([], table), entries: own.map(\.entry),
                policies: own.map(\.policy),
                hours: policySet[own[0].policy].activation.during,
                constraintClasses: Set(own.compactMap(\.constraintClass)), layer: own[0].layer)
        }
    }

    /// A counter for a number, in the map that leads from one to the other.
    mutating func count(_ name: String, _ number: UInt32, _ comment: String, in map: String) {
        objects[name] = NamedObject(kind: .counter, comment: comment)
        sets[map, default: NamedSet(key: [.classid], kind: .objectMap(.counter))]
            .elements[ElementKey(UInt128(number))] = Element(value: .object(name), comment: comment)
    }

    /// Declares the sizes of the counter maps, once they are complete.
    mutating func finishCounterMaps() {
        for map in ProgramName.counterMaps {
            sets[map]?.declareSize(previous: previous?.sets[map])
        }
    }
}
