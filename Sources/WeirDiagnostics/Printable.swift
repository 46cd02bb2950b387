// SPDX-License-Identifier: GPL-3.0-or-later
//
// Text from files as it may be shown on a terminal: nothing in it can move the cursor, change
// colours or turn the direction of writing, and everything has the width that it is said to have.

/// The text with every control character replaced by one visible character; tabs stay.
public func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { shown($0) != $0 }) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map(shown)))
}

/// Control characters become their pictures (U+2400 and on), as rustc shows them; those without
/// one, and those that turn the direction of writing or are not seen, the replacement character.
private func shown(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x09: scalar
    case 0..<0x20: Unicode.Scalar(0x2400 + scalar.value) ?? "\u{FFFD}"
    case 0x7F: "\u{2421}"
    case 0x80..<0xA0, 0x061C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x2069, 0xFEFF:
        "\u{FFFD}"
    default: scalar
    }
}

/// Columns that a character takes on a terminal: none for marks that join what stands before them,
/// two for wide ones. Corresponds to `wcwidth` of current terminals, in ranges.
func columns(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF,
        0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF,
        0x1F900...0x1F9FF, 0x20000...0x3FFFD:
        return 2
    default: return 1
    }
}
