// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a table that somebody changed by hand does to single policies, as far as a policy's own
// words could say it: off, another end, another number. Everything else is only a difference.

import WeirModel

/// How one policy is in the kernel, other than it should be.
public enum PolicyDrift: Hashable, Sendable {
    /// Nothing of it is looked up any more.
    case off
    /// It is there although it should not be; until when, in milliseconds since 1970-01-01.
    case on(untilMilliseconds: Int64?)
    /// It ends at another time.
    case ends(atMilliseconds: Int64)
    /// Its cap in total has another number.
    case cap(index: Int, connections: UInt32)
    /// Its limit in total has another rate or burst.
    case limit(index: Int, RateLimit)
}

/// Where a table departs from the one that it should be.
public struct TableDrift: Sendable {
    /// By `layer.policy`; only policies of which all differences are of these kinds, as far as
    /// one can see from the table alone.
    public let policies: [String: [PolicyDrift]]
    /// Policies that differ in other ways.
    public let others: [String]

    /// - Parameters:
    ///   - policySet: of which `wanted` is the table.
    ///   - delta: from the kernel's table to `wanted`.
    public init(
        _ policySet: PolicySet, wanted: Ruleset, kernel: KernelTable, delta: Delta
    ) {
        let touched = delta.touchedComments
        var policies: [String: [PolicyDrift]] = [:]
        var others: [String] = []
        for id in policySet.policyIDs {
            let name = policySet.qualifiedName(id)
            guard touched.contains(kernelComment(name)) else { continue }
            let drift = Self.drift(policySet[id], name, wanted, kernel)
            if drift.isEmpty { others.append(name) } else { policies[name] = drift }
        }
        self.policies = policies
        self.others = others
    }

    private static func drift(
        _ policy: Policy, _ name: String, _ wanted: Ruleset, _ kernel: KernelTable
    ) -> [PolicyDrift] {
        let comment = kernelComment(name)
        let due = stageElements(wanted.sets, comment)
        let held = stageElements(kernel.sets, comment)
        if held.isEmpty, !due.isEmpty { return [.off] }
        let ends = Set(held.values.map(\.expiresAtMilliseconds))
        if due.isEmpty, !held.isEmpty {
            // An element each with an end of its own is nothing that a policy could say.
            guard let first = ends.first, ends.allSatisfy({ near($0, first) }) else { return [] }
            return [.on(untilMilliseconds: first)]
        }
        var found: [PolicyDrift] = []
        if Set(due.keys) == Set(held.keys), let end = ends.first ?? nil,
            ends.allSatisfy({ near($0, end) }),
            due.values.allSatisfy({
                $0.expiresAtMilliseconds != nil && !near($0.expiresAtMilliseconds, end)
            })
        {
            found.append(.ends(atMilliseconds: end))
        }
        return found + numbers(policy, name, wanted, kernel)
    }

    private static func numbers(
        _ policy: Policy, _ name: String, _ wanted: Ruleset, _ kernel: KernelTable
    ) -> [PolicyDrift] {
        let prefix = name.split(separator: ".", maxSplits: 1).map {
            escapedIdentifier(String($0))
        }.joined(separator: ".")
        var found: [PolicyDrift] = []
        for index in policy.caps.indices where policy.caps[index].scope == .total {
            let counter = "\(prefix).cap\(index + 1).refused"
            // The kernel's own numbers: a cap that counts something else has another one.
            let key = kernel.sets[ProgramName.refusedByCap]?.elements.first {
                $0.value.value == .object(counter)
            }?.key
            guard let key, policy.caps[index].reservations.isEmpty,
                let number = kernel.sets[ProgramName.caps]?.elements[key]?.connectionCount,
                UInt64(number) != policy.caps[index].connections
            else { continue }
            found.append(.cap(index: index, connections: number))
        }
        for index in policy.limits.indices where policy.limits[index].scope == .total {
            let object = "\(prefix).limit\(index + 1)"
            guard case .limit(let rate)? = kernel.objects[object]?.kind,
                kernel.objects[object]?.kind != wanted.objects[object]?.kind
            else { continue }
            found.append(.limit(index: index, rate))
        }
        return found
    }

    private struct Place: Hashable {
        let set: String
        let key: ElementKey
    }

    /// A policy's elements in the maps that packets are looked up in.
    private static func stageElements(
        _ sets: [String: NamedSet], _ comment: String
    ) -> [Place: Element] {
        var found: [Place: Element] = [:]
        let prefixes =
            ["layer.", ProgramName.priorityStage] + ProgramName.slotStages
        for (name, set) in sets where prefixes.contains(where: { name.hasPrefix($0) }) {
            for (key, element) in set.elements where element.origin == comment {
                found[Place(set: name, key: key)] = element
            }
        }
        return found
    }

    private static func near(_ a: Int64?, _ b: Int64?) -> Bool {
        guard let a, let b else { return a == b }
        return abs(a - b) <= expiryToleranceMilliseconds
    }
}

extension Delta {
    /// The comments of all elements and objects that it adds, changes or takes away.
    var touchedComments: Set<String> {
        var touched: Set<String> = []
        for operation in operations {
            touched.insert(operation.origin)
            if case .addObject(_, let object) = operation.kind { touched.insert(object.comment) }
            switch operation.kind {
            case .addElements(let elements, _, _), .deleteElements(let elements, _, _):
                for item in elements { touched.insert(item.element.origin) }
            default: break
            }
        }
        return touched
    }

    /// Whether it changes anything of a policy, other than giving a cap a new element: a cap with
    /// another number has one, which counts what exists; an element made by hand does not.
    public func touches(policy name: String) -> Bool {
        func countsPlaces(_ set: String) -> Bool {
            set == ProgramName.caps || set == ProgramName.refusedByCap
                || set.hasPrefix(ProgramName.capStage)
        }
        var rest = self
        rest.operations = operations.filter { operation in
            switch operation.kind {
            case .addElements(_, let set, _), .deleteElements(_, let set, _): !countsPlaces(set)
            default: true
            }
        }
        return rest.touchedComments.contains(kernelComment(name))
    }

    /// Whether it adds anything of a policy, rather than clearing away what is left of it.
    public func adds(policy name: String) -> Bool {
        let comment = kernelComment(name)
        return operations.contains { operation in
            switch operation.kind {
            case .addElements(let elements, _, _):
                elements.contains { $0.element.origin == comment }
            case .addObject(_, let object): object.comment == comment
            default: false
            }
        }
    }
}
