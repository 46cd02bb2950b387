// SPDX-License-Identifier: GPL-3.0-or-later
//
// Findings that need no geometry or hardly any: loops of `overriding`, overriding what is never
// met, policies that match nothing or are over.

import WeirModel

extension Analyzer {
    /// `override-cycle` and `override-unused`.
    func overrideFindings() -> [Finding] {
        var found = overrideLoops().map { loop in
            Finding(
                code: .overrideCycle,
                policies: loop.map { Finding.Involved(policies[$0].id, .subject) },
                fix: loop.count == 1
                    ? .removeOverriding(
                        policy: policies[loop[0]].id, overridden: policies[loop[0]].id) : nil)
        }
        for slot in policies.order {
            let entry = policies[slot]
            guard entry.isLive else { continue }
            for target in entry.overriding where target != slot {
                let other = policies[target]
                guard other.isLive else { continue }
                let meets =
                    entry.action != nil && other.action != nil
                    && entry.bricks.contains { own in
                        other.bricks.contains { space.meets(own, $0) }
                    }
                guard !meets else { continue }
                found.append(
                    Finding(
                        code: .overrideUnused,
                        policies: [.init(entry.id, .subject), .init(other.id, .overridden)],
                        fix: .removeOverriding(policy: entry.id, overridden: other.id)))
            }
        }
        return found
    }

    /// Slots that override each other in a loop, each loop from its least policy on.
    /// Corresponds to the strongly connected components of Tarjan (1972), trivial ones left out.
    private func overrideLoops() -> [[Int]] {
        var search = ComponentSearch(count: policies.entries.count) { policies[$0].overriding }
        for slot in policies.order where !policies[slot].overriding.isEmpty { search.visit(slot) }
        return search.components
            .filter { $0.count > 1 || policies[$0[0]].overriding.contains($0[0]) }
            .map { $0.sorted { policies[$0].id < policies[$1].id } }
    }

    /// `empty-set` and `expired-policy`.
    func emptinessFindings() -> [Finding] {
        var found: [Finding] = []
        for slot in policies.order {
            let entry = policies[slot]
            found += emptyParts(entry).map {
                Finding(code: .emptySet, policies: [.init(entry.id, .subject, $0)])
            }
            if !entry.staged, space.times[entry.time].isEmpty {
                found.append(
                    Finding(
                        code: .expiredPolicy, policies: [.init(entry.id, .subject)],
                        fix: .removePolicy(entry.id)))
            }
        }
        return found
    }

    private func emptyParts(_ entry: PolicyEntry) -> [Finding.Part] {
        var parts = entry.emptyInteractions.map { Finding.Part.interaction($0) }
        guard !entry.bricks.isEmpty else { return parts }
        for (cap, reservations) in entry.reserved.enumerated() {
            for (index, bricks) in reservations.enumerated() where bricks.isEmpty {
                parts.append(.reservation(cap: cap, index))
            }
        }
        return parts
    }
}

/// Strongly connected components of a graph over small numbers, without recursion on the stack's
/// account deeper than the longest chain of `overriding`.
private struct ComponentSearch {
    private let next: (Int) -> [Int]
    private var number: [Int?]
    private var low: [Int]
    private var stack: [Int] = []
    private var onStack: [Bool]
    private var counter = 0
    private(set) var components: [[Int]] = []

    init(count: Int, next: @escaping (Int) -> [Int]) {
        self.next = next
        number = [Int?](repeating: nil, count: count)
        low = [Int](repeating: 0, count: count)
        onStack = [Bool](repeating: false, count: count)
    }

    mutating func visit(_ start: Int) {
        guard number[start] == nil else { return }
        number[start] = counter
        low[start] = counter
        counter += 1
        stack.append(start)
        onStack[start] = true
        for target in next(start) {
            if number[target] == nil {
                visit(target)
                low[start] = min(low[start], low[target])
            } else if onStack[target], let seen = number[target] {
                low[start] = min(low[start], seen)
            }
        }
        guard low[start] == number[start] else { return }
        var component: [Int] = []
        while let member = stack.popLast() {
            onStack[member] = false
            component.append(member)
            if member == start { break }
        }
        components.append(component)
    }
}
