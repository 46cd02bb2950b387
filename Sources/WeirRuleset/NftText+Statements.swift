// SPDX-License-Identifier: GPL-3.0-or-later
//
// Rules as nft text. Each statement has exactly one text; a rule's text is also what its
// fingerprint is taken of, by which a rule read back from the kernel is recognised.

extension Rule {
    /// The rule in one line, with its comment.
    public func nftText(family: TableFamily = .inet) -> String {
        var text = statements.map { $0.nftText(family: family) }.joined(separator: " ")
        if !comment.isEmpty { text += " comment " + nftQuoted(comment) }
        return text
    }

    /// Recognises the rule in the kernel, whose copy of it is not taken apart: FNV-1a, 64 bits,
    /// of the rule's text. The leading version is raised when the same text comes to be encoded
    /// in other expressions, so that rules written by an older weir are replaced.
    public func fingerprint(family: TableFamily = .inet) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in "1 \(nftText(family: family))".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        return hash
    }
}

extension Statement {
    func nftText(family: TableFamily) -> String {
        switch self {
        case .connectionState(let states):
            let words = ConnectionState.allCases.filter(states.contains).map(\.rawValue)
            return "ct state \(words.joined(separator: ","))"
        case .connectionConfirmed: return "ct status confirmed"
        case .setConnectionZone(let zone): return "ct zone set \(zone)"
        case .hopLimit(let limit): return "ip6 hoplimit \(limit)"
        case .connectionDirection(let direction): return "ct direction \(direction.rawValue)"
        case .day(let day): return "meta day \(day)"
        case .hours(let first, let last): return "meta hour \(first)-\(last)"
        case .equals(let field, let value): return "\(field.rawValue) \(field.nftText(value))"
        case .differs(let field, let value):
            return "\(field.rawValue) != \(field.nftText(value))"
        case .inRange(let field, let low, let high):
            return "\(field.rawValue) \(field.nftText(low))-\(field.nftText(high))"
        case .l4proto(let number): return "meta l4proto \(number)"
        case .networkFamily(let network): return network.nftText(family: family)
        case .inputInterface(let name): return "iifname \(nftQuoted(name, limitBytes: 15))"
        case .outputInterface(let name): return "oifname \(nftQuoted(name, limitBytes: 15))"
        case .lookup(let key, let set): return "\(nftKey(key)) @\(set)"
        case .missing(let key, let set): return "\(nftKey(key)) != @\(set)"
        case .set(let field, let value): return "\(field.rawValue) set \(field.nftText(value))"
        case .setFromMap(let field, let key, let map):
            return "\(field.rawValue) set \(nftKey(key)) map @\(map)"
        case .verdict(let verdict): return verdict.nftText
        case .object(let kind, let key, let map):
            return "\(kind.rawValue) name \(nftKey(key)) map @\(map)"
        case .counter(let name): return "counter name \"\(name)\""
        case .limit(let limit): return "limit rate \(limit.nftText)"
        case .learn(let key, let data, let map):
            return "update @\(map) { \(nftKey(key)) : \(data.rawValue) }"
        case .learnLimit(let key, let limit, let set):
            return "update @\(set) { \(nftKey(key)) limit rate \(limit.nftText) }"
        case .learnConnectionCount(let key, let count, let set):
            return "add @\(set) { \(nftKey(key)) ct count \(count) }"
        case .rejectWithReset: return "reject with tcp reset"
        case .rejectProhibited: return "reject with icmpx admin-prohibited"
        case .log(let prefix, let group):
            return "log prefix \"\(nftLogPrefix(prefix))\" group \(group)"
        case .sample(let oneIn): return "numgen random mod \(oneIn) 0"
        case .setDSCP(.ipv4, let value): return "ip dscp set \(value)"
        case .setDSCP(.ipv6, let value): return "ip6 dscp set \(value)"
        case .ecnCapable(.ipv4): return "ip ecn != not-ect"
        case .ecnCapable(.ipv6): return "ip6 ecn != not-ect"
        case .markECN(.ipv4): return "ip ecn set ce"
        case .markECN(.ipv6): return "ip6 ecn set ce"
        }
    }
}

/// `meta priority . ip saddr`
func nftKey(_ selectors: [Selector]) -> String {
    selectors.map(\.rawValue).joined(separator: " . ")
}

extension Scratch {
    func nftText(_ value: UInt32) -> String {
        self == .priority ? nftClassid(value) : String(value)
    }
}

extension NetworkFamily {
    /// Bridges and devices see frames: there the family is the frame's protocol.
    func nftText(family: TableFamily) -> String {
        switch (family, self) {
        case (.inet, _): "meta nfproto \(rawValue)"
        case (_, .ipv4): "meta protocol ip"
        case (_, .ipv6): "meta protocol ip6"
        }
    }
}

extension Verdict {
    var nftText: String {
        switch self {
        case .accept: "accept"
        case .drop: "drop"
        case .return: "return"
        case .jump(let chain): "jump \(chain)"
        case .goto(let chain): "goto \(chain)"
        }
    }
}
