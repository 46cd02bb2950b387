// SPDX-License-Identifier: GPL-3.0-or-later
//
// The typed view of what stands between a policy's braces: interactions, decisions, constraints and
// effects, and the amounts and rates in them. Part of the contract of PolicyFile.swift.

public import WeirDiagnostics

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

    public init(
        direction: Direction, source: SetExpression, destination: SetExpression,
        ports: [PortExpression]?, zoneRelation: ZoneRelation?, range: SourceRange
    ) {
        self.direction = direction
        self.source = source
        self.destination = destination
        self.ports = ports
        self.zoneRelation = zoneRelation
        self.range = range
    }
}

/// `allow|reject|drop [overriding L.p, …]`; `overriding` may also stand alone as a clause of its
/// own, then `action` is nil.
public struct DecisionClause: Sendable {
    public enum Action: String, Sendable { case allow, reject, drop }
    public let action: Action?
    public let overriding: [PolicyReference]
    public let range: SourceRange

    public init(action: Action?, overriding: [PolicyReference], range: SourceRange) {
        self.action = action
        self.overriding = overriding
        self.range = range
    }
}

/// `per source`, `per destination`, `per pair`; nil elsewhere means in total.
public enum PerScope: String, Sendable { case source, destination, pair }

/// `cap 800 connections per source reserve 200 for checkout`
public struct CapClause: Sendable {
    public struct Reservation: Sendable {
        public let amount: Amount
        public let beneficiary: SetExpression
        public let range: SourceRange

        public init(amount: Amount, beneficiary: SetExpression, range: SourceRange) {
            self.amount = amount
            self.beneficiary = beneficiary
            self.range = range
        }
    }
    public let amount: Amount
    public let per: PerScope?
    public let reservations: [Reservation]
    public let range: SourceRange

    public init(amount: Amount, per: PerScope?, reservations: [Reservation], range: SourceRange) {
        self.amount = amount
        self.per = per
        self.reservations = reservations
        self.range = range
    }
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

    public init(rate: Rate, per: PerScope?, burst: Amount?, excess: Excess?, range: SourceRange) {
        self.rate = rate
        self.per = per
        self.burst = burst
        self.excess = excess
        self.range = range
    }
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

    public init(value: Value, unit: Name?, range: SourceRange) {
        self.value = value
        self.unit = unit
        self.range = range
    }
}

/// `50 connections/s`, `20 MB/m`.
public struct Rate: Sendable {
    public enum Interval: String, Sendable {
        case second = "s"
        case minute = "m"
        case hour = "h"
    }
    public let amount: Amount
    /// nil only when the whole rate is a pattern's parameter or follows a capacity, which has an
    /// interval of its own (`limit 80% of capacity of orders-db`).
    public let interval: Interval?
    public let range: SourceRange

    public init(amount: Amount, interval: Interval?, range: SourceRange) {
        self.amount = amount
        self.interval = interval
        self.range = range
    }
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

    public init(kind: Kind, range: SourceRange) {
        self.kind = kind
        self.range = range
    }
}
