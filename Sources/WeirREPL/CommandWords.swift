// SPDX-License-Identifier: GPL-3.0-or-later
//
// The words after a backslash command: quotes as in a shell, flags with their values, durations.

import WeirSession

struct CommandWords {
    private(set) var words: [String]

    /// Splits at white space; double quotes hold words together, and `\"` and `\\` in them are
    /// these characters, as in a policy file.
    init(_ text: String) {
        var found: [String] = []
        var word = ""
        var isOpen = false
        var isWord = false
        var isEscaped = false
        for character in text {
            if isEscaped || (isOpen && character == "\\") {
                if isEscaped { word.append(character) }
                isEscaped.toggle()
            } else if character == "\"" {
                isOpen.toggle()
                isWord = true
            } else if character.isWhitespace, !isOpen {
                if isWord { found.append(word) }
                (word, isWord) = ("", false)
            } else {
                word.append(character)
                isWord = true
            }
        }
        if isWord { found.append(word) }
        words = found
    }

    /// Takes a flag out; whether it was there.
    mutating func take(flag: String) -> Bool {
        guard let index = words.firstIndex(of: flag) else { return false }
        words.remove(at: index)
        return true
    }

    /// Takes a flag and its value out.
    mutating func take(option: String) throws(StagingError) -> String? {
        guard let index = words.firstIndex(of: option) else { return nil }
        guard index + 1 < words.count else {
            throw StagingError("`\(option)` wants a value", help: "write `\(option) VALUE`")
        }
        defer { words.removeSubrange(index...(index + 1)) }
        return words[index + 1]
    }

    /// Refuses what nobody took.
    func end() throws(StagingError) {
        guard let first = words.first else { return }
        throw StagingError(
            "`\(first)` means nothing here", help: "`\\help` lists what each command takes")
    }
}

/// Seconds of `90s`, `5m`, `1h30m`, `2d`; a bare number is seconds. nil for anything else, and for
/// nothing or more than a year.
public func durationSeconds(_ text: String) -> Int64? {
    var total: Int64 = 0
    var digits = ""
    for character in text {
        if character.isNumber {
            digits.append(character)
            guard digits.count < 10 else { return nil }
            continue
        }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = units[character], let number = Int64(digits) else { return nil }
        total += number * unit
        digits = ""
    }
    if !digits.isEmpty {
        guard total == 0, let number = Int64(digits) else { return nil }
        total = number
    }
    return total > 0 && total <= 366 * 86_400 ? total : nil
}
