// SPDX-License-Identifier: GPL-3.0-or-later
//
// What it means that a packet is in a chain of the program: for whoever reads a trace.

/// A chain of the program, as far as it says something of a packet.
public enum ChainMeaning: Hashable, Sendable {
    /// A layer is asked.
    case layer(String)
    case allowed, rejected, dropped
    /// Over a cap or limit.
    case overCap, overLimit
    /// The end: let through, or refused.
    case leaves, refused

    /// nil for chains that are only ways from one of these to another.
    public init?(chain: String) {
        switch chain {
        case "allowed": self = .allowed
        case "rejected": self = .rejected
        case "dropped": self = .dropped
        case "give_back": self = .leaves
        case "refuse": self = .refused
        case _ where chain.hasPrefix("over_cap"): self = .overCap
        case _ where chain.hasPrefix("over_"): self = .overLimit
        case _ where chain.hasPrefix("priority_"): self = .leaves
        case _ where chain.hasPrefix("layer."):
            let parts = chain.split(separator: ".", omittingEmptySubsequences: false)
            // Hours of a layer's stage have chains of their own.
            guard parts.count == 2 else { return nil }
            self = .layer(unescapedIdentifier(parts[1]))
        default: return nil
        }
    }
}
