// SPDX-License-Identifier: GPL-3.0-or-later
//
// A connection as conntrack knows it, and the flow that the policies would have seen of it.

import CNetfilter
import WeirModel

/// One direction's addresses and ports.
public struct ConnectionTuple: Sendable, Hashable {
    public var source: IPAddress
    public var destination: IPAddress
    /// IPPROTO_*
    public var protocolNumber: UInt8
    /// 0 where the protocol has no ports; for ICMP the identifier.
    public var sourcePort: UInt16
    /// 0 where the protocol has no ports; for ICMP the type in the upper byte, the code in the
    /// lower.
    public var destinationPort: UInt16

    public init(
        source: IPAddress, destination: IPAddress, protocolNumber: UInt8, sourcePort: UInt16 = 0,
        destinationPort: UInt16 = 0
    ) {
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
    }

    /// ICMP of either family: types and identifiers instead of ports.
    var isICMP: Bool {
        protocolNumber == UInt8(IPPROTO_ICMP) || protocolNumber == UInt8(IPPROTO_ICMPV6)
    }
}

/// An entry of conntrack.
public struct Connection: Sendable, Hashable {
    /// As the client sent its first packet.
    public var original: ConnectionTuple
    /// As answers come back: its source is the destination after DNAT, its destination the source
    /// after SNAT.
    public var reply: ConnectionTuple
    /// TCP_CONNTRACK_* of a TCP connection; nil for other protocols.
    public var tcpState: TCPState?
    public var mark: UInt32
    /// The kernel's number of the entry; two entries that live at the same time differ in it.
    public var id: UInt32
    /// IPS_* bits: which directions were seen, whether it is assured.
    public var status: UInt32
    /// Of conntrack; 0 is the usual one.
    public var zone: UInt16
    /// Nanoseconds since 1970-01-01; nil unless `net.netfilter.nf_conntrack_timestamp` was on when
    /// the connection began.
    public var startedAtNanoseconds: UInt64?
    /// Of both directions; nil unless `net.netfilter.nf_conntrack_acct` was on when it began.
    public var traffic: CounterReading?

    /// `enum tcp_conntrack`
    public enum TCPState: UInt8, Sendable, Hashable {
        case none, synSent, synReceived, established, finWait, closeWait, lastAck, timeWait, close
        case synSent2
    }

    public init(
        original: ConnectionTuple, reply: ConnectionTuple, tcpState: TCPState? = nil,
        mark: UInt32 = 0, id: UInt32 = 0, status: UInt32 = 0, zone: UInt16 = 0,
        startedAtNanoseconds: UInt64? = nil, traffic: CounterReading? = nil
    ) {
        self.original = original
        self.reply = reply
        self.tcpState = tcpState
        self.mark = mark
        self.id = id
        self.status = status
        self.zone = zone
        self.startedAtNanoseconds = startedAtNanoseconds
        self.traffic = traffic
    }

    /// The connection as policies decide it: the source before SNAT, the destination and its port
    /// after DNAT, for ICMP the type.
    public var flow: Flow {
        let port = original.isICMP ? original.destinationPort >> 8 : reply.sourcePort
        return Flow(
            source: original.source, destination: reply.source,
            port: PortPoint(protocolNumber: original.protocolNumber, port: port))
    }

    /// Whether answers have been seen: IPS_SEEN_REPLY.
    public var isAnswered: Bool { status & IPS_SEEN_REPLY.rawValue != 0 }

    /// TCP that is over and only waits for stragglers; no such connection counts for a cap.
    public var isClosed: Bool { tcpState == .timeWait || tcpState == .close }
}
