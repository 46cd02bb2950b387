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
    let shape: Shape
    /// What its slots' names begin with; slots are asked in the order of their names.
    let prefix: String
    var constraintClass: ConstraintClass?
    var layer: Int?
}

extension Lowering {
    /// Assigns slots.
    /// - Parameter kind: which of a compilation's slot stages these are.
    mutating func slots(_ items: [SlotItem], of kind: String) -> [StagePlan] {
        let prefixes = items.map { item in
            let hours = policySet[item.policy].activation.during
            return item.prefix + hours.nameSuffix
                + (item.entry.expiresAtMilliseconds != nil ? "t" : "")
        }
        let wished = items.map { recovery.stageOfConstraint[$0.entry.value] }
        var memory = cache.takeSlots(kind)
        let assigned = memory.assign(items, prefixes: prefixes, wished: wished, table)
        cache.keep(memory, kind)
        var members: [StageName: [Int]] = [:]
        for index in items.indices.sorted(by: { items[$0].name < items[$1].name }) {
            let timed = items[index].entry.expiresAtMilliseconds != nil
            members[StageName(text: assigned[index], timed: timed), default: []].append(index)
        }
        return members.sorted { $0.key.text < $1.key.text }.map { name, indices in
            let own = indices.map { items[$0] }
            return StagePlan(
                name: name, shape: own[0].shape, entries: own.map(\.entry),
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
