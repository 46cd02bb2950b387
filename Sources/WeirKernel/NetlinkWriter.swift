// SPDX-License-Identifier: GPL-3.0-or-later
//
// Writes netlink messages and attributes into one growing buffer. It knows lengths, alignment and
// byte order (RFC 3549 section 2; include/uapi/linux/netlink.h), and nothing of what is written.

import CNetfilter

/// A buffer of netlink messages.
struct NetlinkWriter {
    private(set) var bytes: [UInt8] = []
    private var messageStart = 0

    var count: Int { bytes.count }

    mutating func reserve(_ bytes: Int) { self.bytes.reserveCapacity(bytes) }

    /// Begins a message to a netfilter subsystem: `struct nlmsghdr`, then `struct nfgenmsg`.
    mutating func beginMessage(
        type: UInt16, flags: UInt16, sequence: UInt32, family: UInt8, resource: UInt16 = 0
    ) {
        messageStart = bytes.count
        appendHost(UInt32(0))
        appendHost(type)
        appendHost(flags)
        appendHost(sequence)
        appendHost(UInt32(0))
        bytes.append(family)
        bytes.append(UInt8(NFNETLINK_V0))
        appendNetwork(resource)
    }

    mutating func endMessage() {
        setHost32(UInt32(bytes.count - messageStart), at: messageStart)
    }

    mutating func put<A: RawRepresentable<UInt32>>(_ attribute: A, _ text: String) {
        let start = beginAttribute(UInt16(attribute.rawValue))
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
        endAttribute(start)
    }

    /// A number of 8, 16, 32 or 64 bits in network byte order.
    mutating func put<A: RawRepresentable<UInt32>>(
        _ attribute: A, number: some FixedWidthInteger & UnsignedInteger
    ) {
        let start = beginAttribute(UInt16(attribute.rawValue))
        appendNetwork(number)
        endAttribute(start)
    }

    mutating func put<A: RawRepresentable<UInt32>>(_ attribute: A, bytes: some Sequence<UInt8>) {
        let start = beginAttribute(UInt16(attribute.rawValue))
        self.bytes.append(contentsOf: bytes)
        endAttribute(start)
    }

    /// An attribute whose bytes the closure writes with the `append` functions.
    @inline(__always)
    mutating func put<A: RawRepresentable<UInt32>>(
        _ attribute: A, writing body: (inout NetlinkWriter) -> Void
    ) {
        let start = beginAttribute(UInt16(attribute.rawValue))
        body(&self)
        endAttribute(start)
    }

    @inline(__always)
    mutating func nest<A: RawRepresentable<UInt32>>(
        _ attribute: A, _ body: (inout NetlinkWriter) -> Void
    ) {
        let start = beginNest(attribute)
        body(&self)
        endAttribute(start)
    }

    /// Begins a nested attribute; to be ended with ``endAttribute(_:)``.
    mutating func beginNest<A: RawRepresentable<UInt32>>(_ attribute: A) -> Int {
        beginAttribute(UInt16(attribute.rawValue) | UInt16(NLA_F_NESTED))
    }

    private mutating func beginAttribute(_ type: UInt16) -> Int {
        let start = bytes.count
        appendHost(UInt16(0))
        appendHost(type)
        return start
    }

    /// Sets the attribute's length and pads it to four bytes.
    mutating func endAttribute(_ start: Int) {
        let length = bytes.count - start
        precondition(length <= Int(UInt16.max), "an attribute of \(length) bytes")
        if isLittleEndian {
            bytes[start] = UInt8(truncatingIfNeeded: length)
            bytes[start + 1] = UInt8(truncatingIfNeeded: length >> 8)
        } else {
            bytes[start] = UInt8(truncatingIfNeeded: length >> 8)
            bytes[start + 1] = UInt8(truncatingIfNeeded: length)
        }
        while bytes.count & 3 != 0 { bytes.append(0) }
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) { bytes.append(byte) }

    /// In network byte order: the most significant byte first.
    @inline(__always)
    mutating func appendNetwork<N: FixedWidthInteger>(_ number: N) {
        var shift = N.bitWidth - 8
        while shift >= 0 {
            bytes.append(UInt8(truncatingIfNeeded: number >> N(shift)))
            shift -= 8
        }
    }

    /// In the machine's own byte order.
    @inline(__always)
    mutating func appendHost<N: FixedWidthInteger>(_ number: N) {
        appendNetwork(isLittleEndian ? number.byteSwapped : number)
    }

    /// Sets NLM_F_ACK in a message that is already begun.
    mutating func requestAnswer(ofMessageAt offset: Int) {
        // The flags are the two bytes at 6; the flag is in the less significant one.
        bytes[offset + (isLittleEndian ? 6 : 7)] |= UInt8(NLM_F_ACK)
    }

    private mutating func setHost32(_ number: UInt32, at offset: Int) {
        for index in 0..<4 {
            let shift = UInt32(isLittleEndian ? index * 8 : 24 - index * 8)
            bytes[offset + index] = UInt8(truncatingIfNeeded: number >> shift)
        }
    }
}

/// Lengths and types of messages and attributes are in the machine's byte order.
let isLittleEndian = UInt32(1).littleEndian == 1

/// A netfilter message's type: the subsystem and the message in it.
func messageType(_ subsystem: Int32, _ message: UInt32) -> UInt16 {
    UInt16(subsystem) << 8 | UInt16(message)
}
