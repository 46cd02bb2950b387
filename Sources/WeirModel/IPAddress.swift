// SPDX-License-Identifier: GPL-3.0-or-later
//
// Addresses of both families as numbers, with their textual forms: dotted quad for IPv4,
// RFC 4291 section 2.2 for reading IPv6 and RFC 5952 for writing it.

/// An IPv4 or IPv6 address in numeric form.
public enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(UInt128)

    public var family: AddressFamily {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// The address as a number of its family.
    public var value: UInt128 {
        switch self {
        case .v4(let value): UInt128(value)
        case .v6(let value): value
        }
    }

    public init(family: AddressFamily, value: UInt128) {
        switch family {
        case .v4: self = .v4(UInt32(truncatingIfNeeded: value))
        case .v6: self = .v6(value)
        }
    }

    /// Reads a whole textual address; nil where it is none.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        if bytes.contains(UInt8(ascii: ":")) {
            guard let value = parseIPv6(bytes) else { return nil }
            self = .v6(value)
        } else {
            guard let value = parseIPv4(bytes) else { return nil }
            self = .v4(value)
        }
    }
}

public enum AddressFamily: String, Hashable, Sendable, CaseIterable {
    case v4 = "IPv4"
    case v6 = "IPv6"

    /// 32 or 128.
    public var bits: Int { self == .v4 ? 32 : 128 }
    /// The greatest address as a number.
    public var maximum: UInt128 { self == .v4 ? UInt128(UInt32.max) : .max }
}

extension IPAddress: Comparable {
    /// IPv4 before IPv6, then by number.
    public static func < (a: IPAddress, b: IPAddress) -> Bool {
        a.family == b.family ? a.value < b.value : a.family == .v4
    }
}

extension IPAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .v4(let value):
            return (0..<4).map { "\((value >> UInt32(24 - 8 * $0)) & 255)" }.joined(separator: ".")
        case .v6(let value):
            return describeIPv6(value)
        }
    }
}

private func parseIPv4(_ bytes: [UInt8]) -> UInt32? {
    let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
        guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0")
        else { return nil }
        var number: UInt32 = 0
        for byte in part {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + UInt32(byte - UInt8(ascii: "0"))
        }
        guard number <= 255 else { return nil }
        value = value << 8 | number
    }
    return value
}

private func parseIPv6(_ bytes: [UInt8]) -> UInt128? {
    var groups: [UInt16] = []
    var gap: Int?
    var index = 0
    if bytes.starts(with: [58, 58]) {
        gap = 0
        index = 2
    } else if bytes.first == 58 {
        return nil
    }
    while index < bytes.count {
        let end = bytes[index...].firstIndex(of: 58) ?? bytes.count
        let part = bytes[index..<end]
        if part.contains(UInt8(ascii: ".")) {
            guard end == bytes.count, let v4 = parseIPv4(Array(part)) else { return nil }
            groups += [UInt16(v4 >> 16), UInt16(v4 & 0xFFFF)]
            break
        }
        guard (1...4).contains(part.count),
            let group = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
        else { return nil }
        groups.append(group)
        index = end
        guard index < bytes.count else { break }
        index += 1
        if index < bytes.count, bytes[index] == 58 {
            guard gap == nil else { return nil }
            gap = groups.count
            index += 1
        } else if index == bytes.count {
            return nil
        }
    }
    guard gap == nil ? groups.count == 8 : groups.count < 8 else { return nil }
    if let gap {
        groups.insert(contentsOf: [UInt16](repeating: 0, count: 8 - groups.count), at: gap)
    }
    return groups.reduce(UInt128(0)) { $0 << 16 | UInt128($1) }
}

private func describeIPv6(_ value: UInt128) -> String {
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: value >> UInt128(112 - 16 * $0)) }
    var best = 0..<0
    var start = 0
    while start < 8 {
        var end = start
        while end < 8, groups[end] == 0 { end += 1 }
        if end - start > max(best.count, 1) { best = start..<end }
        start = max(end, start + 1)
    }
    func text(_ range: Range<Int>) -> String {
        groups[range].map { String($0, radix: 16) }.joined(separator: ":")
    }
    return best.isEmpty ? text(0..<8) : text(0..<best.lowerBound) + "::" + text(best.upperBound..<8)
}
