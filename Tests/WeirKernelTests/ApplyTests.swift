// SPDX-License-Identifier: GPL-3.0-or-later
//
// What is written over netlink is what nft would have written: the listings agree byte for byte,
// load again, and read back as nothing left to do.

import Testing
import WeirKernel
import WeirRuleset

@Suite struct ApplyTests {
    @Test func `netlink and nft text make the same table`() throws {
        let now = currentTimeMilliseconds()
        let ruleset = everyStatement(now: now)
        let fromText = try inNewNamespace {
            try load(ruleset.nftText(nowMilliseconds: now))
            return (try listing(), try expressions())
        }
        let fromNetlink = try inNewNamespace {
            var socket = try NetfilterSocket.open()
            try socket.bring(ruleset, now: now)
            return (try listing(), try expressions())
        }
        #expect(parts(fromNetlink.0) == parts(fromText.0))
        #expect(fromNetlink.1 == fromText.1)
    }

    @Test func `a bridge's table is made as nft makes it`() throws {
        var ruleset = Ruleset(family: .bridge)
        ruleset.sets["src4"] = NamedSet(
            key: [.ipv4Address], kind: .map(.classid),
            elements: [ElementKey(0x0A00_0001): Element(value: .number(1))])
        ruleset.chains["forward"] = Chain(
            hook: .init(point: .forward, priority: -160),
            rules: [
                Rule([.networkFamily(.ipv6), .verdict(.drop)]),
                Rule([.setFromMap(.priority, [.ipSource], map: "src4")]),
            ])
        let fromText = try inNewNamespace {
            try load(ruleset.nftText(nowMilliseconds: 0))
            return (try listing(), try expressions())
        }
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            try socket.bring(ruleset)
            #expect(try parts(listing()) == parts(fromText.0))
            #expect(try expressions() == fromText.1)
            let table = try socket.readTable(family: .bridge).table
            #expect(ruleset.delta(from: table, nowMilliseconds: 0).isEmpty)
        }
    }

    @Test func `the listing of what netlink wrote loads again and lists the same`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            try socket.bring(everyStatement(now: currentTimeMilliseconds()))
            let first = try listing()
            try run(["nft", "flush", "ruleset"])
            try load(first)
            #expect(try listing() == first)
        }
    }

    @Test func `the text replaces the table and touches no other`() throws {
        try inNewNamespace {
            try load("table inet weir { set old { type mark; }; }\n" + otherTable)
            let other = try run(["nft", "list", "table", "ip", "other"]).output
            let now = currentTimeMilliseconds()
            let text = everyStatement(now: now).nftText(nowMilliseconds: now)
            try load(text)
            let once = try listing()
            try load(text)
            #expect(try listing() == once)
            #expect(!once.contains("set old"))
            #expect(try run(["nft", "list", "table", "ip", "other"]).output == other)
        }
    }

    @Test func `what was applied reads back as nothing left to do`() throws {
        let now = currentTimeMilliseconds()
        let ruleset = everyStatement(now: now)
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            #expect(try socket.readTable().table == nil)
            let generation = try socket.bring(ruleset, now: now)
            let read = try socket.readTable()
            let table = try #require(read.table)
            #expect(read.generation == generation)
            #expect(table.revision == ruleset.revision)
            #expect(try socket.readRevision() == ruleset.revision)
            #expect(brief(ruleset.delta(from: table, nowMilliseconds: now)) == [])
            #expect(table.foreignSets.isEmpty && table.foreignObjects.isEmpty)
            let held = KernelTable(holding: ruleset)
            #expect(table.chains == held.chains)
            #expect(table.objects == held.objects)
            #expect(ruleset.delta(from: held, nowMilliseconds: now).isEmpty)
            #expect(Set(table.sets.keys) == Set(held.sets.keys))
            for (name, set) in held.sets {
                #expect(table.sets[name]?.sameDefinition(as: set) == true, "\(name)")
                #expect(table.sets[name]?.elements.keys == set.elements.keys, "\(name)")
            }
        }
    }

    @Test func `a table that nft loaded is taken over with its sets and counters`() throws {
        let now = currentTimeMilliseconds()
        let ruleset = everyStatement(now: now)
        try inNewNamespace {
            try load(ruleset.nftText(nowMilliseconds: now))
            var socket = try NetfilterSocket.open()
            let table = try socket.readTable().table
            let delta = ruleset.delta(from: table, nowMilliseconds: now)
            // Only the rules carry no fingerprint.
            #expect(delta.counts.chainsChanged == ruleset.chains.count - 1)
            var onlyRules = Delta.Counts()
            onlyRules.chainsChanged = delta.counts.chainsChanged
            onlyRules.rulesWritten = ruleset.chains.values.reduce(0) { $0 + $1.rules.count }
            #expect(delta.counts == onlyRules)
            let before = try listing()
            try socket.bring(ruleset, now: now)
            #expect(parts(try listing()) == parts(before))
        }
    }

    @Test func `removing takes out weir's table and no other`() throws {
        try inNewNamespace {
            try load(otherTable)
            let before = try listing()
            var socket = try NetfilterSocket.open()
            try socket.bring(everyStatement(now: currentTimeMilliseconds()))
            let (table, generation) = try socket.readTable()
            try socket.apply(.removing(#require(table)), expectedGeneration: generation)
            #expect(try listing() == before)
            #expect(try socket.readTable().table == nil)
        }
    }
}

/// What somebody else keeps in the kernel.
let otherTable = """
    table ip other {
    \tset learned {
    \t\ttype ipv4_addr
    \t\telements = { 10.0.0.1 }
    \t}
    \tchain pre {
    \t\ttype filter hook prerouting priority 0; policy accept;
    \t\tip saddr @learned counter packets 17 bytes 4711 comment "kept"
    \t}
    }

    """

/// The expressions of all rules as the kernel gives them back.
private func expressions() throws -> [Substring] {
    try run(["nft", "--debug=netlink", "list", "ruleset"]).output.split(separator: "\n")
        .filter { $0.hasPrefix("  [") }
}

/// Loads text with `nft -f`.
func load(_ text: String) throws {
    let result = try run(["nft", "-f", "-"], input: text)
    #expect(result == ProgramResult(status: 0, output: ""), "\(text)")
}

extension NetfilterSocket {
    /// Brings the kernel to a ruleset; the generation afterwards.
    @discardableResult
    mutating func bring(
        _ ruleset: Ruleset, now: Int64 = currentTimeMilliseconds()
    ) throws -> UInt32 {
        let (table, generation) = try readTable(family: ruleset.family, name: ruleset.name)
        let delta = ruleset.delta(from: table, nowMilliseconds: now)
        return try apply(delta, expectedGeneration: generation, nowMilliseconds: now)
    }
}

/// The parts of a listing in the order of their text: nft lists in the order of creation.
func parts(_ listing: String) -> [String] {
    let inner = listing.split(separator: "\n\n").map { part in
        part.split(separator: "\n").filter { $0 != "}" && !$0.hasPrefix("table ") }
            .joined(separator: "\n")
    }
    return inner.sorted()
}
