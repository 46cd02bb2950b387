// SPDX-License-Identifier: GPL-3.0-or-later
//
// A bridge passes frames without asking the forward hook unless it is told to. What it is told is
// a setting of the namespace that concerns everybody's rules, so weir reads it and never sets it.

import FoundationEssentials

/// The kernel's settings `net.bridge.bridge-nf-call-*`.
public enum BridgeFilter {
    private static let names = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"]

    /// Why bridged packets would pass unasked in this network namespace; nil where they would not.
    public static func problem() -> (message: String, help: String)? {
        let values = names.map { name in
            (name, try? String(contentsOfFile: "/proc/sys/net/bridge/\(name)", encoding: .utf8))
        }
        guard values.allSatisfy({ $0.1 != nil }) else {
            return (
                "this kernel cannot ask policies about bridged packets",
                "load the module br_netfilter: `modprobe br_netfilter`"
            )
        }
        let off = values.filter { $0.1?.first != "1" }.map(\.0)
        guard !off.isEmpty else { return nil }
        return (
            "bridged packets pass unasked here: \(off.map { "net.bridge.\($0)" }.joined(separator: ", ")) is off",
            "`sysctl " + off.map { "net.bridge.\($0)=1" }.joined(separator: " ")
                + "`; other tables' rules for forwarded packets are then asked too"
        )
    }
}
