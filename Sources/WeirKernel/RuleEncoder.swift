// SPDX-License-Identifier: GPL-3.0-or-later
//
// A rule's statements as kernel expressions: the same ones, in the same registers, that nft 1.0.6
// makes of the same text, since `nft list` recognises statements by these patterns only. Like nft
// it puts in what a statement takes for granted (`ip saddr` holds for IPv4 only) unless the rule
// has already said so.

import CNetfilter
import WeirRuleset

/// Writes the expressions of one rule.
struct RuleEncoder {
    private var writer: NetlinkWriter
    private let family: TableFamily
    private let intervalSets: Set<String>
    private var knownNetwork: NetworkFamily?
    private var knownProtocol: UInt8?

    /// Appends the expressions of a rule to a list of them.
    static func encode(
        _ rule: Rule, family: TableFamily, intervalSets: Set<String>,
        into writer: inout NetlinkWriter
    ) {
        var encoder = RuleEncoder(writer: writer, family: family, intervalSets: intervalSets)
        writer = NetlinkWriter()
        for statement in rule.statements { encoder.encode(statement) }
        writer = encoder.writer
    }

    private init(writer: NetlinkWriter, family: TableFamily, intervalSets: Set<String>) {
        self.writer = writer
        self.family = family
        self.intervalSets = intervalSets
    }

    private mutating func encode(_ statement: Statement) {
        switch statement {
        case .connectionState(let states): matchState(states)
        case .connectionConfirmed:
            writer.loadConntrack(NFT_CT_STATUS)
            writer.bitwise(
                mask: UInt32(IPS_CONFIRMED.rawValue).hostBytes, xor: [0, 0, 0, 0],
                statesOperation: false)
            writer.compare(NFT_CMP_NEQ, host: 0)
        case .setConnectionZone(let zone):
            writer.immediate(host16: zone)
            writer.storeConntrack(NFT_CT_ZONE)
        case .hopLimit(let limit):
            if knownNetwork == nil { require(.ipv6) }
            writer.loadPayload(NFT_PAYLOAD_NETWORK_HEADER, offset: 7, length: 1)
            writer.compare(NFT_CMP_EQ, [limit])
        case .connectionDirection(let direction):
            writer.loadConntrack(NFT_CT_DIRECTION)
            writer.compare(NFT_CMP_EQ, [direction == .original ? 0 : 1])
        case .day(let day):
            writer.loadMeta(NFT_META_TIME_DAY)
            writer.compare(NFT_CMP_EQ, [day])
        case .hours(let first, let last):
            writer.loadMeta(NFT_META_TIME_HOUR)
            writer.hostToNetwork()
            writer.compare(NFT_CMP_GTE, first.networkBytes)
            writer.compare(NFT_CMP_LTE, last.networkBytes)
        case .equals(let field, let value): match(field, NFT_CMP_EQ, value)
        case .differs(let field, let value): match(field, NFT_CMP_NEQ, value)
        case .inRange(let field, let low, let high):
            writer.loadMeta(field.metaKey)
            writer.hostToNetwork()
            writer.compare(NFT_CMP_GTE, low.networkBytes)
            writer.compare(NFT_CMP_LTE, high.networkBytes)
        case .l4proto(let number): require(protocol: number)
        case .networkFamily(let network): require(network)
        case .inputInterface(let name): matchInterface(NFT_META_IIFNAME, name)
        case .outputInterface(let name): matchInterface(NFT_META_OIFNAME, name)
        case .lookup(let key, let set):
            load(key, for: set)
            writer.lookUp(set)
        case .missing(let key, let set):
            load(key, for: set)
            writer.lookUp(set, inverted: true)
        case .set(let field, let value):
            writer.immediate(host: value)
            writer.storeMeta(field.metaKey)
        case .setFromMap(let field, let key, let map):
            load(key, for: map)
            writer.lookUp(map, isMap: true)
            writer.storeMeta(field.metaKey)
        case .object(_, let key, let map):
            load(key, for: map)
            writer.object(inMap: map)
        case .counter(let name): writer.object(.counter, named: name)
        case .limit(let limit): writer.expression("limit") { $0.limitAttributes(limit) }
        case .learn, .learnLimit, .learnConnectionCount: encodeLearning(statement)
        case .rejectWithReset:
            // Only TCP has resets; a rule that says so already is not told again.
            if knownProtocol == nil { require(protocol: UInt8(IPPROTO_TCP)) }
            writer.reject(NFT_REJECT_TCP_RST, code: 0)
        case .rejectProhibited:
            let code = NFT_REJECT_ICMPX_ADMIN_PROHIBITED.rawValue
            writer.reject(NFT_REJECT_ICMPX_UNREACH, code: UInt8(code))
        case .log(let prefix, let group):
            writer.log(prefix: nftLogPrefix(prefix), group: group)
        case .sample(let oneIn):
            writer.randomNumber(below: oneIn)
            writer.compare(NFT_CMP_EQ, host: 0)
        case .setDSCP(let network, let value): setDSCP(network, value)
        case .ecnCapable(let network):
            if knownNetwork == nil { require(network) }
            writer.loadPayload(NFT_PAYLOAD_NETWORK_HEADER, offset: 1, length: 1)
            writer.bitwise(
                mask: [network == .ipv4 ? 0x03 : 0x30], xor: [0], statesOperation: true)
            writer.compare(NFT_CMP_NEQ, [0])
        case .markECN(let network): markECN(network)
        case .verdict(let verdict): writer.immediate(verdict)
        }
    }

    private mutating func encodeLearning(_ statement: Statement) {
        switch statement {
        case .learn(let key, let data, let map):
            load(key, for: map)
            // nft gives a datum the next register of 128 bits after the key.
            let register = Register(word: (words(of: key) + 3) / 4 * 4)
            load(data, into: register)
            writer.learn(NFT_DYNSET_OP_UPDATE, set: map, data: register)
        case .learnLimit(let key, let limit, let set):
            load(key, for: set)
            writer.learn(NFT_DYNSET_OP_UPDATE, set: set) { writer in
                writer.expressionBody("limit") { $0.limitAttributes(limit) }
            }
        case .learnConnectionCount(let key, let count, let set):
            load(key, for: set)
            writer.learn(NFT_DYNSET_OP_ADD, set: set) { $0.connectionCountBody(count) }
        default: break
        }
    }

    private mutating func matchState(_ states: Set<ConnectionState>) {
        let mask = states.reduce(UInt32(0)) { $0 | $1.kernelBit }
        writer.loadConntrack(NFT_CT_STATE)
        writer.bitwise(mask: mask.hostBytes, xor: [0, 0, 0, 0], statesOperation: false)
        writer.compare(NFT_CMP_NEQ, host: 0)
    }

    private mutating func match(_ field: Scratch, _ operation: nft_cmp_ops, _ value: UInt32) {
        writer.loadMeta(field.metaKey)
        writer.compare(operation, host: value)
    }

    /// A name ending in `*` stands for all that begin so; any other is compared with its NUL.
    private mutating func matchInterface(_ key: nft_meta_keys, _ name: String) {
        var bytes = Array(nftSafe(name, limitBytes: 15).utf8)
        if bytes.last == UInt8(ascii: "*") {
            bytes.removeLast()
        } else {
            bytes += [UInt8](repeating: 0, count: 16 - bytes.count)
        }
        writer.loadMeta(key)
        writer.compare(NFT_CMP_EQ, bytes)
    }

    // MARK: What a statement takes for granted

    private mutating func require(_ network: NetworkFamily) {
        knownNetwork = network
        if family == .inet {
            writer.loadMeta(NFT_META_NFPROTO)
            writer.compare(NFT_CMP_EQ, [network == .ipv4 ? 2 : 10])
        } else {
            writer.loadMeta(NFT_META_PROTOCOL)
            writer.compare(NFT_CMP_EQ, network == .ipv4 ? [0x08, 0x00] : [0x86, 0xDD])
        }
    }

    private mutating func require(protocol number: UInt8) {
        knownProtocol = number
        writer.loadMeta(NFT_META_L4PROTO)
        writer.compare(NFT_CMP_EQ, [number])
    }

    private mutating func requireDependencies(of selector: Selector) {
        if let network = selector.network, knownNetwork == nil { require(network) }
        if let number = selector.transport, knownProtocol == nil { require(protocol: number) }
    }

    // MARK: Keys

    private func words(of key: [Selector]) -> Int { key.reduce(0) { $0 + $1.words } }

    /// Loads a key's fields side by side, in the byte order of the set's elements.
    private mutating func load(_ key: [Selector], for set: String) {
        for selector in key { requireDependencies(of: selector) }
        let comparesRanges = intervalSets.contains(set)
        var word = 0
        for selector in key {
            let register = Register(word: word)
            load(selector, into: register)
            if comparesRanges && selector.isHostOrder { writer.hostToNetwork(register) }
            word += selector.words
        }
    }

    private mutating func load(_ selector: Selector, into register: Register) {
        let network = NFT_PAYLOAD_NETWORK_HEADER
        let transport = NFT_PAYLOAD_TRANSPORT_HEADER
        switch selector {
        case .priority: writer.loadMeta(NFT_META_PRIORITY, into: register)
        case .mark: writer.loadMeta(NFT_META_MARK, into: register)
        case .l4proto: writer.loadMeta(NFT_META_L4PROTO, into: register)
        case .destinationPort: writer.loadPayload(transport, offset: 2, length: 2, into: register)
        case .sourcePort: writer.loadPayload(transport, offset: 0, length: 2, into: register)
        case .icmpType, .icmpv6Type:
            writer.loadPayload(transport, offset: 0, length: 1, into: register)
        case .ipSource: writer.loadPayload(network, offset: 12, length: 4, into: register)
        case .ipDestination: writer.loadPayload(network, offset: 16, length: 4, into: register)
        case .ip6Source: writer.loadPayload(network, offset: 8, length: 16, into: register)
        case .ip6Destination: writer.loadPayload(network, offset: 24, length: 16, into: register)
        case .ctID: writer.loadConntrack(NFT_CT_ID, into: register)
        case .dscp:
            writer.loadPayload(network, offset: 1, length: 1, into: register)
            writer.bitwise(mask: [0xFC], xor: [0], statesOperation: true)
            writer.shiftRight(bits: 2, in: register)
        }
    }

    // MARK: Changing the packet

    private mutating func setDSCP(_ network: NetworkFamily, _ value: UInt8) {
        if knownNetwork == nil { require(network) }
        switch network {
        case .ipv4:
            change(
                offset: 0, length: 2, mask: [0xFF, 0x03], xor: [0, value << 2],
                mendsIPChecksum: true)
        case .ipv6:
            change(
                offset: 0, length: 2, mask: [0xF0, 0x3F], xor: [value >> 2, value << 6],
                mendsIPChecksum: false)
        }
    }

    private mutating func markECN(_ network: NetworkFamily) {
        if knownNetwork == nil { require(network) }
        switch network {
        case .ipv4:
            change(
                offset: 0, length: 2, mask: [0xFF, 0xFC], xor: [0, 3], mendsIPChecksum: true)
        case .ipv6:
            change(offset: 1, length: 1, mask: [0xCF], xor: [0x30], mendsIPChecksum: false)
        }
    }

    private mutating func change(
        offset: UInt32, length: UInt32, mask: [UInt8], xor: [UInt8], mendsIPChecksum: Bool
    ) {
        writer.loadPayload(NFT_PAYLOAD_NETWORK_HEADER, offset: offset, length: length)
        writer.bitwise(mask: mask, xor: xor, statesOperation: true)
        writer.storePayload(offset: offset, length: length, mendsIPChecksum: mendsIPChecksum)
    }
}

extension Scratch {
    fileprivate var metaKey: nft_meta_keys {
        self == .priority ? NFT_META_PRIORITY : NFT_META_MARK
    }
}

extension ConnectionState {
    /// NF_CT_STATE_BIT of IP_CT_*, NF_CT_STATE_INVALID_BIT, NF_CT_STATE_UNTRACKED_BIT
    fileprivate var kernelBit: UInt32 {
        switch self {
        case .invalid: 1
        case .established: 2
        case .related: 4
        case .new: 8
        case .untracked: 64
        }
    }
}

extension Selector {
    /// 32-bit registers that the field fills.
    fileprivate var words: Int {
        switch self {
        case .ip6Source, .ip6Destination: 4
        default: 1
        }
    }

    /// Numbers that the kernel keeps in the machine's byte order.
    fileprivate var isHostOrder: Bool { self == .priority || self == .mark }

    /// The network protocol that the field belongs to.
    fileprivate var network: NetworkFamily? {
        switch self {
        case .ipSource, .ipDestination, .icmpType, .dscp: .ipv4
        case .ip6Source, .ip6Destination, .icmpv6Type: .ipv6
        default: nil
        }
    }

    fileprivate var transport: UInt8? {
        switch self {
        case .icmpType: UInt8(IPPROTO_ICMP)
        case .icmpv6Type: UInt8(IPPROTO_ICMPV6)
        default: nil
        }
    }
}
