// SPDX-License-Identifier: GPL-3.0-or-later
//
// A run of addresses of one family: a single address, a CIDR block, or `first-last`.

/// Inclusive range of addresses of one family.
public struct AddressRange: Hashable, Sendable {
    public let family: AddressFamily
    public let first: UInt128
    public let last: UInt128

    public init(family: AddressFamily, first: UInt128, last: UInt128) {
        precondition(first <= last && last <= family.maximum, "a range runs upwards")
        self.family = family
        self.first = first
        self.last = last
    }

    public init(_ address: IPAddress) {
        self.init(family: address.family, first: address.value, last: address.value)
    }

    /// The whole of a family.
    public static func all(_ family: AddressFamily) -> AddressRange {
        AddressRange(family: family, first: 0, last: family.maximum)
    }

    /// Why a text is no range of addresses.
    public enum ParseError: Error, Equatable, Sendable {
        case notAnAddress(String)
        case badPrefixLength(String)
        /// Bits below the prefix are set; the block that was probably meant.
        case hostBitsSet(block: String)
        case mixedFamilies
        case reversed
    }

    /// Reads `address`, `address/prefix` or `first-last`.
    public static func parse(_ text: String) -> Result<AddressRange, ParseError> {
        if let slash = text.firstIndex(of: "/") {
            return parseBlock(text[..<slash], length: text[text.index(after: slash)...])
        }
        if let dash = text.firstIndex(of: "-") {
            let (low, high) = (text[..<dash], text[text.index(after: dash)...])
            guard let first = IPAddress(low) else { return .failure(.notAnAddress(String(low))) }
            guard let last = IPAddress(high) else { return .failure(.notAnAddress(String(high))) }
            guard first.family == last.family else { return .failure(.mixedFamilies) }
            guard first <= last else { return .failure(.reversed) }
            return .success(
                AddressRange(family: first.family, first: first.value, last: last.value))
        }
        guard let address = IPAddress(text) else { return .failure(.notAnAddress(text)) }
        return .success(AddressRange(address))
    }

    private static func parseBlock(
        _ base: Substring, length: Substring
    ) -> Result<AddressRange, ParseError> {
        guard let address = IPAddress(base) else { return .failure(.notAnAddress(String(base))) }
        guard let prefix = Int(length), (0...address.family.bits).contains(prefix),
            "\(prefix)" == length
        else { return .failure(.badPrefixLength(String(length))) }
        let hostBits = address.family.bits - prefix
        let mask = hostBits == 128 ? UInt128.max : (UInt128(1) << UInt128(hostBits)) - 1
        guard address.value & mask == 0 else {
            let block = IPAddress(family: address.family, value: address.value & ~mask)
            return .failure(.hostBitsSet(block: "\(block)/\(prefix)"))
        }
        return .success(
            AddressRange(
                family: address.family, first: address.value, last: address.value | mask))
    }

    public func contains(_ address: IPAddress) -> Bool {
        address.family == family && first <= address.value && address.value <= last
    }
}

extension AddressRange: CustomStringConvertible {
    public var description: String {
        let low = IPAddress(family: family, value: first)
        if first == last { return "\(low)" }
        let span = last - first
        if span & (span &+ 1) == 0, first & span == 0 {
            return "\(low)/\(family.bits - (128 - span.leadingZeroBitCount))"
        }
        return "\(low)-\(IPAddress(family: family, value: last))"
    }
}
