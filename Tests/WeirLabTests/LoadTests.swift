// SPDX-License-Identifier: GPL-3.0-or-later
//
// Connections that are held and connections that are hurried: what caps and limits are tested with.

import Testing
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized)
struct `Load on a policy` {
    private let lab: GatewayLandscape
    private let servers: [EchoServer]
    private let flow4 = flow("10.1.0.1", "10.2.0.1", IPProtocol.tcp, 7001)
    private let flow6 = flow("fd00:1::1", "fd00:2::1", IPProtocol.tcp, 7001)

    init() throws {
        lab = try GatewayLandscape()
        servers = try lab.serve(tcp: [7001])
    }

    private func forward(_ rules: String) throws {
        try lab.gateway.loadRuleset(
            """
            table inet hand
            delete table inet hand
            table inet hand {
              set cap { type inet_proto; size 8; flags dynamic; }
              chain forward {
                type filter hook forward priority 0; policy accept;
                \(rules)
              }
            }
            """)
    }

    @Test func `a cap fills, frees its places and fills again`() throws {
        try forward(
            """
            ct state established,related accept
            add @cap { meta l4proto ct count 5 } accept
            reject with tcp reset
            """)
        let first = try lab.hold(flow4, count: 4)
        let second = try lab.hold(flow6, count: 3)
        #expect(first.outcomes == [.open, .open, .open, .open])
        #expect(second.outcomes == [.open, .reset, .reset])
        #expect(first.count == 4 && second.count == 1)
        #expect(try second.exchange() == [.open])
        first.close(3)
        #expect(first.count == 1)
        waitForClockTick()
        let third = try lab.hold(flow4, count: 4)
        #expect(third.outcomes == [.open, .open, .open, .reset])
        first.close()
        second.close()
        third.close()
    }

    @Test func `an established connection shows whether it was cut, and how`() throws {
        try forward("")
        let held = try lab.hold(flow4, count: 3)
        #expect(try held.exchange() == [.open, .open, .open])
        try forward("tcp dport 7001 drop")
        #expect(try held.exchange() == [.dropped, .dropped, .dropped])
        try forward("tcp dport 7001 reject with tcp reset")
        #expect(try held.exchange() == [.reset, .reset, .reset])
    }

    @Test func `a rate limit admits its rate and its burst`() throws {
        try forward(
            """
            ct state established,related accept
            limit rate 50/second burst 10 packets accept
            reject with tcp reset
            """)
        let count = try lab.attempt(flow6, forMilliseconds: 1000)
        #expect((55...70).contains(count[.open]), "\(count)")
        #expect(count[.reset] > 500 && count.total == count[.open] + count[.reset], "\(count)")
    }
}
