// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sets and their elements as netlink attributes, with the user data in which nft keeps what the
// kernel has no attribute for: byte orders, `typeof` and comments.

import CNetfilter
import WeirRuleset

extension NetlinkWriter {
    /// The attributes of NFT_MSG_NEWSET.
    mutating func set(_ set: NamedSet, named name: String, table: String, id: UInt32) {
        put(NFTA_SET_TABLE, table)
        put(NFTA_SET_NAME, name)
        put(NFTA_SET_FLAGS, number: set.kernelFlags)
        put(NFTA_SET_KEY_TYPE, number: set.key.nftNumber)
        put(NFTA_SET_KEY_LEN, number: UInt32(set.key.keyBytes))
        switch set.kind {
        case .set: break
        case .map(let data):
            put(NFTA_SET_DATA_TYPE, number: data.nftNumber)
            put(NFTA_SET_DATA_LEN, number: UInt32(data.lengthBytes))
        case .objectMap(let kind): put(NFTA_SET_OBJ_TYPE, number: kind.kernelType)
        }
        put(NFTA_SET_ID, number: id)
        describe(set)
        if let timeout = set.timeoutMilliseconds { put(NFTA_SET_TIMEOUT, number: timeout) }
        put(NFTA_SET_USERDATA, bytes: set.userData)
        if set.countsConnections {
            // A template: the elements bring their own numbers.
            nest(NFTA_SET_EXPR) { $0.connectionCountBody(1) }
        }
    }

    /// The size, and for intervals of a concatenation the length of each field, without which
    /// the kernel cannot choose its structure for them.
    private mutating func describe(_ set: NamedSet) {
        let size = set.effectiveSize
        let needsFields = set.flags.contains(.interval) && set.key.count > 1
        guard size != nil || needsFields else { return }
        nest(NFTA_SET_DESC) { writer in
            if let size { writer.put(NFTA_SET_DESC_SIZE, number: size) }
            guard needsFields else { return }
            writer.nest(NFTA_SET_DESC_CONCAT) { writer in
                for field in set.key {
                    writer.nest(NFTA_LIST_ELEM) {
                        $0.put(NFTA_SET_FIELD_LEN, number: UInt32(field.lengthBytes))
                    }
                }
            }
        }
    }
}

extension NamedSet {
    /// NFT_SET_*
    var kernelFlags: UInt32 {
        var result: UInt32 = 0
        if flags.contains(.constant) { result |= NFT_SET_CONSTANT.rawValue }
        if flags.contains(.interval) { result |= NFT_SET_INTERVAL.rawValue }
        if flags.contains(.timeout) { result |= NFT_SET_TIMEOUT.rawValue }
        if flags.contains(.dynamic) { result |= NFT_SET_EVAL.rawValue }
        if flags.contains(.interval) && key.count > 1 { result |= NFT_SET_CONCAT.rawValue }
        switch kind {
        case .set: break
        case .map: result |= NFT_SET_MAP.rawValue
        case .objectMap: result |= NFT_SET_OBJECT.rawValue
        }
        return result
    }

    /// What nft 1.0.6 puts into a set's user data (libnftnl's udata.h, nft's mnl.c).
    var userData: [UInt8] {
        var data: [UInt8] = []
        // A concatenation has no byte order of its own.
        data.appendUserData(0, (key.count == 1 ? key[0].nftByteOrder : 0).hostBytes)
        if case .map(let type) = kind { data.appendUserData(1, type.nftByteOrder.hostBytes) }
        if key == [.ctID] {
            data.appendUserData(3, FieldType.ctIDTypeof)
            if kind == .map(.mark) { data.appendUserData(4, FieldType.markTypeof) }
            if kind == .map(.classid) { data.appendUserData(4, FieldType.priorityTypeof) }
        } else if key.count > 1 {
            // An expression of kind 13, a concatenation, of which nothing more is said.
            data.appendUserData(3, [0, 4] + UInt32(13).hostBytes + [1, 0])
        }
        if kind != .set { data.appendUserData(6, UInt32(0).hostBytes) }
        return data
    }
}

extension FieldType {
    /// Expression kind 12 (ct) with key NFT_CT_ID and no direction.
    fileprivate static var ctIDTypeof: [UInt8] {
        let key = [0, 4] + UInt32(NFT_CT_ID.rawValue).hostBytes
        return [0, 4] + UInt32(12).hostBytes + [1, 12] + key + [1, 4, 0xFF, 0xFF, 0xFF, 0xFF]
    }

    /// Expression kind 9 (meta) with its key.
    fileprivate static var markTypeof: [UInt8] { metaTypeof(NFT_META_MARK) }
    fileprivate static var priorityTypeof: [UInt8] { metaTypeof(NFT_META_PRIORITY) }

    private static func metaTypeof(_ key: nft_meta_keys) -> [UInt8] {
        [0, 4] + UInt32(9).hostBytes + [1, 6, 0, 4] + key.rawValue.hostBytes
    }
}

extension [UInt8] {
    /// One of libnftnl's user data attributes: type, length, value.
    mutating func appendUserData(_ type: UInt8, _ value: [UInt8]) {
        append(type)
        append(UInt8(value.count))
        append(contentsOf: value)
    }

    /// A text attribute with its NUL. nft keeps comments in type 0 of most things.
    mutating func appendUserData(_ type: UInt8, text: String) {
        let text = nftSafe(text)
        append(type)
        append(UInt8(text.utf8.count + 1))
        append(contentsOf: text.utf8)
        append(0)
    }
}
