// SPDX-License-Identifier: GPL-3.0-or-later
//
// What conntrack writes down of connections only if it is told to. weir reads these settings to say
// why something is not known; it never changes them.

import FoundationEssentials

/// A switch of conntrack in this network namespace; it holds for connections that begin after.
enum ConntrackSetting: String {
    /// Packets and bytes of connections.
    case accounting = "nf_conntrack_acct"
    /// When connections began.
    case timestamp = "nf_conntrack_timestamp"

    var isOn: Bool {
        let text = FileManager.default.contents(atPath: "/proc/sys/net/netfilter/" + rawValue)
        return text?.first == UInt8(ascii: "1")
    }

    /// The command that switches it on.
    var command: String { "sysctl -w net.netfilter.\(rawValue)=1" }
}
