// SPDX-License-Identifier: GPL-3.0-or-later
//
// The operator's own connection, which no commit may cut unnoticed.

import FoundationEssentials
public import WeirAnalysis
public import WeirModel

/// The SSH connection that this process was started over, where policies decide it: at a host, one
/// that ends here; at a gateway, one that passes through. Empty where there is none.
///
/// - Parameter text: `SSH_CONNECTION` as sshd sets it: client address and port, server address and
///   port.
public func operatorChannels(
    sshConnection text: String? = ProcessInfo.processInfo.environment["SSH_CONNECTION"],
    onHost: Bool, own: Set<IPAddress> = ownAddresses()
) -> [ProtectedChannel] {
    let parts = (text ?? "").split(separator: " ")
    guard parts.count == 4, let client = sshAddress(parts[0]), let server = sshAddress(parts[2]),
        let port = UInt16(parts[3]), client.family == server.family
    else { return [] }
    guard (own.contains(client) || own.contains(server)) == onHost else { return [] }
    let flow = Flow(
        source: client, destination: server,
        port: PortPoint(protocolNumber: IPProtocol.tcp, port: port))
    return [ProtectedChannel(.operatorConnection, flow)]
}

/// An address as sshd writes it: a link-local one with its interface behind `%`, and, where it
/// listens for both families, an IPv4 one perhaps as IPv6 (RFC 4291, section 2.5.5.2).
private func sshAddress(_ text: Substring) -> IPAddress? {
    guard let address = IPAddress(text.prefix { $0 != "%" }) else { return nil }
    guard address.family == .v6, address.value >> 32 == 0xFFFF else { return address }
    return .v4(UInt32(truncatingIfNeeded: address.value))
}
