// SPDX-License-Identifier: GPL-3.0-or-later
//
// Each kind of edit makes exactly the operations it needs, the kernel takes them in their order,
// and everything that was not edited stays what it was, down to handles and counters.

import Testing
import WeirKernel
import WeirRuleset

/// One edit of the ruleset of all statements.
struct Edit: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// What the delta is to do, in short.
    var expected: [String]
    var restarts: [String] = []
    var change: @Sendable (inout Ruleset) -> Void
}

private let effects = everyStatement(now: 0).chains["effects"]!.rules
private let oneRule = Rule([.verdict(.return)], comment: "new")

let edits: [Edit] = [
    Edit(testDescription: "nothing", expected: []) { _ in },
    Edit(testDescription: "a revision", expected: ["-1 revision", "+1 revision"]) {
        $0.revision.contentHash = "f00d"
    },
    Edit(testDescription: "an element more", expected: ["+1 adm"]) {
        $0.sets["adm"]!.elements[ElementKey(fields: 3, 3, 6, 22)] = Element(
            value: .number(0x8000_0003), comment: "new")
    },
    Edit(testDescription: "an element less", expected: ["-1 src4"]) {
        $0.sets["src4"]!.elements[ElementKey(0x0A00_0001)] = nil
    },
    Edit(testDescription: "a datum", expected: ["-1 src4", "+1 src4"]) {
        $0.sets["src4"]!.elements[ElementKey(0x0A00_0001)]!.value = .number(9)
    },
    Edit(testDescription: "an expiry", expected: ["-1 adm", "+1 adm"]) {
        $0.sets["adm"]!.elements[ElementKey(fields: 1, 2, 6, 80)]!.expiresAtMilliseconds! += 60_000
    },
    Edit(testDescription: "an interval", expected: ["-1 networks", "+1 networks"]) {
        let old = ElementKey(0x0A00_0000, through: 0x0AFF_FFFF)
        $0.sets["networks"]!.elements[ElementKey(0x0A00_0000, through: 0x0AFE_FFFF)] =
            $0.sets["networks"]!.elements.removeValue(forKey: old)
    },
    Edit(testDescription: "neighbouring intervals", expected: ["+2 networks"]) {
        $0.sets["networks"]!.elements[ElementKey(0x0900_0000, through: 0x09FF_FFFF)] = Element(
            value: .number(4))
        $0.sets["networks"]!.elements[ElementKey(0x0C00_0008, through: 0x0C00_0008)] = Element(
            value: .number(4))
    },
    Edit(testDescription: "an interval of a concatenation", expected: ["-1 ranges", "+1 ranges"]) {
        let key = ElementKey(fields: 2, 1, 443)
        $0.sets["ranges"]!.elements[key]!.value = .number(8)
    },
    Edit(
        testDescription: "a cap", expected: ["-1 caps", "+1 caps"], restarts: ["cap 7000:1"]
    ) {
        $0.sets["caps"]!.elements[ElementKey(0x7000_0001)]!.connectionCount = 12
    },
    Edit(
        testDescription: "a limit",
        expected: ["-1 rates", "-object rate_1", "+object rate_1", "+1 rates"],
        restarts: ["limit rate_1"]
    ) {
        $0.objects["rate_1"]!.kind = .limit(RateLimit(rate: 51, burst: 7))
    },
    Edit(
        testDescription: "a policy",
        expected: [
            "-1 counters", "-1 src4", "-object rejected_2", "+object rejected_3", "+1 counters",
        ]
    ) {
        $0.objects["rejected_2"] = nil
        $0.objects["rejected_3"] = NamedObject(kind: .counter)
        $0.sets["counters"]!.elements[ElementKey(0x9000_0002)] = nil
        $0.sets["counters"]!.elements[ElementKey(0x9000_0003)] = Element(
            value: .object("rejected_3"))
        $0.sets["src4"]!.elements[ElementKey(0x0A00_0002)] = nil
    },
    Edit(
        testDescription: "a rule",
        expected: ["flush effects", "rule effects x\(effects.count + 1)"]
    ) {
        $0.chains["effects"]!.rules.insert(oneRule, at: 3)
    },
    Edit(testDescription: "a comment of a rule", expected: ["flush refuse", "rule refuse x3"]) {
        $0.chains["refuse"]!.rules[0].comment = "why"
    },
    Edit(
        testDescription: "a chain more",
        expected: ["flush refuse", "+chain new", "rule new x1", "rule refuse x4"]
    ) {
        $0.chains["new"] = Chain(rules: [oneRule])
        $0.chains["refuse"]!.rules.append(Rule([.verdict(.jump("new"))]))
    },
    Edit(
        testDescription: "a chain less",
        expected: ["flush admit", "flush effects", "-chain effects", "rule admit x16"]
    ) {
        $0.chains["effects"] = nil
        $0.chains["admit"]!.rules.removeLast()
    },
    Edit(
        testDescription: "a hook",
        expected: ["flush forward", "-chain forward", "+chain forward", "rule forward x4"]
    ) {
        $0.chains["forward"]!.hook!.priority = -161
    },
    Edit(
        testDescription: "the size of a dynamic set",
        expected: ["flush limits", "-set sources", "+set sources", "rule limits x10"],
        restarts: ["learned sources"]
    ) {
        $0.sets["sources"]!.size = 70_000
    },
    Edit(
        testDescription: "the size of a map",
        expected: ["flush admit", "-set adm", "+set adm", "+2 adm", "rule admit x17"]
    ) {
        $0.sets["adm"]!.size = 2048
    },
    Edit(
        testDescription: "a set less and one more",
        expected: ["flush effects", "-set fixed", "+set other", "rule effects x\(effects.count)"]
    ) {
        $0.sets["fixed"] = nil
        $0.sets["other"] = NamedSet(key: [.mark])
        let user = effects.firstIndex { $0.statements.contains { $0.referredSet == "fixed" } }!
        $0.chains["effects"]!.rules[user] = Rule([.lookup([.mark], set: "other")])
    },
    Edit(
        testDescription: "a constant set",
        expected: [
            "flush effects", "-set fixed", "+set fixed", "+1 fixed",
            "rule effects x\(effects.count)",
        ]
    ) {
        $0.sets["fixed"]!.elements = [ElementKey(4): Element()]
    },
    Edit(
        testDescription: "a counter that a rule uses",
        expected: [
            "flush admit", "-1 counters", "-object allowed_1", "+object allowed_1", "+1 counters",
            "rule admit x17",
        ],
        restarts: ["counter allowed_1"]
    ) {
        $0.objects["allowed_1"]!.comment = "renamed"
    },
]

@Suite struct DeltaApplyTests {
    @Test(arguments: edits)
    func `an edit does what it must and leaves the rest alone`(_ edit: Edit) throws {
        let now = currentTimeMilliseconds()
        let before = everyStatement(now: now)
        var after = before
        edit.change(&after)
        try inNewNamespace {
            try load(otherTable)
            let other = try run(["nft", "-a", "list", "table", "ip", "other"]).output
            var socket = try NetfilterSocket.open()
            try socket.bring(before, now: now)
            let handles = try chainsWithHandles()
            let (table, generation) = try socket.readTable()
            let delta = after.delta(from: table, nowMilliseconds: now)
            #expect(brief(delta) == edit.expected)
            let held = KernelTable(holding: before)
            #expect(brief(after.delta(from: held, nowMilliseconds: now)) == edit.expected)
            #expect(delta.restarts.map { "\($0.kind.rawValue) \($0.name)" } == edit.restarts)
            try socket.apply(delta, expectedGeneration: generation, nowMilliseconds: now)
            let read = try socket.readTable()
            #expect(brief(after.delta(from: read.table, nowMilliseconds: now)) == [])
            let touched = Set(delta.operations.compactMap(touchedChain))
            for (name, text) in try chainsWithHandles() where !touched.contains(name) {
                #expect(handles[name] == text)
            }
            #expect(try run(["nft", "-a", "list", "table", "ip", "other"]).output == other)
            let text = try listing()
            try run(["nft", "flush", "ruleset"])
            try load(text)
        }
    }

    @Test func `every ruleset can be reached from every other`() throws {
        let now = currentTimeMilliseconds()
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            for first in edits {
                var from = everyStatement(now: now)
                first.change(&from)
                try socket.bring(from, now: now)
                let table = try socket.readTable().table
                #expect(
                    from.delta(from: table, nowMilliseconds: now).isEmpty, "\(first)")
            }
            try socket.bring(Ruleset(), now: now)
            #expect(try socket.readTable().table == KernelTable(holding: Ruleset()))
        }
    }
}

/// Each chain of weir's table with its rules and their handles.
private func chainsWithHandles() throws -> [String: String] {
    let text = try run(["nft", "-a", "list", "table", "inet", "weir"]).output
    var chains: [String: String] = [:]
    for part in text.split(separator: "\n\n") where part.contains("\tchain ") {
        let words = part.split(separator: " ")
        chains[String(words[1])] = String(part.trimmingSuffix("}\n"))
    }
    return chains
}

extension Substring {
    fileprivate func trimmingSuffix(_ characters: String) -> Substring {
        var result = self
        while let last = result.last, characters.contains(last) { result.removeLast() }
        return result
    }
}

private func touchedChain(_ operation: Delta.Operation) -> String? {
    switch operation.kind {
    case .flushChain(let name), .deleteChain(let name), .addChain(let name, _),
        .addRule(_, let name):
        name
    default: nil
    }
}

/// A delta in few words, rules of one chain together.
func brief(_ delta: Delta) -> [String] {
    var result: [String] = []
    var rules: [(chain: String, count: Int)] = []
    for operation in delta.operations {
        switch operation.kind {
        case .createTable: result.append("+table")
        case .deleteTable: result.append("-table")
        case .flushChain(let name): result.append("flush \(name)")
        case .deleteElements(let elements, let set, _): result.append("-\(elements.count) \(set)")
        case .deleteSet(let name): result.append("-set \(name)")
        case .deleteObject(let name, _): result.append("-object \(name)")
        case .deleteChain(let name): result.append("-chain \(name)")
        case .addObject(let name, _): result.append("+object \(name)")
        case .addSet(let name, _): result.append("+set \(name)")
        case .addChain(let name, _): result.append("+chain \(name)")
        case .addElements(let elements, let set, _): result.append("+\(elements.count) \(set)")
        case .addRule(_, let chain):
            if rules.last?.chain == chain {
                rules[rules.count - 1].count += 1
            } else {
                rules.append((chain, 1))
            }
        }
    }
    return result + rules.map { "rule \($0.chain) x\($0.count)" }
}
