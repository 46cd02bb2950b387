// SPDX-License-Identifier: GPL-3.0-or-later
//
// Findings that need no geometry or hardly any: loops of `overriding`, overriding what is never
// met, policies that match nothing or are over.

import WeirModel

extension Analyzer {
    /// Slots that override each other in a loop.
    /// Corresponds to the strongly connected components of Tarjan (1972), trivial ones left out.
    func overrideLoops() -> [[Int]] {
        var search = ComponentSearch(count: policies.slotCount) { policies.entry($0).overriding }
        for slot in policies.order where !policies.entry(slot).overriding.isEmpty {
            search.visit(slot)
        }
        return search.components
            .filter { $0.count > 1 || policies.entry($0[0]).overriding.contains($0[0]) }
    }

    /// `override-cycle`.
    func loopFinding(_ loop: [Int]) -> Finding {
        let loop = policies.inOrder(loop)
        return Finding(
            code: .overrideCycle, policies: loop.map { .init(handle($0), .subject) },
            fix: loop.count == 1
                ? .removeOverriding(policy: handle(loop[0]), overridden: handle(loop[0])) : nil)
    }

    /// `override-unused`, `empty-set` and `expired-policy` of a policy.
    func namesAndEmptiness(_ slot: Int) -> [Finding] {
        let entry = policies.entry(slot)
        var found = emptyParts(entry).map {
            Finding(code: .emptySet, policies: [.init(handle(slot), .subject, $0)])
        }
        if !entry.staged, space.times[entry.time].isEmpty {
            found.append(
                Finding(
                    code: .expiredPolicy, policies: [.init(handle(slot), .subject)],
                    fix: .removePolicy(handle(slot))))
        }
        guard entry.isLive else { return found }
        for target in entry.overriding where target != slot {
            let other = policies.entry(target)
            guard other.isLive, !speakTogether(entry, other) else { continue }
            found.append(
                Finding(
                    code: .overrideUnused,
                    policies: [
                        .init(handle(slot), .subject), .init(handle(target), .overridden),
                    ],
                    fix: .removeOverriding(policy: handle(slot), overridden: handle(target))))
        }
        return found
    }

    private func speakTogether(_ a: PolicyEntry, _ b: PolicyEntry) -> Bool {
        guard a.action != nil, b.action != nil else { return false }
        return a.bricks.contains { own in b.bricks.contains { space.meets(own, $0) } }
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
