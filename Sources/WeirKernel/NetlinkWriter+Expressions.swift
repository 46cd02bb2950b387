// SPDX-License-Identifier: GPL-3.0-or-later
//
// One function for each nftables expression that weir uses (net/netfilter/nft_*.c), with the
// attributes that nft 1.0.6 sends for it. What they are put together to is decided elsewhere.

import CNetfilter
import WeirRuleset

/// A register as expressions name it.
///
/// There are 16 of 32 bits; a number on a boundary of 128 bits has the older name as well, which
/// is the one that nft uses for the first.
struct Register: Equatable {
    let number: UInt32

    /// The register that starts at a 32-bit word.
    init(word: Int) {
        let word = UInt32(word)
        number =
            word & 3 == 0 ? NFT_REG_1.rawValue + word / 4 : NFT_REG32_00.rawValue + word
    }

    private init(number: UInt32) { self.number = number }

    static let first = Register(word: 0)
    static let verdict = Register(number: NFT_REG_VERDICT.rawValue)
}

extension NetlinkWriter {
    /// An expression's name and attributes, as an element of a rule's list.
    @inline(__always)
    mutating func expression(_ name: String, _ attributes: (inout NetlinkWriter) -> Void) {
        nest(NFTA_LIST_ELEM) { writer in writer.expressionBody(name, attributes) }
    }

    mutating func expressionBody(_ name: String, _ attributes: (inout NetlinkWriter) -> Void) {
        put(NFTA_EXPR_NAME, name)
        nest(NFTA_EXPR_DATA, attributes)
    }

    mutating func loadMeta(_ key: nft_meta_keys, into register: Register = .first) {
        expression("meta") {
            $0.put(NFTA_META_KEY, number: key.rawValue)
            $0.put(NFTA_META_DREG, number: register.number)
        }
    }

    mutating func storeMeta(_ key: nft_meta_keys) {
        expression("meta") {
            $0.put(NFTA_META_KEY, number: key.rawValue)
            $0.put(NFTA_META_SREG, number: Register.first.number)
        }
    }

    mutating func loadConntrack(_ key: nft_ct_keys, into register: Register = .first) {
        expression("ct") {
            $0.put(NFTA_CT_KEY, number: key.rawValue)
            $0.put(NFTA_CT_DREG, number: register.number)
        }
    }

    mutating func storeConntrack(_ key: nft_ct_keys) {
        expression("ct") {
            $0.put(NFTA_CT_KEY, number: key.rawValue)
            $0.put(NFTA_CT_SREG, number: Register.first.number)
        }
    }

    mutating func immediate(host16 number: UInt16) {
        expression("immediate") {
            $0.put(NFTA_IMMEDIATE_DREG, number: Register.first.number)
            $0.nest(NFTA_IMMEDIATE_DATA) {
                $0.put(
                    NFTA_DATA_VALUE,
                    bytes: isLittleEndian
                        ? [UInt8(truncatingIfNeeded: number), UInt8(number >> 8)]
                        : [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)])
            }
        }
    }

    mutating func loadPayload(
        _ base: nft_payload_bases, offset: UInt32, length: UInt32,
        into register: Register = .first
    ) {
        expression("payload") {
            $0.put(NFTA_PAYLOAD_DREG, number: register.number)
            $0.put(NFTA_PAYLOAD_BASE, number: base.rawValue)
            $0.put(NFTA_PAYLOAD_OFFSET, number: offset)
            $0.put(NFTA_PAYLOAD_LEN, number: length)
        }
    }

    /// - Parameter mendsIPChecksum: the header is IPv4's, with its checksum at byte 10.
    mutating func storePayload(offset: UInt32, length: UInt32, mendsIPChecksum: Bool) {
        expression("payload") {
            $0.put(NFTA_PAYLOAD_SREG, number: Register.first.number)
            $0.put(NFTA_PAYLOAD_BASE, number: NFT_PAYLOAD_NETWORK_HEADER.rawValue)
            $0.put(NFTA_PAYLOAD_OFFSET, number: offset)
            $0.put(NFTA_PAYLOAD_LEN, number: length)
            guard mendsIPChecksum else { return }
            $0.put(NFTA_PAYLOAD_CSUM_TYPE, number: NFT_PAYLOAD_CSUM_INET.rawValue)
            $0.put(NFTA_PAYLOAD_CSUM_OFFSET, number: UInt32(10))
        }
    }

    /// Compares the first register with bytes.
    mutating func compare(_ operation: nft_cmp_ops, _ bytes: some Sequence<UInt8>) {
        expression("cmp") {
            $0.put(NFTA_CMP_SREG, number: Register.first.number)
            $0.put(NFTA_CMP_OP, number: operation.rawValue)
            $0.nest(NFTA_CMP_DATA) { $0.put(NFTA_DATA_VALUE, bytes: bytes) }
        }
    }

    /// Compares the first register with a number that it holds in the machine's byte order.
    mutating func compare(_ operation: nft_cmp_ops, host number: UInt32) {
        compare(operation, number.hostBytes)
    }

    /// `register = (register & mask) ^ xor`. nft states the operation for some and not for others.
    mutating func bitwise(mask: [UInt8], xor: [UInt8], statesOperation: Bool) {
        expression("bitwise") {
            $0.put(NFTA_BITWISE_SREG, number: Register.first.number)
            $0.put(NFTA_BITWISE_DREG, number: Register.first.number)
            if statesOperation {
                $0.put(NFTA_BITWISE_OP, number: UInt32(0))
            }
            $0.put(NFTA_BITWISE_LEN, number: UInt32(mask.count))
            $0.nest(NFTA_BITWISE_MASK) { $0.put(NFTA_DATA_VALUE, bytes: mask) }
            $0.nest(NFTA_BITWISE_XOR) { $0.put(NFTA_DATA_VALUE, bytes: xor) }
        }
    }

    /// Shifts one byte in the register to the right.
    mutating func shiftRight(bits: UInt32, in register: Register) {
        expression("bitwise") {
            $0.put(NFTA_BITWISE_SREG, number: register.number)
            $0.put(NFTA_BITWISE_DREG, number: register.number)
            $0.put(NFTA_BITWISE_OP, number: NFT_BITWISE_RSHIFT.rawValue)
            $0.put(NFTA_BITWISE_LEN, number: UInt32(1))
            $0.nest(NFTA_BITWISE_DATA) { $0.put(NFTA_DATA_VALUE, bytes: bits.hostBytes) }
        }
    }

    /// A number of 32 bits from the machine's to network byte order, for comparing ranges.
    mutating func hostToNetwork(_ register: Register = .first) {
        expression("byteorder") {
            $0.put(NFTA_BYTEORDER_SREG, number: register.number)
            $0.put(NFTA_BYTEORDER_DREG, number: register.number)
            $0.put(NFTA_BYTEORDER_OP, number: NFT_BYTEORDER_HTON.rawValue)
            $0.put(NFTA_BYTEORDER_LEN, number: UInt32(4))
            $0.put(NFTA_BYTEORDER_SIZE, number: UInt32(4))
        }
    }

    mutating func immediate(host number: UInt32) {
        expression("immediate") {
            $0.put(NFTA_IMMEDIATE_DREG, number: Register.first.number)
            $0.nest(NFTA_IMMEDIATE_DATA) { $0.put(NFTA_DATA_VALUE, bytes: number.hostBytes) }
        }
    }

    mutating func immediate(_ verdict: Verdict) {
        expression("immediate") {
            $0.put(NFTA_IMMEDIATE_DREG, number: Register.verdict.number)
            $0.nest(NFTA_IMMEDIATE_DATA) {
                $0.nest(NFTA_DATA_VERDICT) {
                    $0.put(NFTA_VERDICT_CODE, number: UInt32(bitPattern: verdict.code))
                    if let chain = verdict.chain { $0.put(NFTA_VERDICT_CHAIN, chain) }
                }
            }
        }
    }

    /// - Parameter isMap: the result goes to the first register.
    mutating func lookUp(_ set: String, isMap: Bool = false, inverted: Bool = false) {
        expression("lookup") {
            $0.put(NFTA_LOOKUP_SREG, number: Register.first.number)
            if isMap { $0.put(NFTA_LOOKUP_DREG, number: Register.first.number) }
            $0.put(NFTA_LOOKUP_SET, set)
            if inverted {
                $0.put(NFTA_LOOKUP_FLAGS, number: UInt32(NFT_LOOKUP_F_INV.rawValue))
            }
        }
    }

    mutating func object(inMap map: String) {
        expression("objref") {
            $0.put(NFTA_OBJREF_SET_SREG, number: Register.first.number)
            $0.put(NFTA_OBJREF_SET_NAME, map)
        }
    }

    mutating func object(_ kind: ObjectKind, named name: String) {
        expression("objref") {
            $0.put(NFTA_OBJREF_IMM_TYPE, number: kind.kernelType)
            $0.put(NFTA_OBJREF_IMM_NAME, name)
        }
    }

    /// Adds to a dynamic set what the first registers hold.
    mutating func learn(
        _ operation: nft_dynset_ops, set: String, data: Register? = nil,
        stateful: ((inout NetlinkWriter) -> Void)? = nil
    ) {
        expression("dynset") {
            $0.put(NFTA_DYNSET_SREG_KEY, number: Register.first.number)
            if let data { $0.put(NFTA_DYNSET_SREG_DATA, number: data.number) }
            $0.put(NFTA_DYNSET_OP, number: operation.rawValue)
            $0.put(NFTA_DYNSET_SET_NAME, set)
            if let stateful { $0.nest(NFTA_DYNSET_EXPR, stateful) }
        }
    }

    /// The attributes of a token bucket, in an expression and in a named object alike.
    mutating func limitAttributes(_ limit: RateLimit) {
        put(NFTA_LIMIT_RATE, number: limit.rate)
        put(NFTA_LIMIT_UNIT, number: limit.intervalSeconds)
        put(NFTA_LIMIT_BURST, number: limit.burst)
        let type = limit.unit == .packets ? NFT_LIMIT_PKTS : NFT_LIMIT_PKT_BYTES
        put(NFTA_LIMIT_TYPE, number: type.rawValue)
        put(NFTA_LIMIT_FLAGS, number: limit.over ? UInt32(NFT_LIMIT_F_INV.rawValue) : 0)
    }

    mutating func connectionCountBody(_ count: UInt32) {
        expressionBody("connlimit") {
            $0.put(NFTA_CONNLIMIT_COUNT, number: count)
            $0.put(NFTA_CONNLIMIT_FLAGS, number: UInt32(0))
        }
    }

    mutating func reject(_ type: nft_reject_types, code: UInt8) {
        expression("reject") {
            $0.put(NFTA_REJECT_TYPE, number: type.rawValue)
            $0.put(NFTA_REJECT_ICMP_CODE, number: code)
        }
    }

    mutating func log(prefix: String, group: UInt16) {
        expression("log") {
            if !prefix.isEmpty { $0.put(NFTA_LOG_PREFIX, prefix) }
            $0.put(NFTA_LOG_GROUP, number: group)
        }
    }

    mutating func randomNumber(below modulus: UInt32) {
        expression("numgen") {
            $0.put(NFTA_NG_DREG, number: Register.first.number)
            $0.put(NFTA_NG_MODULUS, number: modulus)
            $0.put(NFTA_NG_TYPE, number: NFT_NG_RANDOM.rawValue)
            $0.put(NFTA_NG_OFFSET, number: UInt32(0))
        }
    }
}

extension Verdict {
    /// NF_* or NFT_*
    fileprivate var code: Int32 {
        switch self {
        case .drop: NF_DROP
        case .accept: NF_ACCEPT
        case .jump: NFT_JUMP.rawValue
        case .goto: NFT_GOTO.rawValue
        case .return: NFT_RETURN.rawValue
        }
    }

    fileprivate var chain: String? {
        switch self {
        case .jump(let chain), .goto(let chain): chain
        default: nil
        }
    }
}

extension UInt32 {
    /// In the machine's byte order.
    var hostBytes: [UInt8] {
        let shifts: [UInt32] = isLittleEndian ? [0, 8, 16, 24] : [24, 16, 8, 0]
        return shifts.map { UInt8(truncatingIfNeeded: self >> $0) }
    }

    var networkBytes: [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: self >> UInt32($0)) }
    }
}
