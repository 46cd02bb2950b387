// SPDX-License-Identifier: GPL-3.0-or-later
//
// The words that mean something to the grammar. All are contextual: a word is a keyword only where
// the parser asks for it, so that `policy port { … }` is no trouble. Only the few of
// ``Keyword/reserved`` cannot stand bare where a set, a port or an amount is expected.

/// A word of the language, lower case as in a file.
public enum Keyword: UInt8, CaseIterable, Hashable, Sendable {
    // Declarations.
    case landscape, layers, group, port, layer, policy, assert, when, pattern
    // Their parts.
    case `default`, pass, until, `for`, during, standby, staged, never, always, with, enable
    // Clauses.
    case from, between, allow, reject, drop, overriding, cap, limit, observe, log, priority, mirror
    // Their parts.
    case to, on, across, within, zones, per, source, destination, pair, reserve, burst, then
    case markECN, sample, critical, high, normal, low, endpoint, of, capacity
    // Sets and ports.
    case and, or, except, `in`, zone, service, any, `internal`, external
    case tcp, udp, sctp, icmp, icmpv6

    /// As written in a file.
    public var text: String { self == .markECN ? "mark-ecn" : "\(self)" }

    /// Words that end or continue a set, a port list or an amount, or that name a set of their
    /// own. Where such a thing is expected, something of this name must be quoted.
    public static let reserved: Set<Keyword> = [
        .and, .or, .except, .in, .to, .on, .across, .within, .with, .for, .per, .reserve, .burst,
        .then, .any, .internal, .external,
    ]
}

/// A set of keywords, cheap enough to note at every step what would have been accepted.
struct KeywordSet: ExpressibleByArrayLiteral {
    private var bits: UInt128 = 0

    init() {}

    init(arrayLiteral elements: Keyword...) {
        for keyword in elements { insert(keyword) }
    }

    mutating func insert(_ keyword: Keyword) { bits |= 1 << UInt128(keyword.rawValue) }

    func contains(_ keyword: Keyword?) -> Bool {
        guard let keyword else { return false }
        return bits & (1 << UInt128(keyword.rawValue)) != 0
    }

    mutating func formUnion(_ other: KeywordSet) { bits |= other.bits }

    mutating func removeAll() { bits = 0 }

    var isEmpty: Bool { bits == 0 }

    /// In the order of declaration.
    var keywords: [Keyword] { Keyword.allCases.filter { contains($0) } }
}

extension KeywordSet {
    static let reserved = KeywordSet(Keyword.reserved)
    static let declarations: KeywordSet = [
        .landscape, .layers, .group, .port, .layer, .assert, .when, .pattern,
    ]
    static let clauses: KeywordSet = [
        .from, .between, .allow, .reject, .drop, .overriding, .cap, .limit, .observe, .log,
        .priority, .mirror,
    ]
    /// What may begin a line.
    static let starters: KeywordSet = {
        var all = declarations
        all.formUnion(clauses)
        all.insert(.policy)
        return all
    }()
    /// What continues a clause, and never begins one.
    static let continuations: KeywordSet = [
        .to, .on, .across, .within, .with, .and, .or, .except, .in, .per, .reserve, .burst, .then,
    ]
    static let activations: KeywordSet = [.until, .for, .during, .standby, .staged]
    static let transports: KeywordSet = [.tcp, .udp, .sctp, .icmp, .icmpv6]

    init(_ keywords: some Sequence<Keyword>) {
        for keyword in keywords { insert(keyword) }
    }
}

/// Finds the keyword that a run of bytes spells.
struct KeywordTable {
    private let keywords: [UInt128: Keyword]

    init() {
        var table: [UInt128: Keyword] = [:]
        for keyword in Keyword.allCases {
            guard let key = Self.key(Array(keyword.text.utf8)[...]) else { continue }
            table[key] = keyword
        }
        keywords = table
    }

    func keyword(_ bytes: ArraySlice<UInt8>) -> Keyword? {
        guard let key = Self.key(bytes) else { return nil }
        return keywords[key]
    }

    /// The bytes as one integer; nil if there are more than any keyword has.
    private static func key(_ bytes: ArraySlice<UInt8>) -> UInt128? {
        guard bytes.count <= 12 else { return nil }
        var key: UInt128 = 0
        for byte in bytes { key = key << 8 | UInt128(byte) }
        return key
    }
}
