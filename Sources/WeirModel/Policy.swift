// SPDX-License-Identifier: GPL-3.0-or-later
//
// A policy with every name resolved, every pattern expanded and every amount a number: what it
// matches, what it decides, what it constrains, what else it does, and when it is in force.

public import WeirDiagnostics

/// A policy's index in its ``PolicySet``; not stable across edits (its qualified name is).
public struct PolicyID: Hashable, Sendable, Comparable {
    public let index: Int

    public init(index: Int) { self.index = index }

    public static func < (a: PolicyID, b: PolicyID) -> Bool { a.index < b.index }
}

public struct Policy: Sendable {
    public var name: String
    /// Index into ``PolicySet/layers``; 0 is the top.
    public var layer: Int
    public var description: String?
    /// Never empty: what matches nothing was refused.
    public var interactions: [Interaction]
    public var decision: Decision?
    /// Policies it is declared to override, of its own or of lower layers.
    public var overriding: [Override]
    public var caps: [Cap]
    public var limits: [Limit]
    public var effects: [Effect]
    public var activation: PolicyActivation
    /// The declaration's head: `policy NAME`.
    public var origin: SourceRange?

    public init(
        name: String, layer: Int, description: String? = nil, interactions: [Interaction],
        decision: Decision? = nil, overriding: [Override] = [], caps: [Cap] = [],
        limits: [Limit] = [], effects: [Effect] = [],
        activation: PolicyActivation = PolicyActivation(), origin: SourceRange? = nil
    ) {
        self.name = name
        self.layer = layer
        self.description = description
        self.interactions = interactions
        self.decision = decision
        self.overriding = overriding
        self.caps = caps
        self.limits = limits
        self.effects = effects
        self.activation = activation
        self.origin = origin
    }
}

/// `overriding L.p`, resolved.
public struct Override: Sendable {
    public let policy: PolicyID
    public let origin: SourceRange?

    public init(policy: PolicyID, origin: SourceRange? = nil) {
        self.policy = policy
        self.origin = origin
    }
}

public enum ZoneRelation: Hashable, Sendable {
    /// Only pairs that lie in two different zones.
    case across
    /// Only pairs that lie in the same zone.
    case within
}

/// One direction of `from S to D on P`; `between` is two of these.
public struct Interaction: Sendable {
    public var source: AddressSet
    public var destination: AddressSet
    public var ports: PortSet
    public var zoneRelation: ZoneRelation?
    public var origin: SourceRange?

    public init(
        source: AddressSet, destination: AddressSet, ports: PortSet = .any,
        zoneRelation: ZoneRelation? = nil, origin: SourceRange? = nil
    ) {
        self.source = source
        self.destination = destination
        self.ports = ports
        self.zoneRelation = zoneRelation
        self.origin = origin
    }
}

public enum Action: String, Hashable, Sendable { case allow, reject, drop }

public struct Decision: Sendable {
    public let action: Action
    public let origin: SourceRange?

    public init(action: Action, origin: SourceRange? = nil) {
        self.action = action
        self.origin = origin
    }
}

/// What a cap or limit counts separately.
public enum CountingScope: String, Hashable, Sendable { case total, source, destination, pair }

/// `cap N connections [per …] {reserve M for S}`.
public struct Cap: Sendable {
    public struct Reservation: Sendable {
        public var connections: UInt64
        public var beneficiary: AddressSet
        public var origin: SourceRange?

        public init(connections: UInt64, beneficiary: AddressSet, origin: SourceRange? = nil) {
            self.connections = connections
            self.beneficiary = beneficiary
            self.origin = origin
        }
    }
    public var connections: UInt64
    public var scope: CountingScope
    public var reservations: [Reservation]
    /// How the amount was written where it follows the landscape, for messages.
    public var relativeTo: String?
    public var origin: SourceRange?

    public init(
        connections: UInt64, scope: CountingScope = .total, reservations: [Reservation] = [],
        relativeTo: String? = nil, origin: SourceRange? = nil
    ) {
        self.connections = connections
        self.scope = scope
        self.reservations = reservations
        self.relativeTo = relativeTo
        self.origin = origin
    }
}

/// `limit N unit/interval [per …] [burst B] [then …]`.
public struct Limit: Sendable {
    public enum Unit: String, Hashable, Sendable { case connections, packets, bytes }
    public enum Excess: String, Hashable, Sendable { case drop, reject, markECN = "mark-ecn" }
    public var rate: RatePerInterval
    public var unit: Unit
    public var scope: CountingScope
    /// In the rate's unit; always set (the default is a tenth of a second's worth, at least 1;
    /// for bytes at least 65,536).
    public var burst: UInt64
    public var excess: Excess
    public var relativeTo: String?
    public var origin: SourceRange?

    public init(
        rate: RatePerInterval, unit: Unit, scope: CountingScope = .total, burst: UInt64,
        excess: Excess, relativeTo: String? = nil, origin: SourceRange? = nil
    ) {
        self.rate = rate
        self.unit = unit
        self.scope = scope
        self.burst = burst
        self.excess = excess
        self.relativeTo = relativeTo
        self.origin = origin
    }
}

public struct Effect: Sendable {
    public enum Priority: String, Hashable, Sendable { case critical, high, normal, low }
    public enum Kind: Hashable, Sendable {
        case observe
        case log(text: String, sampleOneIn: UInt32)
        case priority(Priority)
        case mirror(IPAddress)
    }
    public let kind: Kind
    public let origin: SourceRange?

    public init(kind: Kind, origin: SourceRange? = nil) {
        self.kind = kind
        self.origin = origin
    }
}

/// `Mon-Fri 09:00-17:00` in UTC: days (0 is Monday) and minutes of the day, end exclusive; an end
/// at or before the start crosses midnight and belongs to the day it started on.
public struct WeeklyHours: Hashable, Sendable {
    public let days: Set<Int>
    public let startMinute: Int
    public let endMinute: Int

    public init(days: Set<Int>, startMinute: Int, endMinute: Int) {
        self.days = days
        self.startMinute = startMinute
        self.endMinute = endMinute
    }

    public func contains(epochSeconds: Int64) -> Bool {
        let day = Int((epochSeconds - Self.modulo(epochSeconds, 86_400)) / 86_400)
        let minute = Int(Self.modulo(epochSeconds, 86_400) / 60)
        let weekday = Int(Self.modulo(Int64(day) + 3, 7))
        if startMinute < endMinute {
            return days.contains(weekday) && startMinute <= minute && minute < endMinute
        }
        return days.contains(weekday) && minute >= startMinute
            || days.contains((weekday + 6) % 7) && minute < endMinute
    }

    private static func modulo(_ value: Int64, _ divisor: Int64) -> Int64 {
        (value % divisor + divisor) % divisor
    }
}

/// When a policy is in force.
public struct PolicyActivation: Sendable, Hashable {
    /// Seconds since 1970-01-01T00:00:00Z; not in force from then on.
    public var until: Int64?
    /// `for D`: from the commit on, which records the resulting `until` in the file.
    public var forSeconds: Int64?
    public var during: [WeeklyHours]
    /// Only once enabled, by an operator or a trigger.
    public var standby: Bool
    /// Never enforced; counts what it would have done.
    public var staged: Bool

    public init(
        until: Int64? = nil, forSeconds: Int64? = nil, during: [WeeklyHours] = [],
        standby: Bool = false, staged: Bool = false
    ) {
        self.until = until
        self.forSeconds = forSeconds
        self.during = during
        self.standby = standby
        self.staged = staged
    }

    public var isUnconditional: Bool { self == PolicyActivation() }
}
