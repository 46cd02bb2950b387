// SPDX-License-Identifier: GPL-3.0-or-later
//
// One nftables table as a value: sets and maps with their elements, named objects, chains with
// rules. It is what the compiler produces, what is printed as nft text, and what is read back from
// the kernel; a commit is the difference of two of these.

/// The whole table that weir owns.
public struct Ruleset: Sendable, Equatable {
    public var family: TableFamily
    /// Always `weir`.
    public var name: String
    /// What `weir show` and recovery need to know, kept in the table's user data.
    public var revision: Revision
    public var sets: [String: NamedSet]
    public var objects: [String: NamedObject]
    public var chains: [String: Chain]

    public init(
        family: TableFamily = .inet, name: String = "weir", revision: Revision = Revision(),
        sets: [String: NamedSet] = [:], objects: [String: NamedObject] = [:],
        chains: [String: Chain] = [:]
    ) {
        self.family = family
        self.name = name
        self.revision = revision
        self.sets = sets
        self.objects = objects
        self.chains = chains
    }

    /// All elements of all sets.
    public var elementCount: Int { sets.values.reduce(0) { $0 + $1.elements.count } }
}

public enum TableFamily: String, Sendable { case inet, bridge, netdev }

/// Which policies a table enforces.
public struct Revision: Sendable, Equatable {
    /// Of the policy set's content, hexadecimal; empty when nothing was ever applied.
    public var contentHash: String
    /// The commit of the policy set's repository; empty where there is none.
    public var gitCommit: String

    public init(contentHash: String = "", gitCommit: String = "") {
        self.contentHash = contentHash
        self.gitCommit = gitCommit
    }
}

/// One field of a key or of data; each fills one or more 32-bit registers.
public enum FieldType: String, Sendable, CaseIterable {
    case classid
    case mark
    case inetProto = "inet_proto"
    case inetService = "inet_service"
    case ipv4Address = "ipv4_addr"
    case ipv6Address = "ipv6_addr"
    case icmpType = "icmp_type"
    case icmpv6Type = "icmpv6_type"
    case dscp
    /// Has no type name in nft 1.0.6: a set with this key is written `typeof ct id`.
    case ctID = "ct id"

    /// Bits in an ``ElementKey``.
    public var packedBits: Int { self == .ipv6Address ? 128 : 32 }
}

/// A packed key: its fields from the most significant end, 32 bits each (an IPv6 address 128),
/// in numeric value (the encoder knows each field's byte order). `last` differs from `first` only
/// in sets with intervals.
public struct ElementKey: Hashable, Sendable {
    public var first: UInt128
    public var last: UInt128

    public init(_ value: UInt128) {
        self.first = value
        self.last = value
    }

    public init(_ first: UInt128, through last: UInt128) {
        self.first = first
        self.last = last
    }

    /// A concatenation of 32-bit fields.
    public init(fields: UInt32...) {
        self.init(fields.reduce(UInt128(0)) { ($0 << 32) | UInt128($1) })
    }
}

/// What an element of a map leads to.
public enum ElementValue: Hashable, Sendable {
    case none
    /// A classid or a mark, by the map's data type.
    case number(UInt32)
    /// The name of a counter or limit, in an object map.
    case object(String)
}

public struct Element: Hashable, Sendable {
    public var value: ElementValue
    /// In a set of connection counts: at most so many connections.
    public var connectionCount: UInt32?
    /// When the kernel removes the element by itself, in milliseconds since 1970-01-01; nil: never.
    /// Absolute, so that neither a re-apply nor a read-back moves it; compare with tolerance.
    public var expiresAtMilliseconds: Int64?
    /// The policy it comes from, at most 128 bytes; empty where the element belongs to many.
    public var comment: String

    public init(
        value: ElementValue = .none, connectionCount: UInt32? = nil,
        expiresAtMilliseconds: Int64? = nil, comment: String = ""
    ) {
        self.value = value
        self.connectionCount = connectionCount
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.comment = comment
    }
}

/// A named set or map.
public struct NamedSet: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        case set
        /// Data of the map.
        case map(FieldType)
        case objectMap(ObjectKind)
    }

    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let interval = Flags(rawValue: 1)
        public static let timeout = Flags(rawValue: 2)
        /// Filled by the packet path; its elements are never part of a ``Ruleset``.
        public static let dynamic = Flags(rawValue: 4)
        public static let constant = Flags(rawValue: 8)
    }

    public var key: [FieldType]
    public var kind: Kind
    public var flags: Flags
    /// Declared size in elements; nil: unlimited.
    public var size: UInt32?
    /// Default timeout in milliseconds (dynamic sets).
    public var timeoutMilliseconds: UInt64?
    /// Each element carries its own `ct count N`.
    public var countsConnections: Bool
    public var elements: [ElementKey: Element]

    public init(
        key: [FieldType], kind: Kind = .set, flags: Flags = [], size: UInt32? = nil,
        timeoutMilliseconds: UInt64? = nil, countsConnections: Bool = false,
        elements: [ElementKey: Element] = [:]
    ) {
        self.key = key
        self.kind = kind
        self.flags = flags
        self.size = size
        self.timeoutMilliseconds = timeoutMilliseconds
        self.countsConnections = countsConnections
        self.elements = elements
    }
}

public enum ObjectKind: String, Sendable { case counter, limit }

/// A named stateful object. Cannot be changed in place: a changed one is replaced.
public struct NamedObject: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case counter
        case limit(RateLimit)
    }
    public var kind: Kind
    /// The policy it comes from.
    public var comment: String

    public init(kind: Kind, comment: String = "") {
        self.kind = kind
        self.comment = comment
    }
}

/// A token bucket. Corresponds to NFTA_LIMIT_*.
public struct RateLimit: Hashable, Sendable {
    public enum Unit: String, Hashable, Sendable { case packets, bytes }
    /// Units per interval.
    public var rate: UInt64
    /// 1, 60 or 3600.
    public var intervalSeconds: UInt64
    public var burst: UInt32
    public var unit: Unit
    /// Matches what is over the rate instead of what is within.
    public var over: Bool

    public init(
        rate: UInt64, intervalSeconds: UInt64 = 1, burst: UInt32, unit: Unit = .packets,
        over: Bool = false
    ) {
        self.rate = rate
        self.intervalSeconds = intervalSeconds
        self.burst = burst
        self.unit = unit
        self.over = over
    }
}

public struct Chain: Sendable, Equatable {
    /// Where the kernel calls it; nil for a chain that is only jumped to.
    public var hook: Hook?
    public var rules: [Rule]

    public init(hook: Hook? = nil, rules: [Rule] = []) {
        self.hook = hook
        self.rules = rules
    }

    /// A base chain of type filter with policy accept.
    public struct Hook: Sendable, Hashable {
        public enum Point: String, Sendable { case prerouting, input, forward, output, postrouting }
        public var point: Point
        /// As the kernel sees it: mangle is -150.
        public var priority: Int32

        public init(point: Point, priority: Int32) {
            self.point = point
            self.priority = priority
        }
    }
}

/// One rule: statements evaluated from the left; a match that fails ends the rule.
public struct Rule: Sendable, Hashable {
    public var statements: [Statement]
    /// At most 128 bytes; shown by `nft monitor trace`.
    public var comment: String

    public init(_ statements: [Statement], comment: String = "") {
        self.statements = statements
        self.comment = comment
    }
}
