// SPDX-License-Identifier: GPL-3.0-or-later

import Testing

@testable import WeirDiagnostics

@Suite struct SourceTextTests {
    @Test func `positions count lines and scalars from one`() {
        let text = SourceText(name: "a.weir", "é=1\r\nsecond\n")
        #expect(text.position(at: 2) == SourcePosition(line: 1, column: 2))
        #expect(text.position(at: 6) == SourcePosition(line: 2, column: 1))
        #expect(text.line(1) == "é=1")
        #expect(text.line(3) == "")
    }
}

@Suite struct TextRendererTests {
    @Test func `an error shows its line, carets, related places, notes and help`() {
        var sources = SourceMap()
        let id = sources.add(SourceText(name: "a.weir", "from wbe to db\n"))
        let diagnostic = Diagnostic(
            .error, "unknown-name", "nothing is called `wbe`",
            at: SourceRange(source: id, start: 5, end: 8),
            related: [
                RelatedPlace(range: SourceRange(source: id, start: 12, end: 14), message: "here")
            ],
            notes: ["one\ntwo"], help: "did you mean `web`?")
        #expect(
            TextRenderer(sources: sources).render(diagnostic) == """
                error[unknown-name]: nothing is called `wbe`
                  --> a.weir:1:6
                1 | from wbe to db
                  |      ^^^
                  --> a.weir:1:13
                1 | from wbe to db
                  |             -- here
                  = note: one
                          two
                  = help: did you mean `web`?

                """)
    }
}

@Suite struct HostileTextTests {
    /// How an error about `mark` in a line reads, in three lines: place, source, carets.
    private func shown(_ bytes: [UInt8], marking mark: Range<Int>, name: String = "a") -> [String] {
        var sources = SourceMap()
        let id = sources.add(SourceText(name: name, bytes: bytes))
        let diagnostic = Diagnostic(
            .error, "x", "m\u{1B}[2J",
            at: SourceRange(source: id, start: mark.lowerBound, end: mark.upperBound),
            related: [
                RelatedPlace(
                    range: SourceRange(source: id, start: 0, end: 1), message: "r\u{9B}31m")
            ], notes: ["n\u{07}\nn\u{08}"], help: "h\r",
            fixIts: [
                FixIt(
                    message: "f\u{1B}c",
                    edits: [
                        TextEdit(
                            range: SourceRange(source: id, start: 0, end: 1),
                            replacement: "\u{1B}]0;x\u{07}")
                    ])
            ])
        let text = TextRenderer(sources: sources).render(diagnostic)
        let isTame = text.unicodeScalars.allSatisfy { scalar in
            scalar == "\n" || scalar == "\t"
                || !(scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
                    || (0x202A...0x202E).contains(scalar.value))
        }
        #expect(isTame, "\(text.debugDescription)")
        return text.split(separator: "\n").map(String.init)[1...3].map { $0 }
    }

    @Test func `an escape sequence in a file is shown and not obeyed`() {
        let text = Array("a\u{1B}[31m bad\u{1B}[0m".utf8)
        #expect(
            shown(text, marking: 7..<10, name: "d\u{1B}c.weir")
                == ["  --> d␛c.weir:1:8", "1 | a␛[31m bad␛[0m", "  |        ^^^"])
        #expect(shown(text, marking: 1..<6)[2] == "  |  ^^^^^")
    }

    @Test func `carets stand below what they mark`() {
        // Tabs stay; wide characters take two columns; marks that join take none.
        #expect(shown(Array("\tx bad".utf8), marking: 3..<6)[2] == "  | \t  ^^^")
        #expect(shown(Array("漢 bad".utf8), marking: 4..<7)[2] == "  |    ^^^")
        #expect(shown(Array("漢字 x".utf8), marking: 0..<6)[2] == "  | ^^^^")
        #expect(shown(Array("e\u{301} bad".utf8), marking: 4..<7)[2] == "  |   ^^^")
        #expect(
            shown(Array("\u{202E}x bad".utf8), marking: 5..<8)[1...] == [
                "1 | \u{FFFD}x bad", "  |    ^^^",
            ])
    }

    @Test func `what is no UTF-8 does not move the carets`() {
        let line: [UInt8] = [0x80, 0x80, 0xFF, 0x20] + Array("bad".utf8)
        #expect(
            shown(line, marking: 4..<7)[1...] == [
                "1 | \u{FFFD}\u{FFFD}\u{FFFD} bad", "  |     ^^^",
            ])
    }

    @Test func `a range over lines is marked to the end of its first`() {
        #expect(shown(Array("one two\r\nthree".utf8), marking: 4..<12)[2] == "  |     ^^^")
        #expect(shown(Array("one\n".utf8), marking: 3..<4)[2] == "  |    ^")
    }

    @Test func `a fix shows its lines before and after`() {
        var sources = SourceMap()
        let id = sources.add(SourceText(name: "a", "one\ntwo\nthree\n"))
        func lines(_ start: Int, _ end: Int, _ text: String) -> [Substring] {
            let range = SourceRange(source: id, start: start, end: end)
            let fix = FixIt(message: "f", edits: [TextEdit(range: range, replacement: text)])
            let diagnostic = Diagnostic(.note, "x", "m", at: range, fixIts: [fix])
            return TextRenderer(sources: sources).render(fix, of: diagnostic)
                .split(separator: "\n").dropFirst(2).map { $0 }
        }
        #expect(lines(4, 7, "2") == ["2 - two", "2 + 2"])
        #expect(lines(4, 8, "") == ["2 - two"])
        #expect(lines(3, 3, "\nand") == ["2 + and"])
        #expect(lines(14, 14, "four\n") == ["4 + four"])
        #expect(lines(0, 14, "") == ["1 - one", "2 - two", "3 - three"])
    }
}

@Suite struct SuggestionTests {
    @Test(arguments: [("wbe", "web"), ("ordres-db", "orders-db"), ("from", "from")])
    func `near names are suggested`(typed: String, meant: String) {
        #expect(nearestName(to: typed, among: ["orders-db", "web", "from"]) == meant)
    }

    @Test func `far names are not`() {
        #expect(nearestName(to: "zzz", among: ["orders-db", "web"]) == nil)
    }
}
