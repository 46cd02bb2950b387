// SPDX-License-Identifier: GPL-3.0-or-later
//
// Word of connections as they begin. A dump of conntrack takes a while, and what opens meanwhile
// is in none of two dumps for certain; what the kernel reports comes in order and at once.

import CNetfilter
import Glibc
import WeirModel
import WeirRuleset

/// Hears of connections that begin in a network namespace while it is open.
public struct ConnectionMonitor: ~Copyable {
    private var socket: NetfilterSocket

    public static func open() throws(KernelError) -> ConnectionMonitor {
        let socket = try NetfilterSocket.open()
        let group = Int32(NFNLGRP_CONNTRACK_NEW.rawValue)
        guard socket.setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group) else {
            throw KernelError(code: errno, operation: "watch the connections")
        }
        return ConnectionMonitor(socket: socket)
    }

    private init(socket: consuming NetfilterSocket) { self.socket = socket }

    /// What has begun since the last time, without waiting; no shadows.
    /// - Returns: and whether there was more than the kernel had room to report: then a dump that
    ///   is made afterwards shows what is missing.
    public mutating func takeNew() throws(KernelError) -> (found: [Connection], hasLost: Bool) {
        let type = messageType(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW.rawValue)
        var found: [Connection] = []
        var (hasMore, hasLost) = (true, false)
        while hasMore {
            do throws(KernelError) {
                hasMore = try socket.receive(waits: false, operation: "watch the connections") {
                    (message, bytes) in
                    guard message.type == type,
                        let connection = Connection(message.attributes, in: bytes),
                        !Recounting.zones.contains(connection.zone)
                    else { return }
                    found.append(connection)
                }
            } catch {
                guard error.code == ENOBUFS else { throw error }
                hasLost = true
            }
        }
        return (found, hasLost)
    }
}
