// SPDX-License-Identifier: GPL-3.0-or-later
//
// Numbers and names in the kernel. Classes, verdicts and constraints share one 32-bit field while
// a packet is classified, so their numbers live in disjoint ranges; names lead back to policies.

/// Ranges of the 32-bit numbers that `meta priority` carries through the program.
public enum IdentifierRange {
    /// Source classes; 0 is every address that no map names.
    public static let classes: ClosedRange<UInt32> = 1...0x4FFF_FFFF
    public static let allowed: ClosedRange<UInt32> = 0x8000_0000...0x8FFF_FFFF
    public static let rejected: ClosedRange<UInt32> = 0x9000_0000...0x9FFF_FFFF
    public static let dropped: ClosedRange<UInt32> = 0xA000_0000...0xAFFF_FFFF
    /// The value is the level: 1 is critical.
    public static let priorities: ClosedRange<UInt32> = 0xB000_0000...0xB000_00FF
    public static let seen: ClosedRange<UInt32> = 0xC000_0000...0xCFFF_FFFF
    public static let staged: ClosedRange<UInt32> = 0xD000_0000...0xDFFF_FFFF
    public static let watched: ClosedRange<UInt32> = 0xE000_0000...0xEFFF_FFFF
}

/// Makes text usable inside an nft identifier: ASCII letters, digits, `_` and `-` stay, any other
/// byte becomes `/` and two hexadecimal digits. Different texts stay different.
func escapedIdentifier(_ text: String) -> String {
    var out = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            out.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16)
            out += "/" + (digits.count == 1 ? "0" : "") + digits
        }
    }
    return out
}

/// The text that an escaped identifier stands for.
func unescapedIdentifier(_ text: some StringProtocol) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
        if byte == UInt8(ascii: "/"), rest.count >= 2,
            let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
        {
            bytes.append(value)
            rest = rest.dropFirst(2)
        } else {
            bytes.append(byte)
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

/// A comment as the kernel and nft take it: at most 128 bytes, cut between characters.
func kernelComment(_ text: String) -> String {
    guard text.utf8.count > 128 else { return text }
    var out = ""
    var length = 0
    for character in text {
        length += character.utf8.count
        if length > 125 { break }
        out.append(character)
    }
    return out + "…"
}

/// Hands out numbers of one range: the recovered ones first, then the lowest that are free.
struct IdentifierPool {
    let range: ClosedRange<UInt32>
    private var taken: Set<UInt32>
    private var next: UInt32

    /// `reserved`: numbers that belong to somebody already.
    init(range: ClosedRange<UInt32>, reserved: some Sequence<UInt32>) {
        self.range = range
        taken = Set(reserved)
        next = range.lowerBound
    }

    /// Takes a particular number; false where it is taken.
    mutating func claim(_ number: UInt32) -> Bool {
        range.contains(number) && taken.insert(number).inserted
    }

    /// The lowest free number; nil where the range is used up.
    mutating func allocate() -> UInt32? {
        while taken.contains(next) {
            guard next < range.upperBound else { return nil }
            next += 1
        }
        taken.insert(next)
        return next
    }
}
