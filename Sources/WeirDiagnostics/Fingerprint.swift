// SPDX-License-Identifier: GPL-3.0-or-later
//
// What makes two diagnostics of two revisions the same one: not where they stand, since lines
// move, but what they say about which text.

/// A hash of text that is the same in every run and version. FNV-1a, 64 bits.
public struct StableHash: Sendable {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    public init() {}

    public mutating func combine(_ text: String) {
        for byte in text.utf8 { combine(byte) }
        combine(0)
    }

    private mutating func combine(_ byte: UInt8) {
        state = (state ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    /// 16 hexadecimal digits.
    public var text: String {
        let digits = String(state, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension Diagnostic {
    /// Code, message and the text it points at; not the file, the line or the column.
    public func fingerprint(in sources: SourceMap) -> String {
        var hash = StableHash()
        hash.combine(code)
        hash.combine(message)
        if let range { hash.combine(sources[range.source].text(in: range.bytes)) }
        return hash.text
    }
}

/// Diagnostics with a fingerprint that tells apart those that say the same of the same text: the
/// second of them gets the suffix `-2`, and so on.
public func fingerprints(_ diagnostics: [Diagnostic], in sources: SourceMap) -> [String] {
    var seen: [String: Int] = [:]
    return diagnostics.map { diagnostic in
        let plain = diagnostic.fingerprint(in: sources)
        let count = seen[plain, default: 0] + 1
        seen[plain] = count
        return count == 1 ? plain : "\(plain)-\(count)"
    }
}

/// The diagnostics that an earlier revision did not have: `check --against REV`.
///
/// If the earlier one had a diagnostic twice and the later one has it three times, one is new.
public func newDiagnostics(
    _ diagnostics: [Diagnostic], in sources: SourceMap, since earlier: [Diagnostic],
    in earlierSources: SourceMap
) -> [Diagnostic] {
    let known = Set(fingerprints(earlier, in: earlierSources))
    return zip(diagnostics, fingerprints(diagnostics, in: sources))
        .filter { !known.contains($1) }.map(\.0)
}
