// SPDX-License-Identifier: GPL-3.0-or-later
//
// What goes wrong is said truly: who lost a race, which policy the kernel refused, what privilege
// is missing, and, where answers were lost, what the kernel holds.

import CNetfilter
import Glibc
import Testing
import WeirRuleset

@testable import WeirKernel

@Suite struct FailureTests {
    @Test func `a commit against an old generation is refused and changes nothing`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            var ruleset = everyStatement(now: currentTimeMilliseconds())
            let generation = try socket.bring(ruleset)
            try load(otherTable)
            let before = try listing()
            ruleset.revision.contentHash = "f00d"
            let held = try #require(try socket.readTable().table)
            let delta = ruleset.delta(from: held, nowMilliseconds: currentTimeMilliseconds())
            let error = #expect(throws: KernelError.self) {
                try socket.apply(delta, expectedGeneration: generation)
            }
            #expect(error?.reason == .lostRace)
            #expect(
                error?.message == "cannot commit the ruleset: the ruleset changed meanwhile; "
                    + "nothing was committed")
            #expect(try listing() == before)
            try socket.bring(ruleset)
            #expect(try socket.readRevision()?.contentHash == "f00d")
        }
    }

    @Test func `an element that expired before its deletion is a lost race`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let now = currentTimeMilliseconds()
            var ruleset = Ruleset()
            ruleset.sets["s"] = NamedSet(
                key: [.mark], flags: .timeout,
                elements: [ElementKey(1): Element(expiresAtMilliseconds: now + 50)])
            try socket.bring(ruleset)
            let (table, generation) = try socket.readTable()
            ruleset.sets["s"]!.elements = [:]
            let delta = ruleset.delta(from: table, nowMilliseconds: now)
            #expect(brief(delta) == ["-1 s"])
            usleep(80_000)
            let error = #expect(throws: KernelError.self) {
                try socket.apply(delta, expectedGeneration: generation)
            }
            #expect(error?.reason == .lostRace)
            #expect(try socket.bring(ruleset) == generation)
        }
    }

    @Test func `a refused element is named with its policy`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            var ruleset = everyStatement(now: currentTimeMilliseconds())
            // Enough elements for several messages, with the wrong one in the middle of one.
            for number in 0..<5000 as Range<UInt32> {
                ruleset.sets["counters"]!.elements[ElementKey(UInt128(number))] = Element(
                    value: .object("allowed_1"))
            }
            ruleset.sets["counters"]!.size = nil
            ruleset.sets["counters"]!.elements[ElementKey(4321)] = Element(
                value: .object("nowhere"), comment: "layer.policy")
            let error = #expect(throws: KernelError.self) { try socket.bring(ruleset) }
            #expect(
                error
                    == KernelError(
                        .refused, code: ENOENT,
                        operation: "add element `0:10e1` to set `counters`",
                        origin: "layer.policy"))
            #expect(try listing() == "")
        }
    }

    @Test func `a refused interval is named`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            var ruleset = Ruleset()
            ruleset.sets["ports"] = NamedSet(
                key: [.inetService], flags: .interval,
                elements: [
                    ElementKey(1, through: 5): Element(),
                    ElementKey(10, through: 20): Element(comment: "first"),
                    ElementKey(15, through: 25): Element(comment: "overlaps"),
                ])
            let error = #expect(throws: KernelError.self) { try socket.bring(ruleset) }
            #expect(error?.operation == "add element `15-25` to set `ports`")
            #expect(error?.origin == "overlaps")
        }
    }

    @Test func `a refused rule is named with its policy`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            var ruleset = Ruleset()
            ruleset.chains["c"] = Chain(
                rules: [
                    Rule([.verdict(.accept)]),
                    Rule([.verdict(.jump("nowhere"))], comment: "layer.policy"),
                ])
            let error = #expect(throws: KernelError.self) { try socket.bring(ruleset) }
            #expect(
                error?.message == "cannot add rule `jump nowhere comment \"layer.policy\"` to "
                    + "chain `c` for `layer.policy`: no such file or directory")
        }
    }

    @Test(arguments: [
        (18_446_744_072, 1, 1, RateLimit.Unit.bytes, true), (18_446_744_073, 1, 1, .bytes, false),
        (5_124_095, 3600, 0, .bytes, false), (5_124_094, 3600, 1, .bytes, true),
        (5_124_095, 3600, 1, .bytes, false), (1_000_000_000, 1, 5, .packets, true),
    ])
    func `the kernel takes the limits that are said to be in its range`(
        rate: UInt64, interval: UInt64, burst: UInt32, unit: RateLimit.Unit, isInRange: Bool
    ) throws {
        let limit = RateLimit(rate: rate, intervalSeconds: interval, burst: burst, unit: unit)
        #expect(limit.isInKernelRange == isInRange)
        guard burst > 0 else { return }
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let ruleset = Ruleset(objects: ["l": NamedObject(kind: .limit(limit))])
            if isInRange {
                try socket.bring(ruleset)
                let table = try socket.readTable().table
                #expect(brief(ruleset.delta(from: table, nowMilliseconds: 0)) == [])
            } else {
                #expect(throws: KernelError.self) { try socket.bring(ruleset) }
            }
        }
    }

    @Test func `without privilege the error says what it needs`() async {
        await #expect(processExitsWith: .success) {
            precondition(unshare(cloneNewNet) == 0)
            precondition(setuid(65534) == 0)
            var socket = try NetfilterSocket.open()
            do throws(KernelError) {
                try socket.apply(
                    everyStatement(now: 0).delta(from: nil, nowMilliseconds: 0),
                    expectedGeneration: 1)
            } catch {
                precondition(error.reason == .needsPrivilege)
                precondition(
                    error.message == "cannot commit the ruleset: needs root (CAP_NET_ADMIN)")
                exit(0)
            }
            exit(1)
        }
    }

    @Test func `reading without privilege says what it needs`() async {
        await #expect(processExitsWith: .success) {
            precondition(unshare(cloneNewNet) == 0)
            precondition(setuid(65534) == 0)
            var socket = try NetfilterSocket.open()
            do throws(KernelError) {
                _ = try socket.readTable()
            } catch {
                precondition(error.reason == .needsPrivilege)
                exit(0)
            }
            exit(1)
        }
    }

    @Test func `a lost answer to a commit is made good by reading the table`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let ruleset = everyStatement(now: currentTimeMilliseconds())
            let generation = try socket.generation()
            let delta = ruleset.delta(from: nil, nowMilliseconds: currentTimeMilliseconds())
            try socket.fillReceiveBuffer()
            let after = try socket.apply(delta, expectedGeneration: generation)
            #expect(after == generation + 1)
            #expect(try socket.readRevision() == ruleset.revision)
        }
    }

    @Test func `a lost answer to a refused commit is no success`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let ruleset = everyStatement(now: currentTimeMilliseconds())
            let generation = try socket.generation()
            let delta = ruleset.delta(from: nil, nowMilliseconds: currentTimeMilliseconds())
            try load(otherTable)
            try socket.fillReceiveBuffer()
            let error = #expect(throws: KernelError.self) {
                try socket.apply(delta, expectedGeneration: generation)
            }
            #expect(error?.reason == .answersLost(committed: false))
            #expect(try socket.readTable().table == nil)
        }
    }

    @Test func `more errors than fit are still the first error`() throws {
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let generation = try socket.bring(Ruleset())
            socket.setOption(SOL_SOCKET, SO_RCVBUF, 1)
            let operations = (0..<3000).map { Delta.Operation(.deleteSet("nowhere\($0)")) }
            let error = #expect(throws: KernelError.self) {
                try socket.apply(
                    Delta(operations: operations), expectedGeneration: generation)
            }
            #expect(error?.operation == "delete set `nowhere0`")
            #expect(error?.code == ENOENT)
        }
    }
}

extension NetfilterSocket {
    /// Leaves no room for the next answer: many questions whose answers nobody reads.
    fileprivate mutating func fillReceiveBuffer() throws {
        setOption(SOL_SOCKET, SO_RCVBUF, 1)
        var writer = NetlinkWriter()
        for _ in 0..<100 {
            writer = NetlinkWriter()
            writer.beginMessage(
                type: messageType(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN.rawValue),
                flags: UInt16(NLM_F_REQUEST), sequence: 0, family: 0)
            writer.endMessage()
            try send(writer.bytes, operation: "fill")
        }
    }
}
