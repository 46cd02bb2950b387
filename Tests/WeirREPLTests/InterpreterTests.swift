// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import WeirREPL

@Suite struct CommandWordsTests {
    @Test func `words, quotes, flags and options`() throws {
        var words = CommandWords("-m \"shed the batch tier\" --confirm 60s -y rest")
        let (message, time) = (
            try words.take(option: "-m"), try words.take(option: "--confirm")
        )
        #expect(message == "shed the batch tier")
        #expect(time == "60s")
        let (first, second) = (words.take(flag: "-y"), words.take(flag: "-y"))
        #expect(first && !second)
        #expect(words.words == ["rest"])
        var open = CommandWords("-m")
        #expect(throws: (any Error).self) { _ = try open.take(option: "-m") }
    }

    @Test func `durations`() {
        let cases: [(String, Int64?)] = [
            ("60s", 60), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("45", 45), ("", nil),
            ("0s", nil), ("5x", nil), ("m", nil), ("5m3", nil), ("99999999999s", nil),
        ]
        for (text, seconds) in cases { #expect(durationSeconds(text) == seconds, "\(text)") }
    }
}

@Suite struct PromptCommandTests {
    @Test func `every command has one line and an example that begins with it`() {
        for command in PromptCommand.allCases {
            #expect(!command.summary.isEmpty && !command.summary.contains("\n"))
            #expect(command.example.hasPrefix("\\\(command.rawValue)"))
        }
    }
}

@Suite struct ColouringTests {
    @Test func `colours change no character`() {
        for line in [
            "policy shut { from backup to any; drop } # caf\u{e9}", "\\commit -m \"x\"",
            "\\nonsense",
            "}}} \u{2603} {{{ \"open", "limit 5 MB/s", "", "   ", "\\",
        ] {
            var plain = ""
            var isCode = false
            for character in coloured(line).unicodeScalars {
                if character == "\u{1B}" { isCode = true }
                if !isCode { plain.unicodeScalars.append(character) }
                if isCode, character == "m" { isCode = false }
            }
            #expect(plain == line)
        }
    }
}
