// SPDX-License-Identifier: GPL-3.0-or-later
//
// The typed view of one policy file: what the operator declared, with a range on everything, and
// nothing of spacing or comments (those are in the lossless tree). Names are not resolved here.
// Every enum case and field corresponds to a production of grammar/weir.ebnf.

public import WeirDiagnostics

/// A name as written; quoted names come without their quotes.
public struct Name: Sendable {
    public let text: String
    public let range: SourceRange

    public init(text: String, range: SourceRange) {
        self.text = text
        self.range = range
    }
}

/// `policy` or `layer.policy`.
public struct PolicyReference: Sendable {
    public let layer: Name?
    public let policy: Name
    public let range: SourceRange

    public init(layer: Name?, policy: Name, range: SourceRange) {
        self.layer = layer
        self.policy = policy
        self.range = range
    }
}

/// One parsed file: its declarations in order of appearance. What could not be parsed is absent
/// here and present in the diagnostics.
public struct PolicyFile: Sendable {
    public let source: SourceID
    public let declarations: [Declaration]

    public init(source: SourceID, declarations: [Declaration]) {
        self.source = source
        self.declarations = declarations
    }
}

public enum Declaration: Sendable {
    case landscape(LandscapeDeclaration)
    case layers(LayersDeclaration)
    case group(GroupDeclaration)
    case port(PortDeclaration)
    case layer(LayerDeclaration)
    case assertion(AssertionDeclaration)
    case trigger(TriggerDeclaration)
    case pattern(PatternDeclaration)
}

/// `landscape "inventory.yaml"`
public struct LandscapeDeclaration: Sendable {
    public let path: Name
    public let range: SourceRange
}

/// `layers { emergency … baseline default reject }`, from the top.
public struct LayersDeclaration: Sendable {
    public struct Entry: Sendable {
        public let name: Name
        /// nil where the layer has no `default`: it passes.
        public let defaultAction: LayerDefault?
        public let range: SourceRange
    }
    public let entries: [Entry]
    public let range: SourceRange
}

public enum LayerDefault: String, Sendable { case pass, allow, reject, drop }

/// `group frontends = web or mobile-gateway`
public struct GroupDeclaration: Sendable {
    public let name: Name
    public let set: SetExpression
    public let range: SourceRange
}

/// `port postgres = tcp/5432`
public struct PortDeclaration: Sendable {
    public let name: Name
    public let ports: [PortExpression]
    public let range: SourceRange
}

/// `layer security { policy … }`; a layer may be opened in many places.
public struct LayerDeclaration: Sendable {
    public let name: Name
    public let policies: [PolicyDeclaration]
    public let range: SourceRange
}

/// `policy NAME "description" until TIME overriding L.p { … }` or `policy NAME = pattern(…)`.
public struct PolicyDeclaration: Sendable {
    public enum Body: Sendable {
        case clauses([Clause])
        case instance(PatternInstance)
    }
    public let name: Name
    public let description: Name?
    /// In the order written; resolution refuses contradictory ones.
    public let activations: [Activation]
    public let body: Body
    /// The whole declaration, from `policy` to the closing brace.
    public let range: SourceRange
}

/// When a policy is in force.
public struct Activation: Sendable {
    public enum Kind: Sendable {
        /// Seconds since 1970-01-01T00:00:00Z.
        case until(epochSeconds: Int64)
        case forDuration(seconds: Int64)
        case during(WeeklyWindow)
        case standby
        case staged
    }
    public let kind: Kind
    public let range: SourceRange
}

/// `Mon-Fri 09:00-17:00`: the days it holds on (0 is Monday) and minutes of the day, end
/// exclusive; an end at or before the start crosses midnight.
public struct WeeklyWindow: Hashable, Sendable {
    public let days: Set<Int>
    public let startMinute: Int
    public let endMinute: Int
}

public enum Clause: Sendable {
    case interaction(InteractionClause)
    case decision(DecisionClause)
    case cap(CapClause)
    case limit(LimitClause)
    case effect(EffectClause)
}

/// `from S to D on P across zones`, or `between A and B …`.
public struct InteractionClause: Sendable {
    public enum Direction: Sendable { case fromTo, between }
    public enum ZoneRelation: Sendable { case across, within }
    public let direction: Direction
    public let source: SetExpression
    public let destination: SetExpression
    /// nil: every protocol and port.
    public let ports: [PortExpression]?
    public let zoneRelation: ZoneRelation?
    public let range: SourceRange
}

/// `allow|reject|drop [overriding L.p, …]`; `overriding` may also stand alone as a clause of its
/// own, then `action` is nil.
public struct DecisionClause: Sendable {
    public enum Action: String, Sendable { case allow, reject, drop }
    public let action: Action?
    public let overriding: [PolicyReference]
    public let range: SourceRange
}

/// `per source`, `per destination`, `per pair`; nil elsewhere means in total.
public enum PerScope: String, Sendable { case source, destination, pair }

/// `cap 800 connections per source reserve 200 for checkout`
public struct CapClause: Sendable {
    public struct Reservation: Sendable {
        public let amount: Amount
        public let beneficiary: SetExpression
        public let range: SourceRange
    }
    public let amount: Amount
    public let per: PerScope?
    public let reservations: [Reservation]
    public let range: SourceRange
}

/// `limit 20 MB/s per source burst 100 then drop`
public struct LimitClause: Sendable {
    public enum Excess: String, Sendable { case drop, reject, markECN = "mark-ecn" }
    public let rate: Rate
    public let per: PerScope?
    /// In the unit of the rate.
    public let burst: Amount?
    /// nil: reject for connections, drop for packets and bytes.
    public let excess: Excess?
    public let range: SourceRange
}

/// A number that is fixed or follows the landscape.
public struct Amount: Sendable {
    public enum Value: Sendable {
        case fixed(UInt64)
        /// `20 connections per endpoint of web`: the number for each endpoint.
        case perEndpoint(UInt64, of: SetExpression)
        /// `80% of capacity of orders-db`
        case percentOfCapacity(UInt64, of: SetExpression)
        /// A parameter of the pattern that this stands in.
        case parameter(Name)
    }
    public let value: Value
    /// As written: `connections`, `MB`, `kbit`, …; nil where the amount has none (`burst 100`).
    public let unit: Name?
    public let range: SourceRange
}

/// `50 connections/s`, `20 MB/m`.
public struct Rate: Sendable {
    public enum Interval: String, Sendable {
        case second = "s"
        case minute = "m"
        case hour = "h"
    }
    public let amount: Amount
    /// nil only when the whole rate is a pattern's parameter.
    public let interval: Interval?
    public let range: SourceRange
}

public struct EffectClause: Sendable {
    public enum Priority: String, Sendable { case critical, high, normal, low }
    public enum Kind: Sendable {
        case observe
        /// `sampleOneIn` is N of `sample 1/N`, 1 where it is absent.
        case log(text: Name, sampleOneIn: UInt32)
        case priority(Priority)
        /// The address as written.
        case mirror(Name)
    }
    public let kind: Kind
    public let range: SourceRange
}

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
    }
    public let kind: Kind
    public let range: SourceRange
}

/// `assert ["text"] never|always from S to D on P across zones [with N connections]`
public struct AssertionDeclaration: Sendable {
    public enum Modality: String, Sendable { case never, always }
    public let text: Name?
    public let modality: Modality
    public let interaction: InteractionClause
    public let connections: Amount?
    public let range: SourceRange
}

/// `when protect-orders-db.connections > 90% for 10s enable emergency.shed-batch for 5m`
public struct TriggerDeclaration: Sendable {
    public enum Comparison: String, Sendable {
        case greater = ">"
        case greaterOrEqual = ">="
        case less = "<"
        case lessOrEqual = "<="
    }
    public enum Threshold: Sendable {
        /// Of the policy's cap or limit.
        case percent(UInt64)
        case amount(Amount)
        case rate(Rate)
    }
    public let policy: PolicyReference
    /// `connections`, `rate`, `bytes`, `packets`, `rejected`: checked by resolution.
    public let signal: Name
    public let comparison: Comparison
    public let threshold: Threshold
    /// How long the condition must hold.
    public let holdSeconds: Int64
    public let enables: PolicyReference
    public let enableSeconds: Int64
    public let range: SourceRange
}

/// `pattern backpressure(clients, service, rate) { … }`
public struct PatternDeclaration: Sendable {
    public let name: Name
    public let parameters: [Name]
    public let clauses: [Clause]
    public let range: SourceRange
}

/// `backpressure([plan=free], api, 5 connections/s)`
public struct PatternInstance: Sendable {
    public enum Argument: Sendable {
        case set(SetExpression)
        case ports([PortExpression])
        case amount(Amount)
        case rate(Rate)
    }
    public let pattern: Name
    public let arguments: [(argument: Argument, range: SourceRange)]
    public let range: SourceRange
}
