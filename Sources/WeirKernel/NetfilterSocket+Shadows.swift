// SPDX-License-Identifier: GPL-3.0-or-later
//
// Shadows: entries of conntrack that stand in for connections which a new cap has to count. The
// kernel counts a connection only while it is being set up; a shadow has the same addresses and
// ports in a zone of the cap's, and never gets beyond that. As long as it stands the cap counts it,
// and whoever deletes it gives the place back.

import CNetfilter
import Glibc
import WeirModel
import WeirRuleset

extension NetfilterSocket {
    /// Makes a connection's shadow; its mark is the connection's ``Connection/id``.
    mutating func makeShadow(
        of connection: Connection, zone: UInt16
    ) throws(KernelError) -> ShadowCreation {
        guard LoopbackCounter.canLead(connection) else { return .refused }
        let first = try createShadow(of: connection, zone: zone)
        guard first == .again else { return first }
        // One of a connection that is gone, or of a cap whose number leads to the same zone. The
        // kernel counts no connection that is assured, and that one is; so it is made anew.
        for _ in 0..<3 {
            try deleteShadow(of: connection, zone: zone)
            let creation = try createShadow(of: connection, zone: zone)
            if creation != .again { return creation == .made ? .again : creation }
        }
        return .refused
    }

    enum ShadowCreation {
        /// It was not there before, or it was and is another now.
        case made, again
        /// Conntrack takes no more, or knows the protocol only by its packets.
        case refused
    }

    private mutating func createShadow(
        of connection: Connection, zone: UInt16
    ) throws(KernelError) -> ShadowCreation {
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW.rawValue)
        let isTCP = connection.original.protocolNumber == UInt8(IPPROTO_TCP)
        // In case nobody is left to delete it: thirty days.
        let seconds: UInt32 = 30 * 86_400
        do throws(KernelError) {
            _ = try request(
                type, family: connection.family, isDump: false, creates: true,
                operation: "let a cap count a connection"
            ) { writer in
                writer.nest(CTA_TUPLE_ORIG) { $0.tuple(connection.original) }
                writer.nest(CTA_TUPLE_REPLY) { $0.tuple(connection.reply) }
                writer.put(CTA_ZONE, number: zone)
                // To be found by.
                writer.put(CTA_STATUS, number: shadowStatus | IPS_CONFIRMED.rawValue)
                writer.put(CTA_TIMEOUT, number: seconds)
                writer.put(CTA_MARK, number: connection.id)
                guard isTCP else { return }
                writer.nest(CTA_PROTOINFO) { writer in
                    writer.nest(CTA_PROTOINFO_TCP) {
                        $0.put(
                            CTA_PROTOINFO_TCP_STATE,
                            number: Connection.TCPState.established.rawValue)
                    }
                }
            } _: { _, _ in
            }
            return .made
        } catch {
            switch error.code {
            case EEXIST: return .again
            case ENOMEM, ENOSPC, ENFILE, EOPNOTSUPP, EINVAL: return .refused
            default: throw error
            }
        }
    }

    /// Lets a shadow live as long as its connection: the kernel makes room for new connections by
    /// ending those that are not assured. Such a one it counts no more, so this comes last.
    mutating func assureShadow(
        of connection: Connection, zone: UInt16
    ) throws(KernelError) {
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW.rawValue)
        let status =
            shadowStatus | IPS_CONFIRMED.rawValue | IPS_SEEN_REPLY.rawValue | IPS_ASSURED.rawValue
        _ = try request(
            type, family: connection.family, isDump: false,
            operation: "let a cap count a connection"
        ) { writer in
            writer.nest(CTA_TUPLE_ORIG) { $0.tuple(connection.original) }
            writer.put(CTA_ZONE, number: zone)
            writer.put(CTA_STATUS, number: status)
        } _: { _, _ in
        }
    }

    private mutating func deleteShadow(
        of connection: Connection, zone: UInt16
    ) throws(KernelError) {
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE.rawValue)
        _ = try request(
            type, family: connection.family, isDump: false, operation: "delete a connection"
        ) { writer in
            writer.nest(CTA_TUPLE_ORIG) { $0.tuple(connection.original) }
            writer.put(CTA_ZONE, number: zone)
        } _: { _, _ in
        }
    }

    /// All shadows.
    public mutating func readShadows() throws(KernelError) -> [Connection] {
        var shadows: [Connection] = []
        try forEachConnection(status: shadowStatus) {
            if Recounting.zones.contains($0.zone) { shadows.append($0) }
        }
        return shadows
    }

    /// Whether what a shadow stands for still holds a place.
    public mutating func isAlive(behind shadow: Connection) throws(KernelError) -> Bool {
        try isAlive(shadow.original, id: shadow.mark)
    }

    /// Whether a connection still holds a place.
    public mutating func isAlive(_ connection: Connection) throws(KernelError) -> Bool {
        try isAlive(connection.original, id: connection.id)
    }

    private mutating func isAlive(
        _ original: ConnectionTuple, id: UInt32
    ) throws(KernelError) -> Bool {
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET.rawValue)
        var isAlive = false
        _ = try request(
            type, family: original.family, isDump: false, operation: "look for a connection"
        ) { writer in
            writer.nest(CTA_TUPLE_ORIG) { $0.tuple(original) }
        } _: { message, bytes in
            guard let found = Connection(message.attributes, in: bytes) else { return }
            isAlive = found.id == id && !found.isClosed
        }
        return isAlive
    }
}

/// A bit of an entry's status that the kernel sets for none that it makes itself.
private let shadowStatus = IPS_FIXED_TIMEOUT.rawValue

extension ConnectionTuple {
    var family: UInt8 { UInt8(source.family == .v4 ? AF_INET : AF_INET6) }
}

extension Connection {
    var family: UInt8 { original.family }
}
