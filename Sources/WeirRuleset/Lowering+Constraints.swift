// SPDX-License-Identifier: GPL-3.0-or-later
//
// Caps and limits become slots: stages whose answer is the number of what has to be counted.
// Limits are asked before caps, so that a refused connection holds no place.

import WeirModel

/// Slots to compile, and the counting that they lead to.
struct ConstraintPlans {
    var limits: [StagePlan] = []
    var caps: [StagePlan] = []
    var counting = Counting()
}

/// How what the slots found is counted.
struct Counting {
    /// Constraints counted per source, destination or pair, by what they share.
    var keyedKinds: [KeyedKind] = []
    var hasTotalLimits = false
    var hasTotalCaps = false
}

/// Constraints that count per key and share scope and numbers: one dynamic set for each family.
struct KeyedKind: Hashable {
    enum Measure: Hashable {
        case limit(RateLimit)
        case cap(UInt32)
    }
    let measure: Measure
    let scope: CountingScope
    let excess: Limit.Excess

    /// `limit.source.50-1-100`, `cap.pair.5`.
    var name: String {
        switch measure {
        case .limit(let rate):
            "rate.\(scope.rawValue).\(rate.rate)-\(rate.intervalSeconds)-\(rate.burst)"
                + (excess == .drop ? ".drop" : "")
        case .cap(let count): "count.\(scope.rawValue).\(count)"
        }
    }
}

extension Lowering {
    mutating func constraintPlans(
        _ inForce: [PolicyID], _ boxes: [PolicyID: [Box]]
    ) -> ConstraintPlans {
        var limits: [LoweredConstraint] = []
        var caps: [LoweredConstraint] = []
        for id in inForce {
            let own = boxes[id] ?? []
            guard !own.isEmpty else { continue }
            let name = kernelName(id)
            limits += policySet.loweredLimits(id, own, name: name, expires: expiry(id))
            caps += policySet.loweredCaps(
                id, own, name: name, table: &table, expires: expiry(id))
        }
        var result = ConstraintPlans()
        let rejecting = limits.filter { !$0.drops }
        let dropping = limits.filter(\.drops)
        let limitNumbers =
            number(rejecting, IdentifierRange.limits)
            .merging(number(dropping, IdentifierRange.droppingLimits)) { a, _ in a }
        let capNumbers = number(caps, IdentifierRange.caps)
        result.limits = slots(limits, limitNumbers, prefix: ProgramName.limitStage)
        result.caps = slots(caps, capNumbers, prefix: ProgramName.capStage)
        countTotals(limits, limitNumbers, caps, capNumbers, &result.counting)
        countPerKey(limits + caps, limitNumbers.merging(capNumbers) { a, _ in a }, &result.counting)
        refusalCounters(limits, limitNumbers, ProgramName.refusedByLimit)
        refusalCounters(caps, capNumbers, ProgramName.refusedByCap)
        return result
    }

    private func number(
        _ constraints: [LoweredConstraint], _ range: ClosedRange<UInt32>
    ) -> [String: UInt32] {
        let names = constraints.map(\.counterName)
        return Dictionary(
            uniqueKeysWithValues: zip(constraints.map(\.name), assignNumbers(names, in: range)))
    }

    /// Assigns slots, those that the kernel knows first.
    private func slots(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32], prefix: String
    ) -> [StagePlan] {
        var assigner = SlotAssigner(table: table)
        var members: [StageName: [Int]] = [:]
        var shapes: [StageName: Shape] = [:]
        let wished = constraints.map { item -> String? in
            numbers[item.name].flatMap { recovery.stageOfConstraint[$0] }
        }
        let order = constraints.indices.sorted { a, b in
            let (first, second) = (wished[a] == nil ? 1 : 0, wished[b] == nil ? 1 : 0)
            return (first, constraints[a].name) < (second, constraints[b].name)
        }
        for index in order {
            let item = constraints[index]
            let timed = item.expiresAtMilliseconds != nil
            let shape = Shape(item.boxes, table)
            let slot = assigner.assign(
                item.boxes, shape: shape, prefix: "\(prefix)\(item.order)\(timed ? "t" : "")",
                wish: wished[index])
            let name = StageName(text: slot, timed: timed)
            members[name, default: []].append(index)
            shapes[name] = shape
        }
        return members.sorted { $0.key.text < $1.key.text }.map { name, indices in
            StagePlan(
                name: name, shape: shapes[name] ?? Shape([], table),
                entries: indices.map { index in
                    let item = constraints[index]
                    return StageEntry(
                        boxes: item.boxes, value: numbers[item.name] ?? 0, comment: item.comment,
                        expiresAtMilliseconds: item.expiresAtMilliseconds)
                }, policies: indices.map { constraints[$0].policy })
        }
    }

    /// The buckets and places that count in total.
    private mutating func countTotals(
        _ limits: [LoweredConstraint], _ limitNumbers: [String: UInt32],
        _ caps: [LoweredConstraint], _ capNumbers: [String: UInt32],
        _ result: inout Counting
    ) {
        var limitMap = NamedSet(key: [.classid], kind: .objectMap(.limit))
        for item in limits where item.scope == .total {
            guard case .limit(let rate, _) = item.kind, let number = limitNumbers[item.name]
            else { continue }
            objects[item.name] = NamedObject(kind: .limit(rate), comment: item.comment)
            limitMap.elements[ElementKey(UInt128(number))] = Element(
                value: .object(item.name), comment: item.comment)
        }
        var capSet = NamedSet(key: [.classid], countsConnections: true)
        for item in caps where item.scope == .total {
            guard case .cap(let count) = item.kind, let number = capNumbers[item.name]
            else { continue }
            capSet.elements[ElementKey(UInt128(number))] = Element(
                connectionCount: count, comment: item.comment)
        }
        result.hasTotalLimits = !limitMap.elements.isEmpty
        result.hasTotalCaps = !capSet.elements.isEmpty
        limitMap.declareSize(previous: previous?.sets[ProgramName.limits])
        capSet.declareSize(previous: previous?.sets[ProgramName.caps])
        if result.hasTotalLimits { sets[ProgramName.limits] = limitMap }
        if result.hasTotalCaps { sets[ProgramName.caps] = capSet }
    }

    /// The sets that say which constraints count per key, and how.
    private mutating func countPerKey(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32],
        _ result: inout Counting
    ) {
        var members: [KeyedKind: NamedSet] = [:]
        for item in constraints where item.scope != .total {
            let kind =
                switch item.kind {
                case .limit(let rate, let excess):
                    KeyedKind(measure: .limit(rate), scope: item.scope, excess: excess)
                case .cap(let count):
                    KeyedKind(measure: .cap(count), scope: item.scope, excess: .reject)
                }
            members[kind, default: NamedSet(key: [.classid])]
                .elements[ElementKey(UInt128(numbers[item.name] ?? 0))] = Element(
                    comment: item.comment)
        }
        for (kind, set) in members {
            var set = set
            set.declareSize(previous: previous?.sets[kind.name])
            sets[kind.name] = set
        }
        result.keyedKinds = members.keys.sorted { $0.name < $1.name }
    }

    private mutating func refusalCounters(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32], _ map: String
    ) {
        guard !constraints.isEmpty else { return }
        var counters = NamedSet(key: [.classid], kind: .objectMap(.counter))
        for item in constraints {
            objects[item.counterName] = NamedObject(kind: .counter, comment: item.comment)
            counters.elements[ElementKey(UInt128(numbers[item.name] ?? 0))] = Element(
                value: .object(item.counterName), comment: item.comment)
        }
        counters.declareSize(previous: previous?.sets[map])
        sets[map] = counters
    }
}

extension LoweredConstraint {
    var drops: Bool {
        if case .limit(_, .drop) = kind { true } else { false }
    }
}
