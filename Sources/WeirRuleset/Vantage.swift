// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where weir stands: between hosts, or on one of them.

public import WeirModel

/// Which packets a table sees.
public enum Vantage: Hashable, Sendable {
    /// What this machine forwards between others.
    case gateway
    /// What this machine itself sends and receives; with its own addresses, so that policies that
    /// do not concern it are left out.
    case host(Set<IPAddress>)

    /// The base chains of weir at this vantage.
    var hooks: [Chain.Hook.Point] {
        switch self {
        case .gateway: [.forward]
        case .host: [.input, .output]
        }
    }
}

extension KernelTable {
    /// Whether the table that the kernel holds stands on a host rather than between hosts.
    public var isOnHost: Bool { chains["input"] != nil }
}
