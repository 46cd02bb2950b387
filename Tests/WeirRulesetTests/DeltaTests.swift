// SPDX-License-Identifier: GPL-3.0-or-later
//
// Deltas as values: what time does to them, what they count and what they say restarts. Their
// operations are tried against the kernel in WeirKernelTests.

import Testing
import WeirRuleset

@Suite struct DeltaTests {
    private let now: Int64 = 1_000_000

    private func timed(_ expiry: Int64?, value: UInt32 = 1) -> Ruleset {
        var ruleset = Ruleset()
        ruleset.sets["s"] = NamedSet(
            key: [.mark], kind: .map(.mark), flags: .timeout,
            elements: [
                ElementKey(1): Element(value: .number(value), expiresAtMilliseconds: expiry)
            ])
        return ruleset
    }

    private func changes(_ wanted: Ruleset, from held: Ruleset, at time: Int64) -> String {
        let counts = wanted.delta(from: KernelTable(holding: held), nowMilliseconds: time).counts
        return "+\(counts.elementsAdded) -\(counts.elementsRemoved) ~\(counts.elementsChanged)"
    }

    @Test func `expiry times are the same within two seconds`() {
        #expect(changes(timed(now + 9000), from: timed(now + 7000), at: now) == "+0 -0 ~0")
        #expect(changes(timed(now + 9001), from: timed(now + 7000), at: now) == "+0 -0 ~1")
        #expect(changes(timed(nil), from: timed(now + 7000), at: now) == "+0 -0 ~1")
    }

    @Test func `an element whose time is over is neither added nor deleted`() {
        let empty = { () -> Ruleset in
            var ruleset = timed(nil)
            ruleset.sets["s"]!.elements = [:]
            return ruleset
        }()
        #expect(changes(timed(now - 1), from: empty, at: now) == "+0 -0 ~0")
        #expect(changes(empty, from: timed(now - 1), at: now) == "+0 -0 ~0")
        #expect(changes(empty, from: timed(now + 1), at: now) == "+0 -1 ~0")
        #expect(changes(timed(now - 5000), from: timed(now + 5000), at: now) == "+0 -1 ~0")
        #expect(changes(timed(now + 5000), from: timed(now - 5000), at: now) == "+1 -0 ~0")
        #expect(changes(timed(now - 1, value: 2), from: timed(now - 1), at: now) == "+0 -0 ~0")
    }

    @Test func `a new table is counted whole`() {
        let delta = timed(nil).delta(from: nil, nowMilliseconds: now)
        #expect(delta.counts.summary == ["sets: 2 added", "elements: 1 added"])
        #expect(delta.operations.first?.kind == .createTable(comment: Ruleset.tableComment))
        #expect(delta.revision == Revision())
    }

    @Test func `a summary leaves out what does not change`() {
        var counts = Delta.Counts()
        #expect(counts.summary == [])
        counts.elementsAdded = 3
        counts.elementsChanged = 1
        counts.objectsReplaced = 2
        counts.rulesWritten = 5
        counts.chainsChanged = 1
        #expect(
            counts.summary == [
                "counters and limits: 2 replaced", "chains: 1 changed", "rules: 5 written",
                "elements: 3 added, 1 changed",
            ])
    }

    @Test func `taking the table out counts what goes`() {
        let delta = Delta.removing(KernelTable(holding: timed(nil)))
        #expect(delta.operations.map(\.kind) == [.deleteTable])
        #expect(delta.counts.summary == ["sets: 2 removed", "elements: 1 removed"])
        #expect(delta.revision == nil)
    }

    @Test func `what nft's text cannot hold makes no difference`() {
        var ruleset = timed(nil)
        ruleset.sets["s"]!.elements[ElementKey(1)]!.comment = "a \"b\""
        ruleset.objects["c"] = NamedObject(kind: .counter, comment: "a\tb")
        var held = KernelTable(holding: ruleset)
        held.sets["s"]!.elements[ElementKey(1)]!.comment = "a 'b'"
        held.objects["c"]!.comment = "a b"
        #expect(ruleset.delta(from: held, nowMilliseconds: now).isEmpty)
    }

    @Test func `everything foreign goes`() {
        var held = KernelTable(holding: timed(nil))
        held.foreignSets = ["s", "other"]
        held.foreignObjects = [ForeignObject(name: "quota", type: 2)]
        held.chains["nat"] = KernelChain(rules: [nil], isForeign: true)
        let delta = timed(nil).delta(from: held, nowMilliseconds: now)
        #expect(
            delta.operations.map(\.kind).prefix(5) == [
                .flushChain("nat"), .deleteSet("other"), .deleteSet("s"),
                .deleteObject("quota", type: 2), .deleteChain("nat"),
            ])
        #expect(
            delta.counts.summary == [
                "sets: 1 removed, 1 replaced", "counters and limits: 1 removed",
                "chains: 1 removed", "elements: 1 added",
            ])
    }
}
