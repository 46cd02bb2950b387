// SPDX-License-Identifier: GPL-3.0-or-later
//
// A cap that changes, or comes new over traffic, counts the connections that exist: with real
// connections, exact to the connection, in total and per key, over both families.

import FoundationEssentials
import Synchronization
import Testing
import WeirKernel
import WeirLab
import WeirModel
import WeirRuleset
@testable import WeirSession

@Suite(.enabled(if: labCanRun), .serialized)
struct CapChangeTests {
    static let flow = Gateway.tcp("10.1.0.2", "10.2.0.1", 7001)
    static let flow6 = Gateway.tcp("fd00:1::2", "fd00:2::1", 7001)

    static func protect(
        _ connections: UInt64, scope: CountingScope = .total, reserve: UInt64? = nil
    ) -> PolicySet {
        let scape = ConstraintTests.scape
        let reservations = reserve.map {
            [Cap.Reservation(connections: $0, beneficiary: scape.service("checkout"))]
        }
        return ConstraintTests.policySet([
            ConstraintTests.protect([
                Cap(connections: connections, scope: scope, reservations: reservations ?? [])
            ])
        ])
    }

    func opened(_ gateway: Gateway, _ flow: Flow, _ count: Int) throws -> HeldConnections {
        try gateway.lab.hold(flow, count: count)
    }

    @Test func `a changed cap counts the connections that exist`() throws {
        let gateway = try Gateway()
        try gateway.commit(Self.protect(10))
        let held = try opened(gateway, Self.flow, 4)
        let held6 = try opened(gateway, Self.flow6, 4)
        let raised = try gateway.commit(Self.protect(12))
        #expect(raised.recounts.map(\.live) == [8])
        #expect(raised.recounts.map(\.full) == [0])
        let more = try opened(gateway, Self.flow, 8)
        #expect(more.count == 4)
        more.close()
        waitForClockTick()
        let lowered = try gateway.commit(Self.protect(6))
        #expect(lowered.recounts.map(\.live) == [8])
        #expect(lowered.recounts.map(\.full) == [1])
        // Nothing to do the second time.
        #expect(try gateway.commit(Self.protect(6)).isEmpty)
        #expect(try opened(gateway, Self.flow, 3).count == 0)
        // 8 - 2 = 6 still fill it; one less gives one place.
        held.close(2)
        #expect(try gateway.settles(at: 6))
        #expect(try opened(gateway, Self.flow6, 2).count == 0)
        held6.close(1)
        #expect(try gateway.settles(at: 5))
        let one = try opened(gateway, Self.flow6, 3)
        #expect(one.count == 1)
        for connections in [held, held6, one] { connections.close() }
        #expect(try gateway.settles(at: 0))
        waitForClockTick()
        #expect(try opened(gateway, Self.flow, 9).count == 6)
        // Connections of others are left alone all the while, and nothing of the way is left.
        let listing = try gateway.lab.gateway.command(["nft", "list", "ruleset"]).output
        #expect(!listing.contains("recount"))
    }

    @Test(arguments: [CountingScope.source, .destination, .pair])
    func `a cap for each counts what each has`(scope: CountingScope) throws {
        let gateway = try Gateway()
        try gateway.commit(Self.protect(9, scope: scope))
        let a = try opened(gateway, Self.flow, 5)
        let b = try opened(gateway, Self.flow6, 2)
        let plan = try gateway.commit(Self.protect(4, scope: scope))
        #expect(plan.recounts.map(\.live) == [7])
        #expect(plan.recounts.map(\.full) == [1])
        #expect(try opened(gateway, Self.flow, 2).count == 0)
        #expect(try opened(gateway, Self.flow6, 4).count == 2)
        a.close(3)
        #expect(try gateway.settles(at: 4))
        waitForClockTick()
        #expect(try opened(gateway, Self.flow, 4).count == 2)
        _ = b
    }

    @Test func `a new cap over traffic, a reservation and a wider one count it`() throws {
        let gateway = try Gateway()
        let open = ConstraintTests.policySet([])
        try gateway.commit(open)
        let held = try opened(gateway, Self.flow, 8)
        let plan = try gateway.commit(Self.protect(10))
        #expect(plan.recounts.map(\.live) == [8])
        let more = try opened(gateway, Self.flow, 4)
        #expect(more.count == 2)
        more.close()
        waitForClockTick()
        // The others may now have 7 of 10: they have 8, so none; the beneficiary 2.
        let reserved = try gateway.commit(Self.protect(10, reserve: 3))
        #expect(reserved.recounts.map(\.part) == ["cap1.without1"])
        #expect(try opened(gateway, Self.flow, 1).count == 0)
        let own = try opened(gateway, Gateway.tcp("10.1.0.1", "10.2.0.1", 7001), 4)
        #expect(own.count == 2)
        // Only the ports change: the same number, but it counts more.
        var wider = Self.protect(10, reserve: 3)
        wider.policies[0].interactions[0].ports = .ports(IPProtocol.tcp, 7001, 7002)
        #expect(try gateway.commit(wider).recounts.map(\.live) == [10, 8])
        #expect(
            try opened(gateway, Gateway.tcp("10.1.0.1", "10.2.0.1", 7002), 2).count == 0)
        #expect(try held.exchange().allSatisfy { $0 == .open })
        #expect(try own.exchange().allSatisfy { $0 == .open })
    }

    @Test func `a cap that changes again and again counts hundreds each time`() throws {
        let gateway = try Gateway()
        try gateway.commit(Self.protect(400))
        let held = try opened(gateway, Self.flow, 200)
        let held6 = try opened(gateway, Self.flow6, 100)
        #expect(held.count + held6.count == 300)
        for cap: UInt64 in [310, 304, 310, 301, 300] {
            let plan = try gateway.commit(Self.protect(cap))
            #expect(plan.recounts.map(\.live) == [300])
            // Those of the cap before are gone.
            #expect(try gateway.settle() == 300)
            let more = try opened(gateway, Self.flow, 12)
            #expect(more.count == Int(cap) - 300, "cap \(cap)")
            more.close()
            waitForClockTick()
        }
        held.close(40)
        #expect(try gateway.settles(at: 260))
        waitForClockTick()
        #expect(try opened(gateway, Self.flow6, 50).count == 40)
        held6.close()
    }

    @Test func `a commit that died while its caps counted is forgotten`() throws {
        let gateway = try Gateway()
        try gateway.commit(Self.protect(10))
        let held = try opened(gateway, Self.flow, 8)
        // Everything before the commit itself, and no more of that process.
        try gateway.lab.gateway.run { () throws in
            var committer = try Committer.open()
            let state = PolicyState(epochSeconds: currentTimeMilliseconds() / 1000)
            let (plan, _) = try committer.plan(
                Self.protect(12), revision: Revision(), state: state)
            _ = try committer.countExisting(plan)
        }
        let list = ["nft", "list", "ruleset"]
        #expect(try gateway.lab.gateway.command(list).output.contains("recount"))
        #expect(try opened(gateway, Self.flow6, 3).count == 2)
        waitForClockTick()
        try gateway.lab.gateway.run { () throws in
            var committer = try Committer.open()
            try committer.clearLeftovers()
        }
        #expect(try !gateway.lab.gateway.command(list).output.contains("recount"))
        #expect(try gateway.settle() == 0)
        let plan = try gateway.commit(Self.protect(12))
        #expect(plan.recounts.map(\.live) == [8])
        #expect(try opened(gateway, Self.flow6, 6).count == 4)
        #expect(held.count == 8)
    }

    @Test func `a shadow is not what the kernel makes room with`() throws {
        let gateway = try Gateway()
        try gateway.commit(Self.protect(10))
        let held = try opened(gateway, Self.flow, 3)
        try gateway.commit(Self.protect(12))
        let shadows = try gateway.lab.gateway.run { () throws in
            var socket = try NetfilterSocket.open()
            return try socket.readShadows()
        }
        // IPS_ASSURED
        #expect(shadows.count == 3 && shadows.allSatisfy { $0.status & 4 != 0 })
        #expect(held.count == 3)
    }

    @Test func `an edit elsewhere recounts nothing`() throws {
        let gateway = try Gateway()
        var set = Self.protect(5)
        try gateway.commit(set)
        let held = try opened(gateway, Self.flow, 3)
        // A range that another policy names cuts the classes of the capped flows anew.
        set.policies.append(
            Policy(
                name: "side", layer: 1,
                interactions: [
                    Interaction(
                        source: .range(
                            AddressRange(family: .v4, first: 0x0A01_0000, last: 0x0A01_0003)),
                        destination: ConstraintTests.scape.service("vault"))
                ], decision: Decision(action: .reject)))
        let plan = try gateway.commit(set)
        #expect(!plan.isEmpty && plan.recounts.isEmpty && plan.delta.restarts.isEmpty)
        #expect(try gateway.settles(at: 0))
        #expect(try opened(gateway, Self.flow, 4).count == 2)
        #expect(held.count == 3)
    }

    /// Caps count UDP flows and pings too; those end by their own timeouts.
    @Test func `datagrams hold places`() throws {
        let gateway = try Gateway()
        try gateway.commit(ConstraintTests.policySet([]))
        let udp = Flow(
            source: Self.flow.source, destination: Self.flow.destination,
            port: PortPoint(protocolNumber: IPProtocol.udp, port: 7001))
        let ping = Flow(
            source: Self.flow.source, destination: Self.flow.destination,
            port: PortPoint(protocolNumber: IPProtocol.icmp, port: 8))
        #expect(try gateway.lab.probe([udp, udp, ping]) == [.open, .open, .open])
        let all = Policy(
            name: "all", layer: 1,
            interactions: [
                Interaction(
                    source: .any, destination: ConstraintTests.scape.service("orders-db"))
            ], caps: [Cap(connections: 4)])
        let plan = try gateway.commit(ConstraintTests.policySet([all]))
        #expect(plan.recounts.map(\.live) == [3])
        #expect(try opened(gateway, Self.flow, 3).count == 1)
    }
}

extension Gateway {
    /// Commits as weir does; the plan.
    @discardableResult
    func commit(_ set: PolicySet) throws -> Plan {
        try lab.gateway.run { () throws in
            var committer = try Committer.open()
            let state = PolicyState(epochSeconds: currentTimeMilliseconds() / 1000)
            let (plan, _) = try committer.plan(set, revision: Revision(), state: state)
            try committer.commit(plan)
            #expect(committer.recountProblem == nil)
            return plan
        }
    }

    /// Whether so many shadows are left within two seconds: a close takes its time to be seen.
    func settles(at count: Int) throws -> Bool {
        for _ in 0..<100 {
            if try settle() == count { return true }
            waitForClockTick()
        }
        return false
    }

    /// One look of the settler; how many shadows are left.
    func settle() throws -> Int {
        try lab.gateway.run { () throws in
            var committer = try Committer.open()
            return try committer.settle()
        }
    }
}

/// Opens connections all the time, and closes one whenever one is refused.
private final class Churn: Sendable {
    private let held = Mutex<[HeldConnections]>([])
    private let isOver = Flag()
    private let refusals = Mutex(0)

    var live: Int { held.withLock(\.count) }
    var refused: Int { refusals.withLock { $0 } }

    func run(_ lab: GatewayLandscape, _ flow: Flow) throws {
        while !isOver.isSet {
            let one = try lab.hold(flow, count: 1, timeoutMilliseconds: 5000)
            guard one.count == 0 else {
                held.withLock { $0.append(one) }
                continue
            }
            refusals.withLock { $0 += 1 }
            held.withLock { open in
                if let index = open.indices.randomElement() { open.remove(at: index).close() }
            }
        }
    }

    func end() { isOver.set() }
}

@Suite(.enabled(if: labCanRun), .serialized)
struct CapChurnTests {
    @Test func `a cap that changes under a storm of connections is never exceeded`() throws {
        let gateway = try Gateway()
        try gateway.commit(CapChangeTests.protect(40))
        let churn = Churn()
        let lab = gateway.lab
        let traffic = Background { try churn.run(lab, CapChangeTests.flow) }
        var worst = 0
        var last = 40
        for round in 1...12 {
            let cap = round % 2 == 0 ? 40 + round : 80 + round
            try gateway.commit(CapChangeTests.protect(UInt64(cap)))
            // What is open when the cap goes down may stay.
            for _ in 0..<5 {
                worst = max(worst, churn.live - max(cap, last))
                waitForClockTick()
                _ = try gateway.settle()
            }
            last = cap
        }
        churn.end()
        try traffic.wait()
        // What is left of the shadows are those of connections that stand.
        for _ in 0..<100 where try gateway.settle() > churn.live { waitForClockTick() }
        waitForClockTick()
        let rest = try lab.hold(CapChangeTests.flow, count: 120)
        let total = churn.live + rest.count
        print(
            "churn: \(churn.refused) refused, at most \(worst) over the cap; \(total) of \(last)")
        #expect(worst <= 0)
        // One that began in the moment of a commit may have taken two places.
        #expect((last - 2...last).contains(total))
        #expect(churn.refused > 100)
    }
}
