// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a byte or a character may be part of. Kept apart from the lexer because the parser, the
// formatter and the edits ask the same questions of finished text.

/// Whether an ASCII byte continues a raw word: all that is printable, except what divides words.
func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    case UInt8(ascii: "\""), UInt8(ascii: "#"), UInt8(ascii: "'"), UInt8(ascii: "("),
        UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "<"),
        UInt8(ascii: "="), UInt8(ascii: ">"), UInt8(ascii: "["), UInt8(ascii: "]"),
        UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "!"), UInt8(ascii: "&"),
        UInt8(ascii: "|"):
        false
    default: byte > 0x20 && byte < 0x7F
    }
}

func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- UInt8(ascii: "a") < 26 }

/// Whether the bytes are a bare name: `[A-Za-z_][A-Za-z0-9_-]*`.
func isName(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let first = bytes.first, isLetter(first) || first == UInt8(ascii: "_") else {
        return false
    }
    return bytes.allSatisfy {
        isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
    }
}

/// Whether the bytes can only be meant as an address, a CIDR or an address range. Their syntax is
/// resolution's to check; this only tells them from names, which have neither `:` nor a leading
/// digit.
func isAddressLike(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard let first = bytes.first,
        isDigit(first) && bytes.contains(UInt8(ascii: ".")) || bytes.contains(UInt8(ascii: ":"))
            || isDigit(first) && bytes.contains(UInt8(ascii: "/"))
    else { return false }
    return bytes.allSatisfy {
        isDigit($0) || ($0 | 0x20) &- UInt8(ascii: "a") < 6 || $0 == UInt8(ascii: ".")
            || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "-")
    }
}

/// The scalar at an offset and its length in bytes; nil past the end and where the bytes are not
/// well-formed UTF-8 (Unicode, table 3-7).
func decodeScalar(_ bytes: [UInt8], at offset: Int) -> (Unicode.Scalar, Int)? {
    guard offset < bytes.count else { return nil }
    let first = bytes[offset]
    if first < 0x80 { return (Unicode.Scalar(first), 1) }
    let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
    guard first >= 0xC2, first <= 0xF4, offset + length <= bytes.count else { return nil }
    var value = UInt32(first) & (0xFF >> UInt32(length + 1))
    for byte in bytes[(offset + 1)..<(offset + length)] {
        guard byte & 0xC0 == 0x80 else { return nil }
        value = value << 6 | UInt32(byte & 0x3F)
    }
    let least: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000
    guard value >= least, let scalar = Unicode.Scalar(value) else { return nil }
    return (scalar, length)
}

/// What to call a character that may stand in no token, because it is invisible or looks like
/// punctuation that it is not; nil for all others.
func meaninglessName(_ scalar: Unicode.Scalar) -> String? {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0: "control character `\(codePoint(scalar))`"
    case 0xA0, 0x1680, 0x2000...0x200A, 0x202F, 0x205F, 0x3000: "space `\(codePoint(scalar))`"
    case 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF:
        "invisible character `\(codePoint(scalar))`"
    case 0x2010...0x2015, 0x2212: "dash `\(scalar)`"
    case 0x2018...0x201F, 0xAB, 0xBB: "quotation mark `\(scalar)`"
    default: nil
    }
}

/// Characters that make a line read otherwise than it is parsed (CVE-2021-42574); refused also in
/// comments and strings.
func changesDirection(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
}

private func codePoint(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
}

/// The text between a string token's quotes, without its escapes. An unterminated string gives
/// what it has.
func unquoted(_ bytes: ArraySlice<UInt8>) -> String {
    var body = bytes.dropFirst()
    if body.last == UInt8(ascii: "\"") { body = body.dropLast() }
    guard body.contains(UInt8(ascii: "\\")) else { return String(decoding: body, as: UTF8.self) }
    var out: [UInt8] = []
    var escaped = false
    for byte in body {
        if !escaped, byte == UInt8(ascii: "\\") {
            escaped = true
        } else {
            out.append(byte)
            escaped = false
        }
    }
    return String(decoding: out, as: UTF8.self)
}

/// A name as it must be written in a file where a set, a port or an amount may stand: bare if that
/// is possible, otherwise quoted.
public func spelling(of name: String) -> String {
    let isReserved = Keyword.reserved.contains { $0.text == name }
    return isName(Array(name.utf8)[...]) && !isReserved ? name : quotedSpelling(of: name)
}

/// A text between quotes, with its quotes and backslashes escaped.
public func quotedSpelling(of text: String) -> String {
    var out = "\""
    for character in text.unicodeScalars {
        if character == "\"" || character == "\\" { out += "\\" }
        out.unicodeScalars.append(character)
    }
    return out + "\""
}
