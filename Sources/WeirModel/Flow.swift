// SPDX-License-Identifier: GPL-3.0-or-later
//
// One new connection as the policies see it: addresses after DNAT and before SNAT.

public struct Flow: Hashable, Sendable {
    public let source: IPAddress
    /// Of the same family as the source.
    public let destination: IPAddress
    /// Protocol and destination port, or ICMP type.
    public let port: PortPoint

    public init(source: IPAddress, destination: IPAddress, port: PortPoint) {
        precondition(source.family == destination.family, "a flow has one address family")
        self.source = source
        self.destination = destination
        self.port = port
    }
}

extension Flow: CustomStringConvertible {
    public var description: String {
        let name = IPProtocol.name(port.protocolNumber)
        let hasDetail =
            IPProtocol.hasPorts(port.protocolNumber) || port.protocolNumber == IPProtocol.icmp
            || port.protocolNumber == IPProtocol.icmpv6
        return "\(source) -> \(destination) \(hasDetail ? "\(name)/\(port.port)" : name)"
    }
}
