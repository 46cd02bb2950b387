// SPDX-License-Identifier: GPL-3.0-or-later
//
// Elements as netlink attributes. This is the hot path of a large commit, so a key's layout is
// worked out once for a set, not once for an element.

import CNetfilter
import WeirRuleset

/// Writes elements of one set.
struct ElementEncoder {
    private struct Field {
        var shift: UInt128
        var lengthBytes: Int
        var paddingBytes: Int
        /// The least significant byte first.
        var isReversed: Bool
    }

    private let fields: [Field]
    private let dataType: FieldType?
    private let isTree: Bool
    private let isConcatenatedInterval: Bool
    private let nowMilliseconds: Int64
    /// The greatest key of a set with one field: an interval up to it has no end.
    private let greatest: UInt128

    init(_ set: NamedSet, nowMilliseconds: Int64) {
        let isInterval = set.flags.contains(.interval)
        var fields: [Field] = []
        var below = set.key.reduce(0) { $0 + $1.packedBits }
        for type in set.key {
            below -= type.packedBits
            let length = type.lengthBytes
            fields.append(
                Field(
                    shift: UInt128(below), lengthBytes: length,
                    paddingBytes: set.key.count == 1 ? 0 : (4 - length & 3) & 3,
                    isReversed: type.isHostOrder && !isInterval && isLittleEndian))
        }
        self.fields = fields
        if case .map(let type) = set.kind { dataType = type } else { dataType = nil }
        isTree = isInterval && set.key.count == 1
        isConcatenatedInterval = isInterval && set.key.count > 1
        self.nowMilliseconds = nowMilliseconds
        greatest = set.key[0].greatestValue
    }

    /// How many attributes an element takes: in a tree of intervals, a start and an end behind it.
    func attributeCount(_ key: ElementKey) -> Int { isTree && key.last != greatest ? 2 : 1 }

    /// The element with everything that it says.
    func add(_ key: ElementKey, _ element: Element, to writer: inout NetlinkWriter) {
        writer.nest(NFTA_LIST_ELEM) { writer in
            if let expires = element.expiresAtMilliseconds {
                let left = UInt64(max(expires - nowMilliseconds, 1))
                writer.put(NFTA_SET_ELEM_TIMEOUT, number: left)
            }
            putKey(key, in: &writer)
            switch element.value {
            case .none: break
            case .number(let number):
                writer.nest(NFTA_SET_ELEM_DATA) { writer in
                    writer.put(NFTA_DATA_VALUE) { putDatum(number, in: &$0) }
                }
            case .object(let name): writer.put(NFTA_SET_ELEM_OBJREF, name)
            }
            let isOpen = isTree && key.last == greatest
            if !element.comment.isEmpty || isOpen {
                var data: [UInt8] = []
                if !element.comment.isEmpty { data.appendUserData(0, text: element.comment) }
                if isOpen { data.appendUserData(1, UInt32(1).hostBytes) }
                writer.put(NFTA_SET_ELEM_USERDATA, bytes: data)
            }
            if let count = element.connectionCount {
                writer.nest(NFTA_SET_ELEM_EXPR) { $0.connectionCountBody(count) }
            }
        }
        putEnd(of: key, in: &writer)
    }

    /// The element by its key only, which is all that a deletion needs.
    func name(_ key: ElementKey, in writer: inout NetlinkWriter) {
        writer.nest(NFTA_LIST_ELEM) { putKey(key, in: &$0) }
        putEnd(of: key, in: &writer)
    }

    private func putEnd(of key: ElementKey, in writer: inout NetlinkWriter) {
        guard attributeCount(key) == 2 else { return }
        writer.nest(NFTA_LIST_ELEM) { writer in
            writer.put(
                NFTA_SET_ELEM_FLAGS, number: UInt32(NFT_SET_ELEM_INTERVAL_END.rawValue))
            writer.nest(NFTA_SET_ELEM_KEY) { writer in
                writer.put(NFTA_DATA_VALUE) { putFields(key.last + 1, in: &$0) }
            }
        }
    }

    @inline(__always)
    private func putKey(_ key: ElementKey, in writer: inout NetlinkWriter) {
        writer.nest(NFTA_SET_ELEM_KEY) { writer in
            writer.put(NFTA_DATA_VALUE) { putFields(key.first, in: &$0) }
        }
        guard isConcatenatedInterval else { return }
        writer.nest(NFTA_SET_ELEM_KEY_END) { writer in
            writer.put(NFTA_DATA_VALUE) { putFields(key.last, in: &$0) }
        }
    }

    @inline(__always)
    private func putFields(_ packed: UInt128, in writer: inout NetlinkWriter) {
        for field in fields {
            let value = packed >> field.shift
            for index in 0..<field.lengthBytes {
                let place = field.isReversed ? index : field.lengthBytes - 1 - index
                writer.append(UInt8(truncatingIfNeeded: value >> UInt128(8 * place)))
            }
            for _ in 0..<field.paddingBytes { writer.append(0) }
        }
    }

    /// Data are compared with nothing, so they keep their own byte order in any set.
    private func putDatum(_ number: UInt32, in writer: inout NetlinkWriter) {
        guard let dataType else { return }
        switch (dataType.lengthBytes, dataType.isHostOrder) {
        case (4, true): writer.appendHost(number)
        case (4, false): writer.appendNetwork(number)
        case (2, _): writer.appendNetwork(UInt16(truncatingIfNeeded: number))
        default: writer.append(UInt8(truncatingIfNeeded: number))
        }
    }
}
