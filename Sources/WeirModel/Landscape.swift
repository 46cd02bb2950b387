// SPDX-License-Identifier: GPL-3.0-or-later
//
// What there is to police: services with their labels, ports, capacity and endpoints, and the
// zones that addresses lie in. Read from inventories; the policies only refer to it.

public import WeirDiagnostics

/// Everything that the inventories declare.
public struct Landscape: Sendable, Equatable {
    public var services: [Service]
    public var zones: [Zone]

    public init(services: [Service] = [], zones: [Zone] = []) {
        self.services = services
        self.zones = zones
    }
}

/// A part of the network that fails together.
public struct Zone: Sendable, Equatable {
    public let name: String
    /// Disjoint from the ranges of every other zone.
    public let ranges: [AddressRange]
    /// Where it is declared; nil only in tests and generated landscapes.
    public let origin: SourceRange?

    public init(name: String, ranges: [AddressRange], origin: SourceRange? = nil) {
        self.name = name
        self.ranges = ranges
        self.origin = origin
    }
}

/// Something that talks and is talked to. Several services may share an address.
public struct Service: Sendable, Equatable {
    public let name: String
    public let labels: [String: String]
    /// Named ports: `postgres` → `tcp/5432`.
    public let ports: [String: PortSet]
    public let capacity: Capacity
    public let endpoints: [IPAddress]
    public let origin: SourceRange?

    public init(
        name: String, labels: [String: String] = [:], ports: [String: PortSet] = [:],
        capacity: Capacity = Capacity(), endpoints: [IPAddress], origin: SourceRange? = nil
    ) {
        self.name = name
        self.labels = labels
        self.ports = ports
        self.capacity = capacity
        self.endpoints = endpoints
        self.origin = origin
    }
}

/// What a service can take; nil where it is not declared. Amounts "per endpoint" are already
/// multiplied.
public struct Capacity: Sendable, Hashable {
    /// Concurrent connections.
    public var connections: UInt64?
    /// New connections per second, as a fraction so that `30 connections/m` stays exact.
    public var connectionRate: RatePerInterval?

    public init(connections: UInt64? = nil, connectionRate: RatePerInterval? = nil) {
        self.connections = connections
        self.connectionRate = connectionRate
    }
}

/// Units per interval: `20 MB/s` is 20,000,000 per 1 second.
public struct RatePerInterval: Hashable, Sendable {
    public let amount: UInt64
    /// 1, 60 or 3600.
    public let intervalSeconds: UInt64

    public init(amount: UInt64, intervalSeconds: UInt64) {
        self.amount = amount
        self.intervalSeconds = intervalSeconds
    }

    /// Units per second.
    public var perSecond: Double { Double(amount) / Double(intervalSeconds) }
}
