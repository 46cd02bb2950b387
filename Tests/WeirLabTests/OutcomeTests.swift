// SPDX-License-Identifier: GPL-3.0-or-later
//
// The lab is an instrument: before it measures weir it is held against rulesets written by hand,
// whose effect on each flow is plain to read.

import Testing
import WeirLab
import WeirModel

/// A flow between two textual addresses.
func flow(_ source: String, _ destination: String, _ protocolNumber: UInt8, _ port: UInt16) -> Flow
{
    Flow(
        source: IPAddress(source)!, destination: IPAddress(destination)!,
        port: PortPoint(protocolNumber: protocolNumber, port: port))
}

/// Ports 7001 to 7005: accept, the two rejects, drop, and accept where nobody listens.
private let handWritten = """
    table inet hand {
      chain forward {
        type filter hook forward priority 0; policy accept;
        ct state established,related accept
        meta l4proto tcp th dport 7002 reject with tcp reset
        meta l4proto udp th dport 7002 reject with icmpx port-unreachable
        meta l4proto { tcp, udp } th dport 7003 reject with icmpx admin-prohibited
        meta l4proto { tcp, udp } th dport 7004 drop
        ip daddr 10.2.0.3 icmp type echo-request reject with icmpx admin-prohibited
        ip6 daddr fd00:2::3 icmpv6 type echo-request reject with icmpx admin-prohibited
        ip daddr 10.2.0.4 drop
        ip6 daddr fd00:2::4 drop
      }
    }
    """

@Suite(.enabled(if: labCanRun), .serialized)
struct `Outcomes of a probe` {
    @Test func `TCP and UDP over both families, between segments and within one`() throws {
        let lab = try GatewayLandscape(segments: [
            ["10.1.0.0/16", "fd00:1::/32"], ["10.2.0.0/16", "fd00:2::/32"],
        ])
        defer { lab.close() }
        let ports: [UInt16] = [7001, 7002, 7003, 7004]
        let servers = try lab.serve(tcp: ports, udp: ports)
        defer { for server in servers { server.close() } }
        try lab.gateway.loadRuleset(handWritten)
        let pairs = [
            ("10.1.0.1", "10.2.0.1"), ("10.2.0.9", "10.1.200.7"), ("10.2.0.1", "10.2.0.2"),
            ("fd00:1::1", "fd00:2::1"), ("fd00:2::1", "fd00:2::2"),
        ]
        let want: [UInt16: Outcome] = [
            7001: .open, 7002: .reset, 7003: .prohibited, 7004: .dropped, 7005: .reset,
        ]
        for protocolNumber in [IPProtocol.tcp, IPProtocol.udp] {
            for (port, outcome) in want {
                let flows = pairs.map { flow($0.0, $0.1, protocolNumber, port) }
                let found = try lab.probe(flows)
                #expect(found == flows.map { _ in outcome }, "\(flows[0]) …: \(found)")
            }
        }
    }

    @Test func `ping over both families`() throws {
        let lab = try GatewayLandscape()
        defer { lab.close() }
        try lab.gateway.loadRuleset(handWritten)
        let flows = [1, 3, 4].flatMap { host in
            [
                flow("10.1.0.1", "10.2.0.\(host)", IPProtocol.icmp, 8),
                flow("fd00:1::1", "fd00:2::\(host)", IPProtocol.icmpv6, 128),
            ]
        }
        #expect(
            try lab.probe(flows) == [.open, .open, .prohibited, .prohibited, .dropped, .dropped])
    }

    @Test func `a probe leaves from the address and port that it names`() throws {
        let lab = try GatewayLandscape()
        defer { lab.close() }
        let servers = try lab.serve(tcp: [7001], udp: [7001])
        defer { for server in servers { server.close() } }
        try lab.gateway.loadRuleset(
            """
            table inet hand {
              chain forward {
                type filter hook forward priority 0; policy drop;
                ct state established accept
                ip saddr 198.51.100.7 th sport 4321 th dport 7001 accept
              }
            }
            """)
        for protocolNumber in [IPProtocol.tcp, IPProtocol.udp] {
            let known = flow("198.51.100.7", "10.2.0.1", protocolNumber, 7001)
            let other = flow("198.51.100.8", "10.2.0.1", protocolNumber, 7001)
            let probes = [
                Probe(known, sourcePort: 4321), Probe(known, sourcePort: 4322),
                Probe(other, sourcePort: 4321),
            ]
            let namespace = lab.segment(of: known.source).namespace
            #expect(try namespace.probe(probes) == [.open, .dropped, .dropped])
        }
    }

    /// The same decision by a verdict map in the kernel and by a dictionary here.
    @Test func `thousands of random flows agree with the map that decides them`() throws {
        var random = SplitMix(seed: UInt64.random(in: 0 ... .max))
        print("seed \(random.state)")
        let lab = try GatewayLandscape()
        defer { lab.close() }
        let ports: [UInt16] = [7001, 7002, 7003]
        let servers = try lab.serve(tcp: ports, udp: ports)
        defer { for server in servers { server.close() } }
        let verdicts: [(text: String, outcome: Outcome)] = [
            ("accept", .open), ("jump refuse", .prohibited), ("drop", .dropped),
        ]
        var elements: [String] = []
        var want: [Flow: Outcome] = [:]
        while want.count < 4000 {
            let pick = random.next()
            let flow = flow(
                "10.1.\(pick & 3).\(pick >> 2 & 255)", "10.2.\(pick >> 10 & 3).\(pick >> 12 & 255)",
                pick >> 20 & 1 == 0 ? IPProtocol.tcp : IPProtocol.udp,
                ports[Int(pick >> 21 & 0xFF) % 3])
            let verdict = verdicts[Int(pick >> 32 & 0xFF) % 3]
            guard want[flow] == nil else { continue }
            want[flow] = verdict.outcome
            elements.append(
                "\(flow.source) . \(flow.destination) . \(IPProtocol.name(flow.port.protocolNumber))"
                    + " . \(flow.port.port) : \(verdict.text)")
        }
        try lab.gateway.loadRuleset(
            """
            table inet hand {
              chain refuse { reject with icmpx admin-prohibited; }
              map decisions {
                type ipv4_addr . ipv4_addr . inet_proto . inet_service : verdict
                elements = { \(elements.joined(separator: ", ")) }
              }
              chain forward {
                type filter hook forward priority 0; policy accept;
                ct state established,related accept
                ip saddr . ip daddr . meta l4proto . th dport vmap @decisions
              }
            }
            """)
        let flows = Array(want.keys)
        let outcomes = try lab.probe(flows)
        for (flow, outcome) in zip(flows, outcomes) where outcome != want[flow] {
            Issue.record("\(flow): \(outcome), want \(want[flow]!)")
        }
    }
}

/// A generator whose whole state is the seed it prints (Steele, Lea, Flood 2014).
struct SplitMix {
    var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
