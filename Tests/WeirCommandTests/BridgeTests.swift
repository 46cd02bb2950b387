// SPDX-License-Identifier: GPL-3.0-or-later
//
// weir on a bridge: two hosts of one subnet, neighbours of each other, with a bridge between that
// neither of them knows of.

import Testing
import WeirKernel
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized) struct BridgeTests {
    private static let policies = [
        "inventory.yaml": """
        services:
          web: {endpoints: [10.9.0.1, "fd09::1"]}
          db: {endpoints: [10.9.0.2, "fd09::2"]}
        """,
        "p.weir": """
        landscape "inventory.yaml"
        layers { emergency; baseline default reject }
        layer baseline {
            policy reads { from web to db on tcp/5432; allow }
            policy shield { from any to db on tcp/5432; cap 3 connections }
            policy silent { from web to db on tcp/81; drop }
        }
        layer emergency { policy shut standby { from web to db; reject } }

        """,
    ]

    private static func flow(_ port: UInt16, v6: Bool = false) -> Flow {
        func address(_ number: UInt128) -> IPAddress {
            v6 ? .v6(0xFD09 << 112 | number) : .v4(0x0A09_0000 | UInt32(number))
        }
        return Flow(
            source: address(1), destination: address(2),
            port: PortPoint(protocolNumber: IPProtocol.tcp, port: port))
    }

    /// Two hosts behind the ports of a bridge in the lab's namespace, which has no address yet.
    private func hosts(_ lab: CommandLab) throws -> [Namespace] {
        try lab.namespace.ip("link add bridge type bridge\nlink set bridge up")
        return try [1, 2].map { number in
            let host = try Namespace()
            try lab.namespace.ip(
                """
                link add port\(number) type veth peer name eth netns \(host.name)
                link set port\(number) master bridge
                link set port\(number) up
                """)
            try host.ip(
                """
                link set eth up
                addr add 10.9.0.\(number)/24 dev eth
                addr add fd09::\(number)/64 dev eth nodad
                """)
            return host
        }
    }

    @Test func `a bridge polices what passes it, and neighbours still find each other`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", Self.policies)
        let hosts = try hosts(lab)
        defer { for host in hosts { host.close() } }
        let server = try EchoServer(in: hosts[1], tcp: [80, 81, 5432])
        defer { server.close() }
        // Off, and said so: nothing is applied.
        try lab.namespace.set([
            "net/bridge/bridge-nf-call-iptables": "0", "net/bridge/bridge-nf-call-ip6tables": "0",
        ])
        let refused = try lab.weir("apply", "--vantage", "bridge", path)
        #expect(refused.status == 2)
        #expect(
            refused.errors.contains("net.bridge.bridge-nf-call-iptables=1"), "\(refused.errors)")
        #expect(try lab.nft("list", "tables").isEmpty)
        try lab.namespace.set([
            "net/bridge/bridge-nf-call-iptables": "1", "net/bridge/bridge-nf-call-ip6tables": "1",
        ])
        let applied = try lab.weir("apply", "--vantage", "bridge", path)
        #expect(applied.succeeded, "\(applied.errors)")
        // Who has no address has no way to tell of a refusal: it is silent.
        #expect(
            try hosts[0].probe([Probe(Self.flow(80)), Probe(Self.flow(5432))])
                == [.dropped, .open])
        try lab.namespace.ip(
            "addr add 10.9.0.9/24 dev bridge\naddr add fd09::9/64 dev bridge nodad")
        for v6 in [false, true] {
            // Nobody knows anybody's hardware address.
            for host in hosts { _ = try host.command(["ip", "neigh", "flush", "all"]) }
            let found = try hosts[0].probe(
                [5432, 80, 81].map { Probe(Self.flow($0, v6: v6)) }, timeoutMilliseconds: 2500)
            #expect(found == [.open, .reset, .dropped], "v6: \(v6)")
        }
        let held = try hosts[0].hold(
            Array(repeating: Probe(Self.flow(5432)), count: 5), timeoutMilliseconds: 500)
        #expect(held.outcomes == [.open, .open, .open, .reset, .reset])
        #expect(try lab.weir("enable", "shut").succeeded)
        #expect(try hosts[0].probe([Probe(Self.flow(5432))]) == [.reset])
        held.close()
    }
}
