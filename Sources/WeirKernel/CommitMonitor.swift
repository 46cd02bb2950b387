// SPDX-License-Identifier: GPL-3.0-or-later
//
// Word of others' commits. Every commit of anybody in the namespace raises the generation, so a
// long-running weir would have to read its whole table again whenever another tool touches its
// own; the kernel's notifications say which tables a commit was about.

import CNetfilter
import Glibc
import WeirRuleset

/// A commit that the kernel reported.
public struct ObservedCommit: Sendable, Hashable {
    /// The generation that it made.
    public var generation: UInt32
    /// The tables that it changed, weir's among them or not.
    public var tables: Set<TableName>

    public init(generation: UInt32, tables: Set<TableName>) {
        self.generation = generation
        self.tables = tables
    }

    /// Whether it changed a table of weir's.
    public func touches(family: TableFamily = .inet, table: String = "weir") -> Bool {
        tables.contains(TableName(family: family.kernelNumber, name: table))
    }
}

/// A table's name, which is unique in its family.
public struct TableName: Sendable, Hashable {
    /// NFPROTO_*
    public var family: UInt8
    public var name: String

    public init(family: UInt8, name: String) {
        self.family = family
        self.name = name
    }
}

/// Hears of every commit to the ruleset of a network namespace, whoever makes it.
public struct CommitMonitor: ~Copyable {
    private var socket: NetfilterSocket
    private var tables: Set<TableName> = []
    private var commits: [ObservedCommit] = []

    public static func open() throws(KernelError) -> CommitMonitor {
        let socket = try NetfilterSocket.open()
        let group = Int32(NFNLGRP_NFTABLES.rawValue)
        guard socket.setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group) else {
            throw KernelError(code: errno, operation: "watch the ruleset")
        }
        return CommitMonitor(socket: socket)
    }

    private init(socket: consuming NetfilterSocket) { self.socket = socket }

    /// Waits for the next commit. While a monitor is open the kernel reports each element of a
    /// commit, which makes large commits slower.
    /// - Returns: nil when the time passed first.
    /// - Throws: with reason `answersLost` when commits came faster than they were read: then the
    ///   table has to be read again.
    public mutating func nextCommit(
        timeoutMilliseconds: Int64
    ) throws(KernelError) -> ObservedCommit? {
        let deadline = currentTimeMilliseconds() + timeoutMilliseconds
        while commits.isEmpty {
            let left = deadline - currentTimeMilliseconds()
            guard left >= 0, socket.waitForInput(timeoutMilliseconds: Int32(clamping: left))
            else { return nil }
            try receive()
        }
        return commits.removeFirst()
    }

    private mutating func receive() throws(KernelError) {
        let isCommit = messageType(NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWGEN.rawValue)
        var tables = self.tables
        var commits: [ObservedCommit] = []
        do throws(KernelError) {
            _ = try socket.receive(waits: false, operation: "watch the ruleset") {
                message, bytes in
                if message.type == isCommit {
                    guard let id = message.attributes.first(NFTA_GEN_ID, in: bytes) else { return }
                    commits.append(
                        ObservedCommit(generation: bytes.number(id), tables: tables))
                    tables = []
                } else if let table = message.attributes.first(NFTA_TABLE_NAME, in: bytes) {
                    // All of nf_tables' messages have their table's name in attribute 1.
                    tables.insert(
                        TableName(
                            family: bytes[message.payload.lowerBound], name: bytes.text(table)))
                }
            }
        } catch {
            // What was reported of a commit before the loss is not all of it.
            self.tables = []
            throw error
        }
        self.tables = tables
        self.commits += commits
    }
}
