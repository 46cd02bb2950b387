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

@Suite struct SuggestionTests {
    @Test(arguments: [("wbe", "web"), ("ordres-db", "orders-db"), ("from", "from")])
    func `near names are suggested`(typed: String, meant: String) {
        #expect(nearestName(to: typed, among: ["orders-db", "web", "from"]) == meant)
    }

    @Test func `far names are not`() {
        #expect(nearestName(to: "zzz", among: ["orders-db", "web"]) == nil)
    }
}
