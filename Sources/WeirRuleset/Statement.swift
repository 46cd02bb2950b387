// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a rule can say: exactly the statements that the fixed program uses, so that each has one
// nft text and one list of netlink expressions, and both are tested.

/// A part of a packet, or of what the kernel knows about it, used as a key.
public enum Selector: String, Sendable, Hashable {
    case priority = "meta priority"
    case mark = "meta mark"
    case l4proto = "meta l4proto"
    case destinationPort = "th dport"
    case sourcePort = "th sport"
    case icmpType = "icmp type"
    case icmpv6Type = "icmpv6 type"
    case ipSource = "ip saddr"
    case ipDestination = "ip daddr"
    case ip6Source = "ip6 saddr"
    case ip6Destination = "ip6 daddr"
    case ctID = "ct id"
    case dscp = "ip dscp"
}

/// The two packet fields that carry classes through the program.
public enum Scratch: String, Sendable, Hashable {
    case priority = "meta priority"
    case mark = "meta mark"
}

public enum NetworkFamily: String, Sendable, Hashable { case ipv4, ipv6 }

public enum Verdict: Sendable, Hashable {
    case accept, drop, `return`
    case jump(String)
    case goto(String)
}

public enum Statement: Sendable, Hashable {
    /// `ct state established,related`
    case connectionState(Set<ConnectionState>)
    /// `ct status confirmed`: the connection was let through before, whatever its state.
    case connectionConfirmed
    /// `ct zone set 7`: the zone in which the packet's connection is looked for.
    case setConnectionZone(UInt16)
    /// `ip6 hoplimit 255`
    case hopLimit(UInt8)
    /// `ct direction original`, `ct direction reply`
    case connectionDirection(ConnectionDirection)
    /// `meta day 1`: the day of the week in UTC; 0 is Sunday.
    case day(UInt8)
    /// `meta hour 32400-61199`: seconds of the day in UTC, both ends included. (nft lists hours in
    /// the time zone of whoever asks.)
    case hours(UInt32, UInt32)
    /// `meta mark 0`, `meta priority 0:0`
    case equals(Scratch, UInt32)
    /// `meta mark != 0`
    case differs(Scratch, UInt32)
    /// `meta priority 8000:0-8fff:ffff` (compared in network byte order, both ends included)
    case inRange(Scratch, UInt32, UInt32)
    /// `meta l4proto tcp`
    case l4proto(UInt8)
    /// `meta nfproto ipv4`
    case networkFamily(NetworkFamily)
    /// `iifname "eth0"`, `oifname "eth0"`
    case inputInterface(String)
    case outputInterface(String)
    /// `KEY @set`
    case lookup([Selector], set: String)
    /// `KEY != @set`
    case missing([Selector], set: String)
    /// `meta mark set 0`
    case set(Scratch, UInt32)
    /// `meta priority set KEY map @map`; a key that is not in the map ends the rule.
    case setFromMap(Scratch, [Selector], map: String)
    /// `counter name KEY map @map`, `limit name KEY map @map`
    case object(ObjectKind, [Selector], map: String)
    /// `counter name "x"`
    case counter(String)
    /// `limit rate …` in a rule of its own
    case limit(RateLimit)
    /// `update @set { KEY : meta mark }` in a dynamic map
    case learn([Selector], data: Selector, map: String)
    /// `update @set { KEY limit rate … }` in a dynamic set; ends the rule when over the limit or
    /// when the set is full.
    case learnLimit([Selector], RateLimit, set: String)
    /// `add @set { KEY ct count N }` in a dynamic set; ends the rule when over the count or full.
    case learnConnectionCount([Selector], UInt32, set: String)
    /// `reject with tcp reset`
    case rejectWithReset
    /// `reject with icmpx admin-prohibited`
    case rejectProhibited
    /// `log prefix "…" group N`
    case log(prefix: String, group: UInt16)
    /// `numgen random mod N 0`: one of N packets goes on.
    case sample(oneIn: UInt32)
    /// `ip dscp set V`, `ip6 dscp set V`
    case setDSCP(NetworkFamily, UInt8)
    /// `ip ecn != not-ect`: both ends understand congestion marks.
    case ecnCapable(NetworkFamily)
    /// `ip ecn set ce`, `ip6 ecn set ce`
    case markECN(NetworkFamily)
    case verdict(Verdict)
}

/// Which way a packet of a connection goes.
public enum ConnectionDirection: String, Sendable, Hashable { case original, reply }

public enum ConnectionState: String, Sendable, Hashable, CaseIterable {
    case established, related, new, invalid, untracked
}
