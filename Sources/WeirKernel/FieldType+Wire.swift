// SPDX-License-Identifier: GPL-3.0-or-later
//
// How nft numbers, sizes and orders the types of keys and data. The kernel only stores the type
// number; nft needs it to print elements, so it has to be the one that nft would have sent.

import WeirRuleset

extension FieldType {
    /// `enum datatypes` of nft's include/datatype.h
    var nftNumber: UInt32 {
        switch self {
        case .ctID: 4  // plain integer: the type of `ct id`
        case .ipv4Address: 7
        case .ipv6Address: 8
        case .inetProto: 12
        case .inetService: 13
        case .icmpType: 14
        case .mark: 19
        case .classid: 23
        case .icmpv6Type: 29
        case .dscp: 36
        }
    }

    /// Bytes of the field by itself; in a concatenation each is padded to a multiple of four.
    var lengthBytes: Int {
        switch self {
        case .ipv6Address: 16
        case .ipv4Address, .classid, .mark, .ctID: 4
        case .inetService: 2
        case .inetProto, .icmpType, .icmpv6Type, .dscp: 1
        }
    }

    /// The greatest value: an interval up to it has no end in a tree of intervals.
    var greatestValue: UInt128 {
        if self == .ipv6Address { return .max }
        return (UInt128(1) << UInt128(self == .dscp ? 6 : lengthBytes * 8)) - 1
    }

    /// Kept in the machine's byte order, except in sets with intervals, which compare bytes.
    var isHostOrder: Bool { self == .classid || self == .mark }

    /// `BYTEORDER_HOST_ENDIAN` or `BYTEORDER_BIG_ENDIAN` of nft
    var nftByteOrder: UInt32 { isHostOrder ? 1 : 2 }

    /// The type with a number of nft's.
    init?(nftNumber: UInt32) {
        guard let type = FieldType.allCases.first(where: { $0.nftNumber == nftNumber }) else {
            return nil
        }
        self = type
    }
}

extension [FieldType] {
    /// nft's number of a concatenation: six bits for each field.
    var nftNumber: UInt32 { reduce(0) { $0 << 6 | $1.nftNumber } }

    /// Bytes of the key as the kernel sees it.
    var keyBytes: Int {
        count == 1 ? self[0].lengthBytes : reduce(0) { $0 + ($1.lengthBytes + 3) / 4 * 4 }
    }

    /// The fields of nft's number; nil where one is of a type that weir does not use.
    init?(nftNumber: UInt32) {
        guard nftNumber != 0 else { return nil }
        var fields: [FieldType] = []
        var rest = nftNumber
        while rest != 0 {
            guard let field = FieldType(nftNumber: rest & 0x3F) else { return nil }
            fields.insert(field, at: 0)
            rest >>= 6
        }
        self = fields
    }
}
