// SPDX-License-Identifier: GPL-3.0-or-later
//
// Conntrack over netlink: which connections exist, and the deletion of single ones. A connection
// whose entry is deleted is new again with its next packet, and so decided again.

import CNetfilter
import Glibc
import WeirModel
import WeirRuleset

extension NetfilterSocket {
    /// Hands every tracked connection of both address families to the closure.
    ///
    /// Connections that come or go meanwhile may be missing, and one may come twice. Shadows are
    /// none (``readShadows()``).
    public mutating func forEachConnection(
        _ body: (Connection) throws(KernelError) -> Void
    ) throws(KernelError) {
        try forEachConnection(status: nil) { (connection) throws(KernelError) in
            if !Recounting.zones.contains(connection.zone) { try body(connection) }
        }
    }

    /// - Parameter status: IPS_* bits that they have; nil for all.
    mutating func forEachConnection(
        status: UInt32?, _ body: (Connection) throws(KernelError) -> Void
    ) throws(KernelError) {
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET.rawValue)
        _ = try request(
            type, family: UInt8(AF_UNSPEC), isDump: true, operation: "read the connections"
        ) { writer in
            // Kernels before 5.12 take no notice.
            if let status {
                writer.put(CTA_STATUS, number: status)
                writer.put(CTA_STATUS_MASK, number: status)
            }
        } _: { (message, bytes) throws(KernelError) in
            guard let connection = Connection(message.attributes, in: bytes),
                status.map({ connection.status & $0 == $0 }) ?? true
            else { return }
            try body(connection)
        }
    }

    /// All tracked connections of both address families.
    public mutating func readConnections() throws(KernelError) -> [Connection] {
        var connections: [Connection] = []
        try forEachConnection { connections.append($0) }
        return connections
    }

    /// How many connections the namespace tracks.
    public mutating func countConnections() throws(KernelError) -> Int {
        var count = 0
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET_STATS.rawValue)
        _ = try request(
            type, family: UInt8(AF_UNSPEC), isDump: false, operation: "count the connections"
        ) { _ in
        } _: { message, bytes in
            guard let entries = message.attributes.first(CTA_STATS_GLOBAL_ENTRIES, in: bytes)
            else { return }
            count = Int(bytes.number(entries, as: UInt32.self))
        }
        return count
    }

    /// Deletes one connection's entry, and no other that has come to use the same addresses.
    /// - Returns: false where it no longer exists.
    @discardableResult
    public mutating func delete(_ connection: Connection) throws(KernelError) -> Bool {
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE.rawValue)
        return try request(
            type, family: connection.family, isDump: false, operation: "delete a connection"
        ) { writer in
            writer.nest(CTA_TUPLE_ORIG) { $0.tuple(connection.original) }
            writer.put(CTA_ID, number: connection.id)
            if connection.zone != 0 { writer.put(CTA_ZONE, number: connection.zone) }
        } _: { _, _ in
        }
    }
}

extension NetlinkWriter {
    mutating func tuple(_ tuple: ConnectionTuple) {
        nest(CTA_TUPLE_IP) { writer in
            switch (tuple.source, tuple.destination) {
            case (.v4(let source), .v4(let destination)):
                writer.put(CTA_IP_V4_SRC, number: source)
                writer.put(CTA_IP_V4_DST, number: destination)
            default:
                writer.put(CTA_IP_V6_SRC, number: tuple.source.value)
                writer.put(CTA_IP_V6_DST, number: tuple.destination.value)
            }
        }
        nest(CTA_TUPLE_PROTO) { writer in
            writer.put(CTA_PROTO_NUM, number: tuple.protocolNumber)
            let type = UInt8(tuple.destinationPort >> 8)
            let code = UInt8(truncatingIfNeeded: tuple.destinationPort)
            switch Int(tuple.protocolNumber) {
            case Int(IPPROTO_ICMP):
                writer.put(CTA_PROTO_ICMP_ID, number: tuple.sourcePort)
                writer.put(CTA_PROTO_ICMP_TYPE, number: type)
                writer.put(CTA_PROTO_ICMP_CODE, number: code)
            case Int(IPPROTO_ICMPV6):
                writer.put(CTA_PROTO_ICMPV6_ID, number: tuple.sourcePort)
                writer.put(CTA_PROTO_ICMPV6_TYPE, number: type)
                writer.put(CTA_PROTO_ICMPV6_CODE, number: code)
            default:
                writer.put(CTA_PROTO_SRC_PORT, number: tuple.sourcePort)
                writer.put(CTA_PROTO_DST_PORT, number: tuple.destinationPort)
            }
        }
    }
}

extension Connection {
    /// Reads the attributes of IPCTNL_MSG_CT_NEW; nil where a direction is missing.
    init?(_ attributes: AttributeCursor, in bytes: Span<UInt8>) {
        var original: ConnectionTuple?
        var reply: ConnectionTuple?
        var state: TCPState?
        var mark: UInt32 = 0
        var id: UInt32 = 0
        var status: UInt32 = 0
        var zone: UInt16 = 0
        var started: UInt64?
        var traffic: CounterReading?
        var cursor = attributes
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case CTA_TUPLE_ORIG.rawValue:
                original = ConnectionTuple(attribute.nested, in: bytes)
            case CTA_TUPLE_REPLY.rawValue:
                reply = ConnectionTuple(attribute.nested, in: bytes)
            case CTA_STATUS.rawValue: status = bytes.number(attribute)
            case CTA_MARK.rawValue: mark = bytes.number(attribute)
            case CTA_ID.rawValue: id = bytes.number(attribute)
            case CTA_ZONE.rawValue: zone = bytes.number(attribute)
            case CTA_TIMESTAMP.rawValue:
                if let start = attribute.nested.first(CTA_TIMESTAMP_START, in: bytes) {
                    started = bytes.number(start)
                }
            case CTA_COUNTERS_ORIG.rawValue, CTA_COUNTERS_REPLY.rawValue:
                traffic = CounterReading(attribute.nested, in: bytes).adding(traffic)
            case CTA_PROTOINFO.rawValue:
                if let tcp = attribute.nested.first(CTA_PROTOINFO_TCP, in: bytes),
                    let number = tcp.nested.first(CTA_PROTOINFO_TCP_STATE, in: bytes)
                {
                    state = TCPState(rawValue: bytes.number(number))
                }
            default: break
            }
        }
        guard let original, let reply else { return nil }
        self.init(
            original: original, reply: reply, tcpState: state, mark: mark, id: id,
            status: status, zone: zone, startedAtNanoseconds: started, traffic: traffic)
    }
}

extension CounterReading {
    /// One direction of CTA_COUNTERS.
    fileprivate init(_ attributes: AttributeCursor, in bytes: Span<UInt8>) {
        self.init(packets: 0, bytes: 0)
        var cursor = attributes
        while let attribute = cursor.next(in: bytes) {
            if attribute.isA(CTA_COUNTERS_PACKETS) { packets = bytes.number(attribute) }
            if attribute.isA(CTA_COUNTERS_BYTES) { self.bytes = bytes.number(attribute) }
        }
    }

    fileprivate func adding(_ other: CounterReading?) -> CounterReading {
        guard let other else { return self }
        return CounterReading(packets: packets &+ other.packets, bytes: bytes &+ other.bytes)
    }
}

extension ConnectionTuple {
    fileprivate init?(_ attributes: AttributeCursor, in bytes: Span<UInt8>) {
        guard let addresses = attributes.first(CTA_TUPLE_IP, in: bytes),
            let ports = attributes.first(CTA_TUPLE_PROTO, in: bytes)
        else { return nil }
        var source: IPAddress?
        var destination: IPAddress?
        var cursor = addresses.nested
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case CTA_IP_V4_SRC.rawValue: source = .v4(bytes.number(attribute))
            case CTA_IP_V4_DST.rawValue: destination = .v4(bytes.number(attribute))
            case CTA_IP_V6_SRC.rawValue: source = .v6(bytes.number(attribute))
            case CTA_IP_V6_DST.rawValue: destination = .v6(bytes.number(attribute))
            default: break
            }
        }
        guard let source, let destination else { return nil }
        self.init(source: source, destination: destination, protocolNumber: 0)
        readPorts(ports.nested, in: bytes)
    }

    private mutating func readPorts(_ attributes: AttributeCursor, in bytes: Span<UInt8>) {
        var cursor = attributes
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case CTA_PROTO_NUM.rawValue: protocolNumber = bytes.number(attribute)
            case CTA_PROTO_SRC_PORT.rawValue, CTA_PROTO_ICMP_ID.rawValue,
                CTA_PROTO_ICMPV6_ID.rawValue:
                sourcePort = bytes.number(attribute)
            case CTA_PROTO_DST_PORT.rawValue: destinationPort = bytes.number(attribute)
            case CTA_PROTO_ICMP_TYPE.rawValue, CTA_PROTO_ICMPV6_TYPE.rawValue:
                destinationPort |= UInt16(bytes.number(attribute, as: UInt8.self)) << 8
            case CTA_PROTO_ICMP_CODE.rawValue, CTA_PROTO_ICMPV6_CODE.rawValue:
                destinationPort |= UInt16(bytes.number(attribute, as: UInt8.self))
            default: break
            }
        }
    }
}
