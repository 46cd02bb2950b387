// SPDX-License-Identifier: GPL-3.0-or-later
//
// Sets, maps and their elements as nft text. An element's key is packed in one number; here its
// fields are taken apart and each is written the way nft reads its type.

import WeirModel

extension FieldType {
    /// The field's value as nft 1.0.6 reads it in an element of this type.
    func nftText(_ value: UInt128) -> String {
        switch self {
        case .classid:
            let number = UInt32(truncatingIfNeeded: value)
            return nftClassid(number)
        case .ipv4Address: return IPAddress.v4(UInt32(truncatingIfNeeded: value)).description
        case .ipv6Address: return IPAddress.v6(value).description
        case .mark, .inetProto, .inetService, .icmpType, .icmpv6Type, .dscp, .ctID:
            return String(value)
        }
    }
}

/// `8000:1`: both halves hexadecimal, as `tc` writes them.
func nftClassid(_ number: UInt32) -> String {
    String(number >> 16, radix: 16) + ":" + String(number & 0xFFFF, radix: 16)
}

extension NamedSet {
    /// The declared size as the kernel takes it. A set of connection counts must have none: with
    /// one, the kernel chooses a table that cannot collect counts, and refuses the elements. A
    /// constant set has as many as it has elements.
    public var effectiveSize: UInt32? {
        if countsConnections { return nil }
        if flags.contains(.constant) && size == nil { return UInt32(elements.count) }
        return size
    }

    /// Whether two sets differ at most in their elements.
    public func sameDefinition(as other: NamedSet) -> Bool {
        key == other.key && kind == other.kind && flags == other.flags
            && effectiveSize == other.effectiveSize
            && hasSameTimeout(as: other) && countsConnections == other.countsConnections
    }

    /// The kernel keeps timeouts in clock ticks, of up to 10 ms.
    private func hasSameTimeout(as other: NamedSet) -> Bool {
        guard let a = timeoutMilliseconds, let b = other.timeoutMilliseconds else {
            return timeoutMilliseconds == other.timeoutMilliseconds
        }
        return max(a, b) - min(a, b) <= 10
    }

    /// The set without its elements; its size stays what ``effectiveSize`` was.
    public var definition: NamedSet {
        var result = self
        result.size = effectiveSize
        result.elements = [:]
        return result
    }

    /// One field of a packed key.
    public func field(_ index: Int, of packed: UInt128) -> UInt128 {
        if key.count == 1 { return packed }
        let below = key[(index + 1)...].reduce(0) { $0 + $1.packedBits }
        let shifted = packed >> UInt128(below)
        return key[index] == .ipv6Address ? shifted : shifted & 0xFFFF_FFFF
    }

    /// An element's key as nft writes it: `8000:1 . 2 . 6 . 80-90`.
    public func keyText(_ packed: ElementKey) -> String {
        var text = ""
        for (index, type) in key.enumerated() {
            if index > 0 { text += " . " }
            let first = field(index, of: packed.first)
            text += type.nftText(first)
            guard packed.last != packed.first else { continue }
            let last = field(index, of: packed.last)
            if last != first { text += "-" + type.nftText(last) }
        }
        return text
    }

    func writeNftText(
        named name: String, nowMilliseconds: Int64, to output: inout some TextOutputStream
    ) {
        output.write("\t\(kind == .set ? "set" : "map") \(name) {\n\t\t\(typeText)\n")
        if let size = effectiveSize, !(flags.contains(.constant) && self.size == nil) {
            output.write("\t\tsize \(size)\n")
        }
        let words = flags.nftWords
        if !words.isEmpty { output.write("\t\tflags \(words.joined(separator: ","))\n") }
        if let timeoutMilliseconds {
            output.write("\t\ttimeout \(nftDuration(milliseconds: timeoutMilliseconds))\n")
        }
        // The number stands for the elements that do not say theirs; all of weir's do.
        if countsConnections { output.write("\t\tct count 1\n") }
        let written = liveElements(nowMilliseconds: nowMilliseconds)
        for (index, element) in written.enumerated() {
            output.write(index == 0 ? "\t\telements = {\n\t\t\t" : ",\n\t\t\t")
            output.write(elementText(element.key, element.value, nowMilliseconds))
        }
        output.write(written.isEmpty ? "\t}\n" : "\n\t\t}\n\t}\n")
    }

    /// The elements that have not expired, by key. A dynamic set has none: the kernel fills it.
    public func liveElements(
        nowMilliseconds: Int64
    ) -> [(key: ElementKey, value: Element)] {
        guard !flags.contains(.dynamic) else { return [] }
        // Keys are sorted by themselves: they move faster than whole elements.
        return elements.keys.sorted().compactMap { key in
            guard let element = elements[key], element.isLive(nowMilliseconds: nowMilliseconds)
            else { return nil }
            return (key, element)
        }
    }

    private func elementText(
        _ key: ElementKey, _ element: Element, _ nowMilliseconds: Int64
    ) -> String {
        var text = keyText(key)
        if let count = element.connectionCount { text += " ct count \(count)" }
        if let expires = element.expiresAtMilliseconds {
            let left = UInt64(expires - nowMilliseconds)
            text += " timeout " + nftDuration(milliseconds: left)
        }
        if !element.comment.isEmpty { text += " comment " + nftQuoted(element.comment) }
        switch element.value {
        case .none: break
        case .number(let number):
            guard case .map(let type) = kind else { break }
            text += " : " + type.nftText(UInt128(number))
        case .object(let name): text += " : \"\(name)\""
        }
        return text
    }

    /// `type ipv4_addr : classid`, or `typeof ct id : meta mark` where the key has no type name.
    private var typeText: String {
        let named = key.contains(.ctID) ? "typeof" : "type"
        let fields = key.map(\.rawValue).joined(separator: " . ")
        switch kind {
        case .set: return "\(named) \(fields)"
        case .objectMap(let kind): return "\(named) \(fields) : \(kind.rawValue)"
        case .map(let data):
            let data = named == "typeof" ? data.typeofText : data.rawValue
            return "\(named) \(fields) : \(data)"
        }
    }
}

extension FieldType {
    /// An expression of this type: what `typeof` wants instead of a type's name.
    fileprivate var typeofText: String {
        switch self {
        case .classid: "meta priority"
        case .mark: "meta mark"
        case .inetProto: "meta l4proto"
        case .inetService: "th dport"
        case .ipv4Address: "ip saddr"
        case .ipv6Address: "ip6 saddr"
        case .icmpType: "icmp type"
        case .icmpv6Type: "icmpv6 type"
        case .dscp: "ip dscp"
        case .ctID: "ct id"
        }
    }
}

extension NamedSet.Flags {
    fileprivate var nftWords: [String] {
        let words: [(NamedSet.Flags, String)] = [
            (.constant, "constant"), (.interval, "interval"), (.timeout, "timeout"),
            (.dynamic, "dynamic"),
        ]
        return words.filter { contains($0.0) }.map(\.1)
    }
}

extension Element {
    /// Whether the element is still to be there at a time.
    public func isLive(nowMilliseconds: Int64) -> Bool {
        guard let expiresAtMilliseconds else { return true }
        return expiresAtMilliseconds > nowMilliseconds
    }
}

extension ElementKey: Comparable {
    /// By the first field, then the second and so on; an interval by its lower end.
    public static func < (a: ElementKey, b: ElementKey) -> Bool {
        a.first == b.first ? a.last < b.last : a.first < b.first
    }
}
