// SPDX-License-Identifier: GPL-3.0-or-later
//
// A limit that changes under traffic: its bucket is replaced in one step, so that at no moment
// nothing limits. What passes is held against what the old and the new buckets allow together.

import Testing
import WeirKernel
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized)
struct LimitChangeTests {
    /// What the buckets in force one after the other let through at most: each its burst and its
    /// rate for as long as it was there.
    struct Allowance {
        private var start = currentTimeMilliseconds()
        private var rate = 0.0
        private(set) var most = 0.0

        /// A bucket takes over. `when`: before its commit, so that no moment is left out.
        mutating func take(_ rate: UInt64, burst: UInt64, when now: Int64) {
            most += self.rate * Double(now - start) / 1000 + Double(burst)
            (start, self.rate) = (now, Double(rate))
        }

        mutating func end() { take(0, burst: 0, when: currentTimeMilliseconds()) }
    }

    /// Changes the limit ten times while `traffic` runs; what is allowed, by the lowest count and
    /// the highest.
    static func change(
        _ gateway: Gateway, _ unit: Limit.Unit, _ scope: CountingScope, scale: UInt64
    ) throws -> Allowance {
        var allowance = Allowance()
        for round in 0..<10 {
            let rate = (round % 2 == 0 ? 50 : 80) * scale
            let burst = UInt64(round % 2 == 0 ? 5 : 8)
            let now = currentTimeMilliseconds()
            try gateway.enforce(
                MeterTests.policy(limits: [
                    MeterTests.limit(
                        rate, unit, burst: burst, unit == .connections ? .reject : .drop,
                        scope: scope)
                ]))
            // The old bucket lasts to the end of the commit at most.
            allowance.take(rate, burst: burst, when: max(now, currentTimeMilliseconds() - 1))
            for _ in 0..<10 { waitForClockTick() }
        }
        return allowance
    }

    @Test(arguments: [CountingScope.total, .source])
    func `connections never exceed what old and new allow`(scope: CountingScope) throws {
        let gateway = try Gateway()
        try gateway.enforce(
            MeterTests.policy(limits: [
                MeterTests.limit(50, .connections, burst: 5, .reject, scope: scope)
            ]))
        let lab = gateway.lab
        let traffic = Background {
            try lab.attempt(MeterTests.tcp, forMilliseconds: 2500)
        }
        waitForClockTick()
        var allowance = try Self.change(gateway, .connections, scope, scale: 1)
        let count = try traffic.wait()
        allowance.end()
        print("connections \(scope): \(count[.open]) of at most \(allowance.most) passed")
        #expect(count[.reset] > 100)
        #expect(Double(count[.open]) <= allowance.most + 7)
        #expect(Double(count[.open]) >= 0.5 * allowance.most)
    }

    @Test(arguments: [CountingScope.total, .pair])
    func `packets never exceed what old and new allow`(scope: CountingScope) throws {
        let gateway = try Gateway()
        try gateway.lab.gateway.loadRuleset(
            """
            table inet watch {
              counter seen { }
              chain post {
                type filter hook postrouting priority 300;
                meta l4proto udp counter name seen
              }
            }
            """)
        try gateway.enforce(
            MeterTests.policy(limits: [MeterTests.limit(500, .packets, burst: 5, scope: scope)]))
        let box = UncheckedGateway(gateway)
        let traffic = Background {
            try box.gateway.datagrams(MeterTests.udp, perSecond: 3000, milliseconds: 2500)
        }
        waitForClockTick()
        var allowance = try Self.change(gateway, .packets, scope, scale: 10)
        let (sent, _) = try traffic.wait()
        allowance.end()
        let passed = try MeterTests().watched(gateway)
        print("packets \(scope): \(passed) of at most \(allowance.most) passed, \(sent) sent")
        #expect(Double(passed) <= allowance.most + 30)
        #expect(Double(passed) >= 0.5 * allowance.most)
        #expect(sent > 5000)
    }
}

/// The lab is used from two threads, each for a thing of its own.
private struct UncheckedGateway: @unchecked Sendable {
    let gateway: Gateway

    init(_ gateway: Gateway) { self.gateway = gateway }
}
