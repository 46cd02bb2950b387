// SPDX-License-Identifier: GPL-3.0-or-later
//
// A set of small numbers as machine words. Sets over address classes are compared, intersected
// and subtracted all day long; everything fast in analysis and compilation rests on this.

/// A set of integers in `0..<capacity`.
public struct Bitset: Hashable, Sendable {
    public private(set) var words: [UInt64]

    /// Empty, with room for members below `capacity`.
    public init(capacity: Int) { words = [UInt64](repeating: 0, count: (capacity + 63) / 64) }

    public init(capacity: Int, _ members: some Sequence<Int>) {
        self.init(capacity: capacity)
        for member in members { insert(member) }
    }

    /// All of `0..<capacity`.
    public static func full(capacity: Int) -> Bitset {
        var set = Bitset(capacity: capacity)
        for index in set.words.indices { set.words[index] = .max }
        if capacity & 63 != 0 { set.words[set.words.count - 1] = (1 << UInt64(capacity & 63)) - 1 }
        return set
    }

    public mutating func insert(_ member: Int) { words[member >> 6] |= 1 << UInt64(member & 63) }
    public mutating func remove(_ member: Int) { words[member >> 6] &= ~(1 << UInt64(member & 63)) }
    public func contains(_ member: Int) -> Bool {
        words[member >> 6] >> UInt64(member & 63) & 1 == 1
    }

    public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }
    public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    public mutating func formUnion(_ other: Bitset) {
        for index in words.indices { words[index] |= other.words[index] }
    }
    public mutating func formIntersection(_ other: Bitset) {
        for index in words.indices { words[index] &= other.words[index] }
    }
    public mutating func subtract(_ other: Bitset) {
        for index in words.indices { words[index] &= ~other.words[index] }
    }
    public func union(_ other: Bitset) -> Bitset {
        var copy = self
        copy.formUnion(other)
        return copy
    }
    public func intersection(_ other: Bitset) -> Bitset {
        var copy = self
        copy.formIntersection(other)
        return copy
    }
    public func subtracting(_ other: Bitset) -> Bitset {
        var copy = self
        copy.subtract(other)
        return copy
    }
    public func intersects(_ other: Bitset) -> Bool {
        for index in words.indices where words[index] & other.words[index] != 0 { return true }
        return false
    }
    public func isSubset(of other: Bitset) -> Bool {
        for index in words.indices where words[index] & ~other.words[index] != 0 { return false }
        return true
    }
    /// The least member; nil where empty.
    public var first: Int? {
        for (index, word) in words.enumerated() where word != 0 {
            return index * 64 + word.trailingZeroBitCount
        }
        return nil
    }
}

extension Bitset: Sequence {
    /// Members from the least.
    public struct Iterator: IteratorProtocol {
        private let words: [UInt64]
        private var index = 0
        private var rest: UInt64

        init(_ words: [UInt64]) {
            self.words = words
            rest = words.first ?? 0
        }

        public mutating func next() -> Int? {
            while rest == 0 {
                index += 1
                guard index < words.count else { return nil }
                rest = words[index]
            }
            let bit = rest.trailingZeroBitCount
            rest &= rest - 1
            return index * 64 + bit
        }
    }

    public func makeIterator() -> Iterator { Iterator(words) }
}
