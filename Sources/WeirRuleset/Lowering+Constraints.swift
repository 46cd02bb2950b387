// SPDX-License-Identifier: GPL-3.0-or-later
//
// Caps and limits become slots: stages whose answer is the number of what has to be counted.
// Limits are asked before caps, so that a refused connection holds no place; packets and bytes are
// metered last, in both directions.

import WeirModel

/// Slots to compile, and the counting that they lead to.
struct ConstraintPlans {
    var limits: [StagePlan] = []
    var caps: [StagePlan] = []
    var meters: [StagePlan] = []
    var counting = Counting()
}

/// How what the slots found is counted.
struct Counting {
    /// Classes of which there is a constraint.
    var classes: Set<ConstraintClass> = []
    /// Classes of which there is a constraint in total.
    var totals: Set<ConstraintClass> = []
    /// Constraints counted per source, destination or pair, by what they share.
    var keyedKinds: [KeyedKind] = []
}

/// Constraints that count per key and share scope and numbers: one dynamic set for each family.
struct KeyedKind: Hashable {
    let measure: LoweredConstraint.Measure
    let scope: CountingScope
    let constraintClass: ConstraintClass

    /// `limitReject.source.50-1-100`, `capReject.pair.5`.
    var name: String {
        let kind = "\(constraintClass.rawValue).\(scope.rawValue)"
        return switch measure {
        case .limit(let rate):
            "\(kind).\(rate.rate)-\(rate.intervalSeconds)-\(rate.burst)"
        case .cap(let count): "\(kind).\(count)"
        }
    }
}

extension Lowering {
    /// The plans of the last compilation where the same policies constrain, else new ones.
    mutating func constraintPlans(_ matching: [PolicyID]) -> ConstraintPlans {
        let constraining = matching.filter { !records[$0.index].constraints.isEmpty }
        let now = constraining.map { records[$0.index] }
        if let known = memory.constraints {
            if known.records.elementsEqual(now, by: ===) {
                sets.merge(known.sets) { $1 }
                caps = known.caps(for: constraining)
                return known.plans(for: constraining)
            }
            for name in known.objects { objects[name] = nil }
        }
        let before = Set(sets.keys)
        let (plans, names) = newConstraintPlans(constraining)
        memory.constraints = ConstraintMemory(
            records: now, policies: constraining, plans: plans, caps: caps,
            sets: sets.filter { !before.contains($0.key) }, objects: names)
        return plans
    }

    /// - Returns: and the names of the objects that they have.
    private mutating func newConstraintPlans(
        _ constraining: [PolicyID]
    ) -> (ConstraintPlans, [String]) {
        var constraints: [LoweredConstraint] = []
        for id in constraining {
            for var constraint in records[id.index].constraints {
                constraint.policy = id
                constraints.append(constraint)
            }
        }
        var numbers: [String: UInt32] = [:]
        var result = ConstraintPlans()
        for kind in ConstraintClass.allCases {
            let own = constraints.filter { $0.constraintClass == kind }
            guard !own.isEmpty else { continue }
            result.counting.classes.insert(kind)
            let recovery = recovery
            let given = assignNumbers(own.map(\.counterName), in: kind.range) { index, number in
                !kind.isCap || recovery.fingerprints[number] == own[index].fingerprint
            }
            for (item, number) in zip(own, given) { numbers[item.name] = number }
        }
        func slots(_ prefix: String, _ holds: (ConstraintClass) -> Bool) -> [StagePlan] {
            constraintSlots(constraints.filter { holds($0.constraintClass) }, numbers, prefix)
        }
        result.limits = slots(ProgramName.limitStage) { !$0.isCap && !$0.isMeter }
        result.caps = slots(ProgramName.capStage, \.isCap)
        result.meters = slots(ProgramName.meterStage, \.isMeter)
        countTotals(constraints, numbers, &result.counting)
        countPerKey(constraints, numbers, &result.counting)
        excessCounters(constraints, numbers)
        keepCaps(constraints, numbers)
        return (result, constraints.flatMap { [$0.name, $0.counterName] })
    }

    private mutating func constraintSlots(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32], _ prefix: String
    ) -> [StagePlan] {
        slots(
            constraints.map { item in
                SlotItem(
                    entry: StageEntry(
                        boxes: item.boxes, value: numbers[item.name] ?? 0, comment: item.comment,
                        expiresAtMilliseconds: item.expiresAtMilliseconds),
                    name: item.name, policy: item.policy, shape: item.shape,
                    prefix: "\(prefix)\(item.order)", constraintClass: item.constraintClass)
            }, of: prefix)
    }

    /// The buckets and places that count in total.
    private mutating func countTotals(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32], _ result: inout Counting
    ) {
        var limitMap = NamedSet(key: [.classid], kind: .objectMap(.limit))
        var capSet = NamedSet(key: [.classid], countsConnections: true)
        for item in constraints where item.scope == .total {
            let key = ElementKey(UInt128(numbers[item.name] ?? 0))
            result.totals.insert(item.constraintClass)
            switch item.measure {
            case .limit(let rate):
                objects[item.name] = NamedObject(kind: .limit(rate), comment: item.comment)
                limitMap.elements[key] = Element(
                    value: .object(item.name), comment: item.comment)
            case .cap(let count):
                capSet.elements[key] = Element(
                    connectionCount: count, comment: item.elementComment)
            }
        }
        limitMap.declareSize(previous: previous?.sets[ProgramName.limits])
        capSet.declareSize(previous: previous?.sets[ProgramName.caps])
        if !limitMap.elements.isEmpty { sets[ProgramName.limits] = limitMap }
        if !capSet.elements.isEmpty { sets[ProgramName.caps] = capSet }
    }

    /// The sets that say which constraints count per key, and how.
    private mutating func countPerKey(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32], _ result: inout Counting
    ) {
        var members: [KeyedKind: NamedSet] = [:]
        for item in constraints where item.scope != .total {
            let kind = KeyedKind(
                measure: item.measure, scope: item.scope, constraintClass: item.constraintClass)
            members[kind, default: NamedSet(key: [.classid])]
                .elements[ElementKey(UInt128(numbers[item.name] ?? 0))] = Element(
                    comment: item.elementComment)
        }
        for (kind, set) in members {
            var set = set
            set.declareSize(previous: previous?.sets[kind.name])
            sets[kind.name] = set
        }
        result.keyedKinds = members.keys.sorted { $0.name < $1.name }
    }

    /// What a commit needs to know to let caps count what exists.
    private mutating func keepCaps(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32]
    ) {
        caps = constraints.compactMap { item in
            guard case .cap(let connections) = item.measure else { return nil }
            let kind = KeyedKind(
                measure: item.measure, scope: item.scope, constraintClass: item.constraintClass)
            return LoweredCap(
                number: numbers[item.name] ?? 0, policy: item.policy, policyName: item.comment,
                part: String(item.name.dropFirst(records[item.policy.index].kernelName.count + 1)),
                connections: connections, scope: item.scope, boxes: item.boxes,
                keyed: item.scope == .total ? nil : kind)
        }
    }

    private mutating func excessCounters(
        _ constraints: [LoweredConstraint], _ numbers: [String: UInt32]
    ) {
        for item in constraints {
            count(
                item.counterName, numbers[item.name] ?? 0, item.comment,
                in: item.constraintClass.counterMap)
        }
    }
}
