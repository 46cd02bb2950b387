// SPDX-License-Identifier: GPL-3.0-or-later
//
// Objects, chains and sets out of the kernel's attributes. What weir would never have written is
// reported as foreign, so that the next commit puts it right instead of misreading it.

import CNetfilter
import WeirRuleset

enum DecodedObject {
    case known(String, NamedObject)
    case foreign(ForeignObject)
}

/// The attributes of NFT_MSG_NEWOBJ; nil for another table's object.
func decodeObject(
    _ attributes: AttributeCursor, in bytes: Span<UInt8>, ofTable table: String
) -> DecodedObject? {
    var name = ""
    var comment = ""
    var type: UInt32 = 0
    var data: AttributeCursor?
    var cursor = attributes
    while let attribute = cursor.next(in: bytes) {
        switch attribute.type {
        case NFTA_OBJ_TABLE.rawValue where bytes.text(attribute) != table: return nil
        case NFTA_OBJ_NAME.rawValue: name = bytes.text(attribute)
        case NFTA_OBJ_TYPE.rawValue: type = bytes.number(attribute)
        case NFTA_OBJ_DATA.rawValue: data = attribute.nested
        case NFTA_OBJ_USERDATA.rawValue:
            if let place = bytes.userData(0, in: attribute.value) { comment = bytes.text(place) }
        default: break
        }
    }
    if type == ObjectKind.counter.kernelType {
        return .known(name, NamedObject(kind: .counter, comment: comment))
    }
    if type == ObjectKind.limit.kernelType, let data {
        let limit = decodeLimit(data, in: bytes)
        return .known(name, NamedObject(kind: .limit(limit), comment: comment))
    }
    return .foreign(ForeignObject(name: name, type: type))
}

private func decodeLimit(_ attributes: AttributeCursor, in bytes: Span<UInt8>) -> RateLimit {
    var limit = RateLimit(rate: 0, burst: 0)
    var cursor = attributes
    while let attribute = cursor.next(in: bytes) {
        switch attribute.type {
        case NFTA_LIMIT_RATE.rawValue: limit.rate = bytes.number(attribute)
        case NFTA_LIMIT_UNIT.rawValue: limit.intervalSeconds = bytes.number(attribute)
        case NFTA_LIMIT_BURST.rawValue: limit.burst = bytes.number(attribute)
        case NFTA_LIMIT_TYPE.rawValue:
            let isPackets = bytes.number(attribute) == NFT_LIMIT_PKTS.rawValue
            limit.unit = isPackets ? .packets : .bytes
        case NFTA_LIMIT_FLAGS.rawValue:
            limit.over = bytes.number(attribute) & UInt32(NFT_LIMIT_F_INV.rawValue) != 0
        default: break
        }
    }
    return limit
}

/// The attributes of NFT_MSG_NEWCHAIN.
struct ChainAttributes {
    var table = ""
    var name = ""
    var type = ""
    var policy: UInt32 = UInt32(NF_ACCEPT)
    var hookNumber: UInt32?
    var priority: Int32 = 0
    var hasDevices = false

    init(_ attributes: AttributeCursor, in bytes: Span<UInt8>) {
        var cursor = attributes
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case NFTA_CHAIN_TABLE.rawValue: table = bytes.text(attribute)
            case NFTA_CHAIN_NAME.rawValue: name = bytes.text(attribute)
            case NFTA_CHAIN_TYPE.rawValue: type = bytes.text(attribute)
            case NFTA_CHAIN_POLICY.rawValue: policy = bytes.number(attribute)
            case NFTA_CHAIN_HOOK.rawValue: readHook(attribute.nested, in: bytes)
            default: break
            }
        }
    }

    private mutating func readHook(_ attributes: AttributeCursor, in bytes: Span<UInt8>) {
        var cursor = attributes
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case NFTA_HOOK_HOOKNUM.rawValue: hookNumber = bytes.number(attribute)
            case NFTA_HOOK_PRIORITY.rawValue:
                priority = Int32(bitPattern: bytes.number(attribute))
            default: hasDevices = true
            }
        }
    }

    var kernelChain: KernelChain {
        guard let hookNumber else { return KernelChain() }
        guard type == "filter", policy == UInt32(NF_ACCEPT), !hasDevices,
            let point = Chain.Hook.Point(kernelNumber: hookNumber)
        else { return KernelChain(isForeign: true) }
        return KernelChain(hook: .init(point: point, priority: priority))
    }
}

/// The attributes of NFT_MSG_NEWSET.
struct SetAttributes {
    var table = ""
    var name = ""
    private var flags: UInt32 = 0
    private var keyType: UInt32 = 0
    private var keyLength: UInt32 = 0
    private var dataType: UInt32 = 0
    private var objectType: UInt32 = 0
    private var timeout: UInt64?
    private var size: UInt32?
    private var expression: String?

    init(_ attributes: AttributeCursor, in bytes: Span<UInt8>) {
        var cursor = attributes
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case NFTA_SET_TABLE.rawValue: table = bytes.text(attribute)
            case NFTA_SET_NAME.rawValue: name = bytes.text(attribute)
            case NFTA_SET_FLAGS.rawValue: flags = bytes.number(attribute)
            case NFTA_SET_KEY_TYPE.rawValue: keyType = bytes.number(attribute)
            case NFTA_SET_KEY_LEN.rawValue: keyLength = bytes.number(attribute)
            case NFTA_SET_DATA_TYPE.rawValue: dataType = bytes.number(attribute)
            case NFTA_SET_OBJ_TYPE.rawValue: objectType = bytes.number(attribute)
            case NFTA_SET_TIMEOUT.rawValue: timeout = bytes.number(attribute)
            case NFTA_SET_DESC.rawValue:
                if let size = attribute.nested.first(NFTA_SET_DESC_SIZE, in: bytes) {
                    self.size = bytes.number(size)
                }
            case NFTA_SET_EXPR.rawValue:
                if let name = attribute.nested.first(NFTA_EXPR_NAME, in: bytes) {
                    expression = bytes.text(name)
                }
            case NFTA_SET_EXPRESSIONS.rawValue: expression = "several"
            default: break
            }
        }
    }

    var isAnonymous: Bool { flags & NFT_SET_ANONYMOUS.rawValue != 0 }

    /// The set without elements; nil where weir would not have made it.
    var namedSet: NamedSet? {
        guard let key = [FieldType](nftNumber: keyType), key.keyBytes == Int(keyLength),
            let kind, expression == nil || expression == "connlimit"
        else { return nil }
        var set = NamedSet(
            key: key, kind: kind, size: size == 0 ? nil : size,
            timeoutMilliseconds: timeout == 0 ? nil : timeout,
            countsConnections: expression != nil)
        let known: [(nft_set_flags, NamedSet.Flags)] = [
            (NFT_SET_CONSTANT, .constant), (NFT_SET_INTERVAL, .interval),
            (NFT_SET_TIMEOUT, .timeout), (NFT_SET_EVAL, .dynamic),
        ]
        for (kernel, flag) in known where flags & kernel.rawValue != 0 { set.flags.insert(flag) }
        return set.kernelFlags == flags ? set : nil
    }

    private var kind: NamedSet.Kind? {
        if flags & NFT_SET_OBJECT.rawValue != 0 {
            let kinds: [ObjectKind] = [.counter, .limit]
            return kinds.first { $0.kernelType == objectType }.map { .objectMap($0) }
        }
        guard flags & NFT_SET_MAP.rawValue != 0 else { return .set }
        return FieldType(nftNumber: dataType).map { .map($0) }
    }
}
