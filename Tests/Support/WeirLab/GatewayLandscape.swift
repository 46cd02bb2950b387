// SPDX-License-Identifier: GPL-3.0-or-later
//
// A gateway with everything behind it. Whole prefixes are local to a segment, so any address can
// be a source or a destination at no cost, and every packet leaves its segment first: two
// addresses of the same segment, too, meet only through the gateway.

public import WeirModel

/// A gateway namespace that forwards IPv4 and IPv6 between segments of hosts.
public final class GatewayLandscape: Sendable {
    /// Some prefixes behind one link of the gateway, in a namespace of their own.
    public struct Segment: Sendable {
        public let prefixes: [AddressRange]
        public let namespace: Namespace
        /// The gateway's link to it: `seg0`, `seg1`, …
        public let link: String
    }

    /// Where weir runs.
    public let gateway: Namespace
    public let segments: [Segment]

    /// Every address there is, in one segment.
    public convenience init() throws(LabFailure) {
        try self.init(segments: [["0.0.0.0/0", "::/0"]])
    }

    /// - Parameter segments: the prefixes of each (`10.1.0.0/16`); the longest that contains an
    ///   address has it. Fails where a text is no prefix or a namespace cannot be made.
    public init(segments prefixes: [[String]]) throws(LabFailure) {
        let gateway = try Namespace()
        try gateway.set([
            "net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1",
            "net/ipv4/conf/all/send_redirects": "0", "net/ipv4/conf/default/send_redirects": "0",
        ])
        try gateway.ip(
            """
            addr add \(gatewayAddress4)/32 dev lo
            addr add \(gatewayAddress6)/128 dev lo
            """)
        var segments: [Segment] = []
        for (index, texts) in prefixes.enumerated() {
            segments.append(try makeSegment(index, texts, behind: gateway))
        }
        self.gateway = gateway
        self.segments = segments
    }

    /// Removes all namespaces; so does the last reference.
    public func close() {
        gateway.close()
        for segment in segments { segment.namespace.close() }
    }

    /// The segment that has an address; a precondition that one has it.
    public func segment(of address: IPAddress) -> Segment {
        var best: (segment: Segment, size: UInt128)?
        for segment in segments {
            for prefix in segment.prefixes where prefix.contains(address) {
                let size = prefix.last - prefix.first
                if best.map({ size < $0.size }) ?? true { best = (segment, size) }
            }
        }
        guard let best else { preconditionFailure("\(address) is in no segment of the lab") }
        return best.segment
    }

    /// Starts listening on every address of every segment.
    public func serve(
        tcp: [UInt16], udp: [UInt16] = []
    ) throws(LabFailure) -> [EchoServer] {
        var servers: [EchoServer] = []
        for segment in segments {
            servers.append(try EchoServer(in: segment.namespace, tcp: tcp, udp: udp))
        }
        return servers
    }

    /// Tries every flow from its source's segment; the outcomes in the same order.
    public func probe(
        _ flows: [Flow], timeoutMilliseconds: Int = 300
    ) throws(LabFailure) -> [Outcome] {
        var outcomes = [Outcome](repeating: .dropped, count: flows.count)
        let bySegment = Dictionary(grouping: flows.indices) { segment(of: flows[$0].source).link }
        for (link, indices) in bySegment {
            let namespace = segments.first { $0.link == link }!.namespace
            let found = try namespace.probe(
                indices.map { Probe(flows[$0]) }, timeoutMilliseconds: timeoutMilliseconds)
            for (index, outcome) in zip(indices, found) { outcomes[index] = outcome }
        }
        return outcomes
    }

    /// Opens `count` connections one after the other and keeps those that stand.
    public func hold(
        _ flow: Flow, count: Int, timeoutMilliseconds: Int = 300
    ) throws(LabFailure) -> HeldConnections {
        try segment(of: flow.source).namespace.hold(
            Array(repeating: Probe(flow), count: count), timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Tries a flow over and over for a time; see `Namespace.attempt`.
    public func attempt(
        _ flow: Flow, forMilliseconds duration: Int
    ) throws(LabFailure) -> OutcomeCount {
        try segment(of: flow.source).namespace.attempt(flow, forMilliseconds: duration)
    }
}

// The dummy address of RFC 7600 and a unique local one: where the gateway's ICMP errors come from.
// Segments have one for IPv6 too: the kernel takes no address of a local route for that.
private let gatewayAddress4 = "192.0.0.8"
private let gatewayAddress6 = "fdff:ffff:ffff::8"

/// A namespace to which whole prefixes are local, linked to the gateway. Local routes are asked
/// for what comes in only; what goes out goes to the gateway.
private func makeSegment(
    _ index: Int, _ texts: [String], behind gateway: Namespace
) throws(LabFailure) -> GatewayLandscape.Segment {
    var prefixes: [AddressRange] = []
    for text in texts {
        guard case .success(let prefix) = AddressRange.parse(text), text.contains("/") else {
            throw LabFailure("`\(text)` is no prefix")
        }
        prefixes.append(prefix)
    }
    let namespace = try Namespace()
    let (link, inner, outer) = ("seg\(index)", "02:00:00:00:01:00", "02:00:00:00:02:00")
    try gateway.ip(
        """
        link add \(link) address \(outer) type veth peer name gate address \(inner) \
        netns \(namespace.name)
        link set \(link) up
        """)
    try namespace.set([
        "net/ipv4/conf/all/accept_local": "1", "net/ipv4/ip_nonlocal_bind": "1",
        "net/ipv6/ip_nonlocal_bind": "1", "net/ipv4/ping_group_range": "0 2147483647",
        "net/ipv4/ip_local_port_range": "10000 65535", "net/core/somaxconn": "65535",
        "net/ipv4/tcp_max_syn_backlog": "65535", "net/ipv4/tcp_syncookies": "0",
    ])
    try namespace.ip(
        """
        addr add fdff:ffff:ffff::\(index + 1):9/128 dev lo
        link set gate up
        neigh add \(gatewayAddress4) lladdr \(outer) dev gate nud permanent
        neigh add fe80::8 lladdr \(outer) dev gate nud permanent
        route add default via \(gatewayAddress4) dev gate onlink table 100
        route add ::/0 via fe80::8 dev gate table 100
        """ + prefixes.map { "\nroute add local \($0) dev lo table local" }.joined())
    for family in AddressFamily.allCases {
        try namespace.ip(
            """
            rule add pref 10 iif lo lookup 100
            rule add pref 20 lookup local
            rule del pref 0
            """, family: family)
    }
    try gateway.ip(
        """
        neigh add 192.0.0.9 lladdr \(inner) dev \(link) nud permanent
        neigh add fe80::9 lladdr \(inner) dev \(link) nud permanent
        """
            + prefixes.map {
                let next = $0.family == .v4 ? "192.0.0.9 onlink" : "fe80::9"
                return "\nroute add \($0) dev \(link) via \(next)"
            }.joined())
    return GatewayLandscape.Segment(prefixes: prefixes, namespace: namespace, link: link)
}
