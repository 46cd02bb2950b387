// SPDX-License-Identifier: GPL-3.0-or-later
//
// Counters, other tables' chains, others' commits and conntrack, with real packets over loopback.

import Glibc
import Testing
import WeirKernel
import WeirModel
import WeirRuleset

@Suite struct ObserveTests {
    @Test func `counters count packets and survive other commits`() throws {
        try inNewNamespace {
            try bringUpLoopback()
            var socket = try NetfilterSocket.open()
            var ruleset = Ruleset()
            ruleset.objects = ["seen": NamedObject(kind: .counter), "idle": .init(kind: .counter)]
            ruleset.chains["in"] = Chain(
                hook: .init(point: .input, priority: 0),
                rules: [Rule([.l4proto(17), .counter("seen")])])
            try socket.bring(ruleset)
            let peer = try UDPPair()
            for _ in 0..<3 { try peer.send("four") }
            let expected = CounterReading(packets: 3, bytes: 3 * (20 + 8 + 4))
            #expect(
                try socket.readCounters()
                    == ["seen": expected, "idle": CounterReading(packets: 0, bytes: 0)])
            ruleset.objects["more"] = NamedObject(kind: .counter)
            ruleset.revision.contentHash = "1"
            try socket.bring(ruleset)
            #expect(try socket.readCounters()["seen"] == expected)
        }
    }

    @Test func `other tables' chains on the same hooks are listed`() throws {
        try inNewNamespace {
            try load(otherTable)
            try load(
                """
                table inet weir { chain own { type filter hook prerouting priority -5; }; }
                table inet fw { chain f { type filter hook forward priority 0; policy drop; }; }
                table ip6 n { chain p { type nat hook prerouting priority -100; }; }
                table bridge b { chain x { type filter hook prerouting priority 0; }; }
                table netdev d { }

                """)
            var socket = try NetfilterSocket.open()
            let all = try socket.readForeignBaseChains(on: [.prerouting, .forward])
            #expect(
                all == [
                    ForeignBaseChain(
                        family: "ip6", table: "n", chain: "p", type: "nat", point: .prerouting,
                        priority: -100, dropsByDefault: false),
                    ForeignBaseChain(
                        family: "ip", table: "other", chain: "pre", type: "filter",
                        point: .prerouting, priority: 0, dropsByDefault: false),
                    ForeignBaseChain(
                        family: "inet", table: "fw", chain: "f", type: "filter", point: .forward,
                        priority: 0, dropsByDefault: true),
                ])
            #expect(try socket.readForeignBaseChains(on: [.output]) == [])
        }
    }

    @Test func `a monitor hears of every commit and whose table it changed`() throws {
        try inNewNamespace {
            var monitor = try CommitMonitor.open()
            var socket = try NetfilterSocket.open()
            #expect(try monitor.nextCommit(timeoutMilliseconds: 20) == nil)
            let generation = try socket.bring(everyStatement(now: currentTimeMilliseconds()))
            let own = try #require(try monitor.nextCommit(timeoutMilliseconds: 1000))
            #expect(own.generation == generation && own.touches())
            #expect(!own.touches(family: .bridge) && !own.touches(table: "other"))
            try load(otherTable)
            try load("add element ip other learned { 10.0.0.2 }")
            for next in [generation + 1, generation + 2] {
                let commit = try #require(try monitor.nextCommit(timeoutMilliseconds: 1000))
                #expect(commit.generation == next)
                #expect(commit.tables == [TableName(family: 2, name: "other")])
            }
            #expect(try monitor.nextCommit(timeoutMilliseconds: 20) == nil)
        }
    }

    @Test func `a reading is the same as a later one though its elements grow older`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let now = currentTimeMilliseconds()
            var ruleset = everyStatement(now: now)
            ruleset.sets["adm"]!.elements[ElementKey(fields: 9, 9, 9, 9)] = Element(
                value: .number(1), expiresAtMilliseconds: now + 100)
            try socket.bring(ruleset, now: now)
            let first = try #require(try socket.readTable().table)
            usleep(150_000)
            try load(otherTable)
            let later = try #require(try socket.readTable().table)
            #expect(first != later)
            #expect(later.isUnchanged(since: first, nowMilliseconds: currentTimeMilliseconds()))
            try load("add element inet weir src4 { 10.9.9.9 : 0:9 }")
            let changed = try #require(try socket.readTable().table)
            #expect(!changed.isUnchanged(since: first, nowMilliseconds: currentTimeMilliseconds()))
            #expect(!later.isUnchanged(since: changed, nowMilliseconds: currentTimeMilliseconds()))
        }
    }

    @Test func `somebody else's changes to the table are put right and nothing more`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let ruleset = everyStatement(now: currentTimeMilliseconds())
            try socket.bring(ruleset)
            try load(
                """
                add set inet weir strange { type ether_addr; }
                add quota inet weir q { over 5 mbytes; }
                add element inet weir src4 { 10.9.9.9 : 0:9 }
                insert rule inet weir refuse accept
                add chain inet weir extra { type nat hook output priority 0; }

                """)
            let table = try #require(try socket.readTable().table)
            #expect(table.foreignSets == ["strange"])
            #expect(table.foreignObjects == [ForeignObject(name: "q", type: 2)])
            let delta = ruleset.delta(from: table, nowMilliseconds: currentTimeMilliseconds())
            #expect(
                brief(delta) == [
                    "flush refuse", "-1 src4", "-set strange", "-object q", "-chain extra",
                    "rule refuse x3",
                ])
            try socket.bring(ruleset)
            let after = try socket.readTable().table
            let rest = ruleset.delta(from: after, nowMilliseconds: currentTimeMilliseconds())
            #expect(brief(rest) == [])
        }
    }
}

@Suite struct ConntrackTests {
    @Test func `connections of both families are read, counted and deleted one by one`() throws {
        try inNewNamespace {
            try bringUpLoopback()
            // Conntrack tracks once somebody asks for it.
            try load(
                "table inet t { chain c { type filter hook input priority 0; ct state new; }; }")
            let four = try TCPPair(.v4(0x7F00_0001))
            let six = try TCPPair(.v6(1))
            let udp = try UDPPair()
            try udp.send("one")
            var socket = try NetfilterSocket.open()
            #expect(try socket.countConnections() == 3)
            let all = try socket.readConnections()
            #expect(all.count == 3)
            let found = try #require(all.first { $0.original == four.tuple })
            #expect(found.tcpState == .established)
            #expect(found.isAnswered && !found.isClosed)
            #expect(
                found.flow
                    == Flow(
                        source: .v4(0x7F00_0001), destination: .v4(0x7F00_0001),
                        port: PortPoint(protocolNumber: 6, port: four.port)))
            #expect(all.contains { $0.original == six.tuple && $0.reply.sourcePort == six.port })
            #expect(all.contains { $0.original.protocolNumber == 17 && !$0.isAnswered })
            let given = KernelError(.refused, code: 0, operation: "stop at the first")
            #expect(throws: given) {
                try socket.forEachConnection { (_) throws(KernelError) in throw given }
            }
            #expect(try socket.readConnections().count == 3)
            var stranger = found
            stranger.id ^= 1
            #expect(try socket.delete(stranger) == false)
            #expect(try socket.delete(found))
            #expect(try socket.delete(found) == false)
            #expect(try Set(socket.readConnections()) == Set(all).subtracting([found]))
        }
    }

    @Test func `a flow is what policies see: after DNAT and before SNAT`() {
        let connection = Connection(
            original: ConnectionTuple(
                source: .v4(1), destination: .v4(2), protocolNumber: 6, sourcePort: 1000,
                destinationPort: 80),
            reply: ConnectionTuple(
                source: .v4(3), destination: .v4(4), protocolNumber: 6, sourcePort: 8080,
                destinationPort: 2000))
        #expect(
            connection.flow
                == Flow(
                    source: .v4(1), destination: .v4(3),
                    port: PortPoint(protocolNumber: 6, port: 8080)))
    }

    @Test func `pings are tracked by type`() throws {
        try inNewNamespace {
            try bringUpLoopback()
            try load(
                "table inet t { chain c { type filter hook input priority 0; ct state new; }; }")
            try ping(.v4(0x7F00_0001))
            try ping(.v6(1))
            var socket = try NetfilterSocket.open()
            let all = try socket.readConnections()
            let types = Set(all.map(\.flow.port))
            #expect(
                types == [
                    PortPoint(protocolNumber: 1, port: 8), PortPoint(protocolNumber: 58, port: 128),
                ])
            for connection in all { #expect(try socket.delete(connection)) }
            #expect(try socket.countConnections() == 0)
        }
    }
}
