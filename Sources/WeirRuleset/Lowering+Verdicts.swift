// SPDX-License-Identifier: GPL-3.0-or-later
//
// A number and a counter for each verdict. A policy keeps its number as long as the kernel has it.

import WeirModel

extension Lowering {
    private static let verdictKinds: [(Action, ClosedRange<UInt32>, String)] = [
        (.allow, IdentifierRange.allowed, ProgramName.admitted),
        (.reject, IdentifierRange.rejected, ProgramName.rejected),
        (.drop, IdentifierRange.dropped, ProgramName.dropped),
    ]

    /// A number for the verdict of each policy that decides, and its counter.
    mutating func verdictNumbers(_ deciding: [PolicyID]) -> [UInt32] {
        let now = deciding.map { records[$0.index] }
        var (numbers, isNew) = keptVerdicts(now)
        for (action, range, map) in Self.verdictKinds {
            let own = isNew.filter { now[$0].policy.decision?.action == action }
            let given = assignNumbers(own.map { now[$0].verdictCounter }, in: range)
            memory.verdictMaps[
                map, default: NamedSet(key: [.classid], kind: .objectMap(.counter))
            ].elements.reserveCapacity(own.count)
            for (position, number) in zip(own, given) {
                numbers[position] = number
                let record = now[position]
                objects[record.verdictCounter] = NamedObject(
                    kind: .counter, comment: record.comment)
                memory.verdictMaps[map]?.elements[ElementKey(UInt128(number))] = Element(
                    value: .object(record.verdictCounter), comment: record.comment)
                if recovery.number(of: record.verdictCounter) == nil {
                    memory.unknownToKernel.insert(record.verdictCounter)
                }
            }
        }
        memory.deciding = now
        memory.verdicts = numbers
        sets.merge(memory.verdictMaps) { $1 }
        return numbers
    }

    /// Numbers of policies that were there in the last compilation, 0 for the others; forgets the
    /// counters of those that are not there now.
    /// - Returns: and the positions of those that are to be numbered.
    private mutating func keptVerdicts(
        _ now: [PolicyRecord]
    ) -> (numbers: [UInt32], isNew: [Int]) {
        var numbers = [UInt32](repeating: 0, count: now.count)
        var isNew: [Int] = []
        var old = 0
        let before = memory.deciding
        func place(_ record: PolicyRecord) -> (Int, String) {
            (record.policy.layer, record.policy.name)
        }
        for position in now.indices {
            while old < before.count, before[old] !== now[position],
                place(before[old]) <= place(now[position])
            {
                forget(before[old], memory.verdicts[old])
                old += 1
            }
            guard old < before.count, before[old] === now[position] else {
                isNew.append(position)
                continue
            }
            if memory.unknownToKernel.contains(before[old].verdictCounter) {
                forget(before[old], memory.verdicts[old])
                isNew.append(position)
            } else {
                numbers[position] = memory.verdicts[old]
            }
            old += 1
        }
        while old < before.count {
            forget(before[old], memory.verdicts[old])
            old += 1
        }
        return (numbers, isNew)
    }

    private mutating func forget(_ record: PolicyRecord, _ number: UInt32) {
        memory.unknownToKernel.remove(record.verdictCounter)
        objects[record.verdictCounter] = nil
        for (action, _, map) in Self.verdictKinds where record.policy.decision?.action == action {
            memory.verdictMaps[map]?.elements[ElementKey(UInt128(number))] = nil
        }
    }
}
