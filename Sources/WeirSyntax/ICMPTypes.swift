// SPDX-License-Identifier: GPL-3.0-or-later
//
// ICMP type names as nftables spells them, so that an operator who knows `nft` knows these, with
// their numbers from the IANA registries. nft's duplicate spellings are left out.

/// Names of ICMP types and their numbers.
public enum ICMPTypes {
    /// Types of `icmp`. Corresponds to nft's `icmp_type` symbols.
    public static let version4: [String: UInt8] = [
        "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5,
        "echo-request": 8, "router-advertisement": 9, "router-solicitation": 10,
        "time-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13,
        "timestamp-reply": 14, "info-request": 15, "info-reply": 16,
        "address-mask-request": 17, "address-mask-reply": 18,
    ]

    /// Types of `icmpv6`. Corresponds to nft's `icmpv6_type` symbols.
    public static let version6: [String: UInt8] = [
        "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3,
        "parameter-problem": 4, "echo-request": 128, "echo-reply": 129,
        "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132,
        "nd-router-solicit": 133, "nd-router-advert": 134, "nd-neighbor-solicit": 135,
        "nd-neighbor-advert": 136, "nd-redirect": 137, "router-renumbering": 138,
        "ind-neighbor-solicit": 141, "ind-neighbor-advert": 142, "mld2-listener-report": 143,
    ]
}
