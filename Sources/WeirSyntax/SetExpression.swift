// SPDX-License-Identifier: GPL-3.0-or-later
//
// The typed view of sets and ports, unresolved. Part of the contract of PolicyFile.swift.

public import WeirDiagnostics

/// A set of addresses, unresolved.
public indirect enum SetExpression: Sendable {
    /// A service, zone, group or pattern parameter.
    case name(Name)
    /// `service x`, `zone x`: where the bare name is ambiguous.
    case qualified(Qualifier, Name, SourceRange)
    case labels([LabelRequirement], SourceRange)
    /// An address, a CIDR or a range `a-b`, as written.
    case address(Name)
    case any(SourceRange)
    case `internal`(SourceRange)
    case external(SourceRange)
    case and(SetExpression, SetExpression, SourceRange)
    case or(SetExpression, SetExpression, SourceRange)
    case except(SetExpression, SetExpression, SourceRange)
    case inZone(SetExpression, Name, SourceRange)
    case parenthesized(SetExpression, SourceRange)

    public enum Qualifier: String, Sendable { case service, zone, group }

    public var range: SourceRange {
        switch self {
        case .name(let name), .address(let name): name.range
        case .qualified(_, _, let range), .labels(_, let range), .any(let range),
            .internal(let range), .external(let range), .and(_, _, let range),
            .or(_, _, let range), .except(_, _, let range), .inZone(_, _, let range),
            .parenthesized(_, let range):
            range
        }
    }
}

/// One requirement of a selector: `tier=data`, `env in (prod, canary)`, `k`, `!k`.
public struct LabelRequirement: Sendable {
    public enum Test: Sendable {
        case equals(Name)
        case isIn([Name])
        case exists
        case absent
    }
    public let key: Name
    public let test: Test
    public let range: SourceRange

    public init(key: Name, test: Test, range: SourceRange) {
        self.key = key
        self.test = test
        self.range = range
    }
}

/// One of a comma list of ports.
public struct PortExpression: Sendable {
    public enum Kind: Sendable {
        case any
        /// `tcp`, `udp`, `sctp`, `icmp`, `icmpv6` and optionally ports or an ICMP type.
        case transport(Transport, PortRange?)
        case icmp(ICMPVersion, type: Name?)
        /// A declared port, or a port of the destination service.
        case name(Name)
    }
    public enum Transport: String, Sendable { case tcp, udp, sctp }
    public enum ICMPVersion: String, Sendable { case icmp, icmpv6 }
    public struct PortRange: Hashable, Sendable {
        public let first: UInt16
        public let last: UInt16

        public init(first: UInt16, last: UInt16) {
            self.first = first
            self.last = last
        }
    }
    public let kind: Kind
    public let range: SourceRange

    public init(kind: Kind, range: SourceRange) {
        self.kind = kind
        self.range = range
    }
}
