// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reads netlink messages and attributes out of bytes. Every length is checked against what
// surrounds it, so that a malformed answer ends in an error and never in reading past its end.

import CNetfilter

/// `struct nlmsghdr`, and where the rest of the message is.
struct NetlinkMessage {
    let type: UInt16
    let flags: UInt16
    let sequence: UInt32
    /// What follows the header.
    let payload: Range<Int>

    /// The attributes behind `struct nfgenmsg`.
    var attributes: AttributeCursor {
        let start = min(payload.lowerBound + 4, payload.upperBound)
        return AttributeCursor(start..<payload.upperBound)
    }
}

/// Walks over the messages in a datagram.
struct MessageCursor {
    private var offset: Int
    private let end: Int

    init(from offset: Int = 0, to end: Int) {
        self.offset = offset
        self.end = end
    }

    /// The next message; nil at the end, and where what follows is no message.
    mutating func next(in bytes: Span<UInt8>) -> NetlinkMessage? {
        guard end - offset >= 16 else { return nil }
        let length = Int(bytes.host32(at: offset))
        guard length >= 16, length <= end - offset else { return nil }
        let message = NetlinkMessage(
            type: bytes.host16(at: offset + 4), flags: bytes.host16(at: offset + 6),
            sequence: bytes.host32(at: offset + 8), payload: offset + 16..<offset + length)
        offset = min(offset + (length + 3) & ~3, end)
        return message
    }
}

/// An attribute's type without its flags, and where its value is.
struct NetlinkAttribute {
    let type: UInt32
    let value: Range<Int>

    var nested: AttributeCursor { AttributeCursor(value) }

    func isA<A: RawRepresentable<UInt32>>(_ attribute: A) -> Bool { type == attribute.rawValue }
}

/// Walks over the attributes in a range.
struct AttributeCursor {
    private var offset: Int
    private let end: Int

    init(_ range: Range<Int>) {
        offset = range.lowerBound
        end = range.upperBound
    }

    mutating func next(in bytes: Span<UInt8>) -> NetlinkAttribute? {
        guard end - offset >= 4 else { return nil }
        let length = Int(bytes.host16(at: offset))
        guard length >= 4, length <= end - offset else { return nil }
        let type = UInt32(bytes.host16(at: offset + 2)) & 0x3FFF
        let attribute = NetlinkAttribute(type: type, value: offset + 4..<offset + length)
        offset = min(offset + (length + 3) & ~3, end)
        return attribute
    }

    /// The first attribute of a type.
    func first<A: RawRepresentable<UInt32>>(
        _ wanted: A, in bytes: Span<UInt8>
    ) -> NetlinkAttribute? {
        var cursor = self
        while let attribute = cursor.next(in: bytes) {
            if attribute.isA(wanted) { return attribute }
        }
        return nil
    }
}

extension Span<UInt8> {
    @inline(__always)
    func network<N: FixedWidthInteger>(_ type: N.Type = N.self, at offset: Int) -> N {
        var result: N = 0
        for index in 0..<N.bitWidth / 8 { result = result << 8 | N(self[offset + index]) }
        return result
    }

    @inline(__always)
    func host16(at offset: Int) -> UInt16 {
        let number = network(UInt16.self, at: offset)
        return isLittleEndian ? number.byteSwapped : number
    }

    @inline(__always)
    func host32(at offset: Int) -> UInt32 {
        let number = network(UInt32.self, at: offset)
        return isLittleEndian ? number.byteSwapped : number
    }

    /// An attribute's value as a number in network byte order; 0 where it is of another length.
    func number<N: FixedWidthInteger>(_ attribute: NetlinkAttribute, as type: N.Type = N.self) -> N
    {
        guard attribute.value.count >= N.bitWidth / 8 else { return 0 }
        return network(type, at: attribute.value.lowerBound)
    }

    /// An attribute's value as text, without the NUL at its end.
    func text(_ range: Range<Int>) -> String {
        var end = range.upperBound
        while end > range.lowerBound, self[end - 1] == 0 { end -= 1 }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(end - range.lowerBound)
        for index in range.lowerBound..<end { bytes.append(self[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    func text(_ attribute: NetlinkAttribute) -> String { text(attribute.value) }

    /// Where the value of one of libnftnl's user data attributes is.
    func userData(_ wanted: UInt8, in range: Range<Int>) -> Range<Int>? {
        var offset = range.lowerBound
        while range.upperBound - offset >= 2 {
            let value = offset + 2..<offset + 2 + Int(self[offset + 1])
            guard value.upperBound <= range.upperBound else { return nil }
            if self[offset] == wanted { return value }
            offset = value.upperBound
        }
        return nil
    }
}
