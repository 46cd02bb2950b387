// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the kernel counts and what else is loaded beside weir's table: counters for `show` and
// `top`, other tables' chains for `plan`, and word of others' commits.

import CNetfilter
import Glibc
import WeirRuleset

/// What a named counter has counted since it was made.
public struct CounterReading: Sendable, Hashable {
    public var packets: UInt64
    public var bytes: UInt64

    public init(packets: UInt64, bytes: UInt64) {
        self.packets = packets
        self.bytes = bytes
    }
}

/// Another table's chain on a hook: what weir allows it can still drop.
public struct ForeignBaseChain: Sendable, Hashable {
    /// nft's word: `ip`, `inet`, …
    public var family: String
    public var table: String
    public var chain: String
    /// `filter`, `nat`, `route`
    public var type: String
    public var point: Chain.Hook.Point
    public var priority: Int32
    /// What becomes of packets that no rule of it decides.
    public var dropsByDefault: Bool

    public init(
        family: String, table: String, chain: String, type: String, point: Chain.Hook.Point,
        priority: Int32, dropsByDefault: Bool
    ) {
        self.family = family
        self.table = table
        self.chain = chain
        self.type = type
        self.point = point
        self.priority = priority
        self.dropsByDefault = dropsByDefault
    }
}

extension NetfilterSocket {
    /// The named counters of weir's table. Reading does not reset them.
    public mutating func readCounters(
        family: TableFamily = .inet, table: String = "weir"
    ) throws(KernelError) -> [String: CounterReading] {
        var readings: [String: CounterReading] = [:]
        _ = try ask(NFT_MSG_GETOBJ, family.kernelNumber, isDump: true, "read counters") {
            $0.put(NFTA_OBJ_TABLE, table)
            $0.put(NFTA_OBJ_TYPE, number: ObjectKind.counter.kernelType)
        } _: { message, bytes in
            guard let ofTable = message.attributes.first(NFTA_OBJ_TABLE, in: bytes),
                bytes.text(ofTable) == table,
                let name = message.attributes.first(NFTA_OBJ_NAME, in: bytes),
                let data = message.attributes.first(NFTA_OBJ_DATA, in: bytes)
            else { return }
            var reading = CounterReading(packets: 0, bytes: 0)
            var cursor = data.nested
            while let attribute = cursor.next(in: bytes) {
                if attribute.isA(NFTA_COUNTER_PACKETS) { reading.packets = bytes.number(attribute) }
                if attribute.isA(NFTA_COUNTER_BYTES) { reading.bytes = bytes.number(attribute) }
            }
            readings[bytes.text(name)] = reading
        }
        return readings
    }

    /// Whether a table has a chain; false where there is no such table.
    public mutating func hasChain(
        _ name: String, family: TableFamily = .inet, table: String = "weir"
    ) throws(KernelError) -> Bool {
        var isThere = false
        _ = try ask(NFT_MSG_GETCHAIN, family.kernelNumber, isDump: true, "read chains") { _ in
        } _: { message, bytes in
            let chain = ChainAttributes(message.attributes, in: bytes)
            isThere = isThere || (chain.table == table && chain.name == name)
        }
        return isThere
    }

    /// The hooks on which weir's own table decides; none where there is no such table. Chains there
    /// bear their hook's name.
    public mutating func readHooks(
        family: TableFamily = .inet, table: String = "weir"
    ) throws(KernelError) -> Set<Chain.Hook.Point> {
        var points: Set<Chain.Hook.Point> = []
        _ = try ask(NFT_MSG_GETCHAIN, family.kernelNumber, isDump: true, "read chains") { _ in
        } _: { message, bytes in
            let chain = ChainAttributes(message.attributes, in: bytes)
            guard chain.table == table, let hook = chain.hookNumber,
                let point = Chain.Hook.Point(kernelNumber: hook), chain.name == point.rawValue
            else { return }
            points.insert(point)
        }
        return points
    }

    /// The base chains of other tables on some hooks, in the order in which packets meet them.
    /// - Parameter table: weir's own, which is left out.
    public mutating func readForeignBaseChains(
        on points: Set<Chain.Hook.Point>, family: TableFamily = .inet, table: String = "weir"
    ) throws(KernelError) -> [ForeignBaseChain] {
        var chains: [ForeignBaseChain] = []
        let own = family.kernelNumber
        _ = try ask(NFT_MSG_GETCHAIN, UInt8(AF_UNSPEC), isDump: true, "read chains") { _ in
        } _: { message, bytes in
            let chain = ChainAttributes(message.attributes, in: bytes)
            // `struct nfgenmsg` begins with the table's family.
            let number = bytes[message.payload.lowerBound]
            guard let hook = chain.hookNumber, let point = Chain.Hook.Point(kernelNumber: hook),
                points.contains(point), let word = familyWords[number],
                number != own || chain.table != table, meets(number, own)
            else { return }
            chains.append(
                ForeignBaseChain(
                    family: word, table: chain.table, chain: chain.name, type: chain.type,
                    point: point, priority: chain.priority,
                    dropsByDefault: chain.policy == UInt32(NF_DROP)))
        }
        return chains.sorted {
            let a = ($0.point.kernelNumber, $0.priority)
            let b = ($1.point.kernelNumber, $1.priority)
            return a == b ? ($0.table, $0.chain) < ($1.table, $1.chain) : a < b
        }
    }
}

/// Bridges have hooks of their own; the others' are those of IPv4 and IPv6.
private func meets(_ family: UInt8, _ own: UInt8) -> Bool {
    let bridge = TableFamily.bridge.kernelNumber
    return (family == bridge) == (own == bridge)
}

/// NFPROTO_* of the families that have these hooks, and nft's words for them.
private let familyWords: [UInt8: String] = [1: "inet", 2: "ip", 7: "bridge", 10: "ip6"]
