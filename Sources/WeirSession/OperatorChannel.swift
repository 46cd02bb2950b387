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
    guard parts.count == 4, let client = IPAddress(parts[0]), let server = IPAddress(parts[2]),
        let port = UInt16(parts[3]), client.family == server.family
    else { return [] }
    guard (own.contains(client) || own.contains(server)) == onHost else { return [] }
    let flow = Flow(
        source: client, destination: server,
        port: PortPoint(protocolNumber: IPProtocol.tcp, port: port))
    return [ProtectedChannel(.operatorConnection, flow)]
}
