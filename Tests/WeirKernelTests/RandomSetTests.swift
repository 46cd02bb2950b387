// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sets of every shape with random elements: from any content to any other, and what reads back is
// what was wanted. The seed is printed; set WEIR_SEED to repeat a run.

import Glibc
import Testing
import WeirKernel
import WeirRuleset

@Suite struct RandomSetTests {
    @Test func `random sets read back as they were written`() throws {
        var random = SeededGenerator()
        print("RandomSetTests seed \(random.seed)")
        try inNewNamespace {
            var socket = try NetfilterSocket.open()
            for round in 0..<12 {
                var ruleset = Ruleset(revision: Revision(contentHash: "\(round)"))
                ruleset.objects = [
                    "c": NamedObject(kind: .counter),
                    "l": NamedObject(kind: .limit(RateLimit(rate: 5, burst: 5))),
                ]
                // The same names in every round: what stays of a set is its changed elements.
                for number in 0..<20 {
                    var shape = SeededGenerator(seed: random.seed &+ UInt64(number))
                    ruleset.sets["s\(number)"] = randomSet(&shape, &random)
                }
                try socket.bring(ruleset)
                let now = currentTimeMilliseconds()
                let table = try #require(try socket.readTable().table)
                let delta = ruleset.delta(from: table, nowMilliseconds: now)
                #expect(brief(delta) == [], "seed \(random.seed) round \(round)")
                try run(["nft", "flush", "ruleset"])
                try load(ruleset.nftText(nowMilliseconds: now))
                let reloaded = try #require(try socket.readTable().table)
                let again = ruleset.delta(from: reloaded, nowMilliseconds: now)
                #expect(brief(again) == [], "seed \(random.seed) round \(round)")
            }
        }
    }
}

/// A set whose shape comes from one generator and whose elements from another.
private func randomSet(
    _ shape: inout SeededGenerator, _ random: inout SeededGenerator
) -> NamedSet {
    let types = FieldType.allCases.filter { $0 != .ctID }
    var key = [types.randomElement(using: &shape)!]
    while key.count < 4, Bool.random(using: &shape) {
        let next = types.randomElement(using: &shape)!
        if key.reduce(next.packedBits, { $0 + $1.packedBits }) <= 128 { key.append(next) }
    }
    let kinds: [NamedSet.Kind] = [
        .set, .map(.classid), .map(.mark), .map(.inetService), .objectMap(.counter),
        .objectMap(.limit),
    ]
    var set = NamedSet(key: key, kind: kinds.randomElement(using: &shape)!)
    // An object of each element of an interval cannot be listed by nft 1.0.6.
    let mayHaveIntervals = set.kind == .set || set.kind == .map(.classid)
    if mayHaveIntervals && Bool.random(using: &shape) { set.flags.insert(.interval) }
    if Bool.random(using: &shape) { set.flags.insert(.timeout) }
    if Bool.random(using: &shape) { set.size = 5000 }
    if set.kind == .set && set.flags.isEmpty && Bool.random(using: &shape) {
        set.countsConnections = true
    }
    for _ in 0..<Int.random(in: 0...40, using: &random) {
        let key = randomKey(of: set, &random)
        let clashes = set.elements.keys.contains { overlap($0, key, in: set) }
        if !clashes { set.elements[key] = randomElement(of: set, &random) }
    }
    return set
}

private func randomKey(of set: NamedSet, _ random: inout SeededGenerator) -> ElementKey {
    var first: UInt128 = 0
    var last: UInt128 = 0
    for type in set.key {
        let bits: Int =
            switch type {
            case .dscp: 6
            case .inetProto, .icmpType, .icmpv6Type: 8
            case .inetService: 16
            case .ipv6Address: 128
            default: 32
            }
        let greatest: UInt128 = bits == 128 ? .max : (UInt128(1) << UInt128(bits)) - 1
        // Ends of the range are where encodings go wrong.
        let low = [0, greatest, .random(in: 0...greatest, using: &random)]
            .randomElement(using: &random)!
        let isRange = set.flags.contains(.interval) && Bool.random(using: &random)
        let high = isRange ? UInt128.random(in: low...greatest, using: &random) : low
        let shift = UInt128(type.packedBits)
        first = type == .ipv6Address ? low : first << shift | low
        last = type == .ipv6Address ? high : last << shift | high
    }
    return ElementKey(first, through: last)
}

/// Whether the kernel would refuse one of two elements for the other.
private func overlap(_ a: ElementKey, _ b: ElementKey, in set: NamedSet) -> Bool {
    guard set.flags.contains(.interval) else { return a == b }
    return set.key.indices.allSatisfy { index in
        let a = (set.field(index, of: a.first), set.field(index, of: a.last))
        let b = (set.field(index, of: b.first), set.field(index, of: b.last))
        return a.0 <= b.1 && b.0 <= a.1
    }
}

private func randomElement(of set: NamedSet, _ random: inout SeededGenerator) -> Element {
    var element = Element()
    switch set.kind {
    case .set: break
    case .map(.inetService): element.value = .number(.random(in: 0...65535, using: &random))
    case .map: element.value = .number(.random(in: 0 ... .max, using: &random))
    case .objectMap(.counter): element.value = .object("c")
    case .objectMap(.limit): element.value = .object("l")
    }
    if set.countsConnections {
        element.connectionCount = .random(in: 1...100_000, using: &random)
    }
    if set.flags.contains(.timeout) && Bool.random(using: &random) {
        let left = Int64.random(in: 60_000...9_000_000_000, using: &random)
        element.expiresAtMilliseconds = currentTimeMilliseconds() + left
    }
    if Bool.random(using: &random) {
        let length = Int.random(in: 1...128, using: &random)
        element.comment = String(repeating: "x", count: length)
    }
    return element
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SeededGenerator: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// From WEIR_SEED, or a new one.
    init() {
        let given = unsafe getenv("WEIR_SEED").flatMap { unsafe UInt64(String(cString: $0)) }
        self.init(seed: given ?? UInt64.random(in: 0 ... .max))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
