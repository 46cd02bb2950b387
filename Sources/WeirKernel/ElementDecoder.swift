// SPDX-License-Identifier: GPL-3.0-or-later
//
// Elements out of the kernel's attributes: the inverse of the element encoder, and like it the
// hot path of a large table.

import CNetfilter
import WeirRuleset

/// Collects the elements of one set.
struct ElementDecoder {
    private struct Field {
        var shift: UInt128
        var lengthBytes: Int
        var paddedBytes: Int
        var isReversed: Bool
    }

    /// An end of an interval, in a tree of them.
    private struct Bound {
        var value: UInt128
        var isEnd: Bool
        var element: Element
    }

    /// Since 1970-01-01, when the kernel wrote what is being decoded.
    var nowMilliseconds: Int64 = 0
    private let fields: [Field]
    private let keyBytes: Int
    private let dataType: FieldType?
    private let isTree: Bool
    private let greatest: UInt128
    private var elements: [ElementKey: Element] = [:]
    private var bounds: [Bound] = []
    private var hasForeign = false
    /// Neighbours often share a comment: their text is then made once.
    private var lastComment = ""

    init(_ set: NamedSet) {
        let isInterval = set.flags.contains(.interval)
        var below = set.key.reduce(0) { $0 + $1.packedBits }
        var fields: [Field] = []
        for type in set.key {
            below -= type.packedBits
            let length = type.lengthBytes
            fields.append(
                Field(
                    shift: UInt128(below), lengthBytes: length,
                    paddedBytes: set.key.count == 1 ? length : (length + 3) & ~3,
                    isReversed: type.isHostOrder && !isInterval && isLittleEndian))
        }
        self.fields = fields
        keyBytes = set.key.keyBytes
        if case .map(let type) = set.kind { dataType = type } else { dataType = nil }
        isTree = isInterval && set.key.count == 1
        greatest = set.key[0].greatestValue
        elements.reserveCapacity(Int(set.size ?? 0))
    }

    /// One element's attributes.
    mutating func decode(_ range: Range<Int>, in bytes: Span<UInt8>) {
        var first: UInt128?
        var last: UInt128?
        var isEnd = false
        var element = Element()
        var cursor = AttributeCursor(range)
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case NFTA_SET_ELEM_KEY.rawValue: first = key(attribute, in: bytes)
            case NFTA_SET_ELEM_KEY_END.rawValue: last = key(attribute, in: bytes)
            case NFTA_SET_ELEM_FLAGS.rawValue:
                let flags: UInt32 = bytes.number(attribute)
                isEnd = flags & NFT_SET_ELEM_INTERVAL_END.rawValue != 0
            case NFTA_SET_ELEM_EXPIRATION.rawValue:
                let left: UInt64 = bytes.number(attribute)
                element.expiresAtMilliseconds = nowMilliseconds + Int64(clamping: left)
            case NFTA_SET_ELEM_USERDATA.rawValue:
                element.comment = comment(attribute.value, in: bytes)
            case NFTA_SET_ELEM_DATA.rawValue: element.value = datum(attribute, in: bytes)
            case NFTA_SET_ELEM_OBJREF.rawValue: element.value = .object(bytes.text(attribute))
            case NFTA_SET_ELEM_EXPR.rawValue:
                element.connectionCount = connectionCount(attribute.nested, in: bytes)
            case NFTA_SET_ELEM_EXPRESSIONS.rawValue: hasForeign = true
            default: break
            }
        }
        guard let first else {
            hasForeign = true
            return
        }
        if isTree {
            bounds.append(Bound(value: first, isEnd: isEnd, element: element))
        } else {
            elements[ElementKey(first, through: last ?? first)] = element
        }
    }

    /// What was collected; `hasForeign`: not all of it is of a form that weir writes.
    consuming func finished() -> (elements: [ElementKey: Element], hasForeign: Bool) {
        guard isTree else { return (elements, hasForeign) }
        // Where one interval ends as the next begins, the end belongs before the start.
        bounds.sort { $0.value == $1.value ? $0.isEnd && !$1.isEnd : $0.value < $1.value }
        for (index, bound) in bounds.enumerated() where !bound.isEnd {
            let next = index + 1 < bounds.count ? bounds[index + 1].value : nil
            let last = next.map { $0 - 1 } ?? greatest
            elements[ElementKey(bound.value, through: last)] = bound.element
        }
        return (elements, hasForeign)
    }

    @inline(__always)
    private func key(_ attribute: NetlinkAttribute, in bytes: Span<UInt8>) -> UInt128? {
        guard let value = attribute.nested.first(NFTA_DATA_VALUE, in: bytes)?.value,
            value.count >= keyBytes
        else { return nil }
        var result: UInt128 = 0
        var offset = value.lowerBound
        for field in fields {
            var number: UInt128 = 0
            for index in 0..<field.lengthBytes {
                let place = field.isReversed ? field.lengthBytes - 1 - index : index
                number = number << 8 | UInt128(bytes[offset + place])
            }
            result |= number << field.shift
            offset += field.paddedBytes
        }
        return result
    }

    private mutating func datum(
        _ attribute: NetlinkAttribute, in bytes: Span<UInt8>
    ) -> ElementValue {
        guard let dataType,
            let value = attribute.nested.first(NFTA_DATA_VALUE, in: bytes)?.value,
            value.count == dataType.lengthBytes
        else {
            hasForeign = true
            return .none
        }
        switch (dataType.lengthBytes, dataType.isHostOrder) {
        case (4, true): return .number(bytes.host32(at: value.lowerBound))
        case (4, false): return .number(bytes.network(UInt32.self, at: value.lowerBound))
        case (2, _): return .number(UInt32(bytes.network(UInt16.self, at: value.lowerBound)))
        case (1, _): return .number(UInt32(bytes[value.lowerBound]))
        default:
            hasForeign = true
            return .none
        }
    }

    private mutating func connectionCount(
        _ attributes: AttributeCursor, in bytes: Span<UInt8>
    ) -> UInt32? {
        guard let name = attributes.first(NFTA_EXPR_NAME, in: bytes),
            bytes.text(name) == "connlimit",
            let data = attributes.first(NFTA_EXPR_DATA, in: bytes),
            let count = data.nested.first(NFTA_CONNLIMIT_COUNT, in: bytes)
        else {
            hasForeign = true
            return nil
        }
        return bytes.number(count)
    }

    private mutating func comment(_ userData: Range<Int>, in bytes: Span<UInt8>) -> String {
        guard let place = bytes.userData(0, in: userData) else { return "" }
        let length = place.count - 1
        var isLast = lastComment.utf8.count == length
        var offset = place.lowerBound
        for byte in lastComment.utf8 where isLast {
            isLast = bytes[offset] == byte
            offset += 1
        }
        if !isLast { lastComment = bytes.text(place) }
        return lastComment
    }
}
