// SPDX-License-Identifier: GPL-3.0-or-later
//
// Protocol and port as one dimension: protocol × 65536 + port, so that `tcp/80`, `udp`, an ICMP
// type and `any` are all intervals of one line and set algebra on them is interval algebra.

/// An IP protocol number.
public enum IPProtocol {
    public static let icmp: UInt8 = 1
    public static let tcp: UInt8 = 6
    public static let udp: UInt8 = 17
    public static let icmpv6: UInt8 = 58
    public static let sctp: UInt8 = 132

    /// `tcp`, or the number.
    public static func name(_ number: UInt8) -> String {
        switch number {
        case icmp: "icmp"
        case tcp: "tcp"
        case udp: "udp"
        case icmpv6: "icmpv6"
        case sctp: "sctp"
        default: "\(number)"
        }
    }

    public static func number(named name: some StringProtocol) -> UInt8? {
        switch name {
        case "icmp": icmp
        case "tcp": tcp
        case "udp": udp
        case "icmpv6": icmpv6
        case "sctp": sctp
        default: nil
        }
    }

    /// Whether its header starts with source and destination port.
    public static func hasPorts(_ number: UInt8) -> Bool {
        number == tcp || number == udp || number == sctp
    }
}

/// A point of the dimension: a protocol with its destination port, its ICMP type, or 0.
public struct PortPoint: Hashable, Sendable, Comparable {
    public let rawValue: UInt32

    public init(protocolNumber: UInt8, port: UInt16) {
        rawValue = UInt32(protocolNumber) << 16 | UInt32(port)
    }

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public var protocolNumber: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 16) }
    public var port: UInt16 { UInt16(truncatingIfNeeded: rawValue) }

    public static func < (a: PortPoint, b: PortPoint) -> Bool { a.rawValue < b.rawValue }
}

/// Sorted, disjoint, non-adjacent inclusive intervals of ``PortPoint``.
public struct PortSet: Hashable, Sendable {
    public struct Interval: Hashable, Sendable {
        public let first: UInt32
        public let last: UInt32

        public init(first: UInt32, last: UInt32) {
            self.first = first
            self.last = last
        }
    }

    public let intervals: [Interval]

    /// Normalizes: sorts and merges.
    public init(_ intervals: [Interval]) {
        var merged: [Interval] = []
        for next in intervals.sorted(by: { $0.first < $1.first }) {
            if let last = merged.last, next.first <= last.last &+ 1 {
                merged[merged.count - 1] = Interval(
                    first: last.first, last: max(last.last, next.last))
            } else {
                merged.append(next)
            }
        }
        self.intervals = merged
    }

    /// The greatest raw value: protocol 255, port 65535.
    public static let maximum: UInt32 = 0xFF_FFFF

    /// Every protocol and port.
    public static let any = PortSet([Interval(first: 0, last: maximum)])
    public static let none = PortSet([])

    /// All of one protocol.
    public static func all(of protocolNumber: UInt8) -> PortSet {
        ports(protocolNumber, 0, .max)
    }

    public static func ports(_ protocolNumber: UInt8, _ first: UInt16, _ last: UInt16) -> PortSet {
        let base = UInt32(protocolNumber) << 16
        return PortSet([Interval(first: base | UInt32(first), last: base | UInt32(last))])
    }

    public var isEmpty: Bool { intervals.isEmpty }
    public var isAny: Bool { self == .any }

    public func contains(_ point: PortPoint) -> Bool {
        intervals.contains { $0.first <= point.rawValue && point.rawValue <= $0.last }
    }

    public func union(_ other: PortSet) -> PortSet { PortSet(intervals + other.intervals) }

    public func intersection(_ other: PortSet) -> PortSet {
        var found: [Interval] = []
        for a in intervals {
            for b in other.intervals {
                let (first, last) = (max(a.first, b.first), min(a.last, b.last))
                if first <= last { found.append(Interval(first: first, last: last)) }
            }
        }
        return PortSet(found)
    }

    public func subtracting(_ other: PortSet) -> PortSet {
        var rest = intervals
        for cut in other.intervals {
            rest = rest.flatMap { piece -> [Interval] in
                guard cut.first <= piece.last, piece.first <= cut.last else { return [piece] }
                var parts: [Interval] = []
                if piece.first < cut.first {
                    parts.append(Interval(first: piece.first, last: cut.first - 1))
                }
                if cut.last < piece.last {
                    parts.append(Interval(first: cut.last + 1, last: piece.last))
                }
                return parts
            }
        }
        return PortSet(rest)
    }

    public func intersects(_ other: PortSet) -> Bool {
        var (i, j) = (0, 0)
        while i < intervals.count, j < other.intervals.count {
            let (a, b) = (intervals[i], other.intervals[j])
            if a.last < b.first { i += 1 } else if b.last < a.first { j += 1 } else { return true }
        }
        return false
    }
    public func isSubset(of other: PortSet) -> Bool { subtracting(other).isEmpty }
}

extension PortSet: CustomStringConvertible {
    public var description: String {
        if isAny { return "any" }
        return intervals.map(Self.describe).joined(separator: ", ")
    }

    private static func describe(_ interval: Interval) -> String {
        let (low, high) = (
            PortPoint(rawValue: interval.first), PortPoint(rawValue: interval.last)
        )
        guard low.protocolNumber == high.protocolNumber else {
            return "\(describe(low))-\(describe(high))"
        }
        let name = IPProtocol.name(low.protocolNumber)
        if low.port == 0, high.port == .max { return name }
        return low.port == high.port ? "\(name)/\(low.port)" : "\(name)/\(low.port)-\(high.port)"
    }

    private static func describe(_ point: PortPoint) -> String {
        "\(IPProtocol.name(point.protocolNumber))/\(point.port)"
    }
}
