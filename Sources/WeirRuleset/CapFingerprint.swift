// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a cap counts, as twelve hexadecimal digits behind its policy's name in the comment of its
// element. A cap keeps its number, and with it what the kernel has counted, for as long as it
// counts the same; a cap that means something else gets a new number and is counted anew.

import WeirModel

/// Hashes what caps count. Sets are hashed by their addresses, so it makes no difference how the
/// address space happens to be cut into classes.
struct CapFingerprint: Sendable {
    private var known: [SetID: UInt64] = [:]
    /// Of the endpoints of each address class.
    private var endpoints: [UInt64] = []

    /// Of everything that matters to how many connections there are and how many may be.
    mutating func digits(_ cap: LoweredConstraint, _ table: SetTable) -> String {
        var hash = Hash()
        hash.add(cap.constraintClass.rawValue)
        hash.add(cap.scope.rawValue)
        if case .cap(let connections) = cap.measure { hash.add(UInt64(connections)) }
        // A sum: boxes stand in no order.
        var sum: UInt64 = 0
        for box in cap.boxes {
            var own = Hash()
            own.add(addresses(box.source, table))
            own.add(addresses(box.destination, table))
            for interval in box.ports.intervals {
                own.add(UInt64(interval.first) << 32 | UInt64(interval.last))
            }
            sum &+= own.value
        }
        hash.add(sum)
        let text = String(hash.value & 0xFFFF_FFFF_FFFF, radix: 16)
        return String(repeating: "0", count: Self.digitCount - text.count) + text
    }

    private mutating func addresses(_ id: SetID, _ table: SetTable) -> UInt64 {
        if let hash = known[id] { return hash }
        let hash = addresses(table[id], table)
        known[id] = hash
        return hash
    }

    private mutating func addresses(_ set: Bitset, _ table: SetTable) -> UInt64 {
        if set.count == table.classes.count { return 1 }
        if endpoints.isEmpty { endpoints = table.classes.classes.map(Self.endpoints(of:)) }
        var sum: UInt64 = 0
        var ranges: [AddressRange] = []
        for index in set {
            sum &+= endpoints[index]
            ranges += table.classes.classes[index].ranges
        }
        for range in Self.merged(ranges) {
            sum &+= Hash.of(range.family == .v4 ? 40 : 60, range.first, range.last)
        }
        return sum
    }

    private static func endpoints(of item: AddressClass) -> UInt64 {
        var sum: UInt64 = 0
        for value in item.endpoints4 { sum &+= Hash.of(4, UInt128(value), UInt128(value)) }
        for value in item.endpoints6 { sum &+= Hash.of(6, value, value) }
        return sum
    }

    /// Neighbours joined: a range that another policy names must not matter.
    private static func merged(_ ranges: [AddressRange]) -> [AddressRange] {
        var result: [AddressRange] = []
        for range in ranges.sorted(by: { ($0.family.bits, $0.first) < ($1.family.bits, $1.first) })
        {
            if let last = result.last, last.family == range.family, last.last < range.first,
                range.first - last.last == 1
            {
                result[result.count - 1] = AddressRange(
                    family: range.family, first: last.first, last: range.last)
            } else {
                result.append(range)
            }
        }
        return result
    }

    // MARK: In comments

    static let digitCount = 12

    /// The comment of an element that counts: the policy's name, then what it counts.
    static func comment(_ policy: String, _ digits: String) -> String {
        let room = 128 - digitCount - 2
        var name = policy
        while name.utf8.count > room { name.removeLast() }
        return "\(name) #\(digits)"
    }

    /// What stands behind the policy's name; nil for a comment without.
    static func digits(in comment: String) -> Substring? {
        let parts = comment.split(separator: "#", omittingEmptySubsequences: false)
        guard parts.count > 1, let last = parts.last, last.utf8.count == digitCount,
            last.allSatisfy(\.isHexDigit), comment.dropLast(digitCount + 1).last == " "
        else { return nil }
        return last
    }
}

extension Element {
    /// The policy that the element comes from; empty where it belongs to many.
    public var origin: String {
        guard let digits = CapFingerprint.digits(in: comment) else { return comment }
        return String(comment.dropLast(digits.count + 2))
    }
}

/// FNV-1a, 64 bits.
private struct Hash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ number: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            value = (value ^ (number >> UInt64(shift) & 0xFF)) &* 0x100_0000_01B3
        }
    }

    mutating func add(_ text: String) {
        for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
        value = (value ^ 0xFF) &* 0x100_0000_01B3
    }

    static func of(_ kind: UInt64, _ first: UInt128, _ last: UInt128) -> UInt64 {
        var hash = Hash()
        hash.add(kind)
        for number in [first, last] {
            hash.add(UInt64(truncatingIfNeeded: number >> 64))
            hash.add(UInt64(truncatingIfNeeded: number))
        }
        return hash.value
    }
}
