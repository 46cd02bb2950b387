// SPDX-License-Identifier: GPL-3.0-or-later
//
// Colouring, completeness of typed text, and the fix-its of the corpus.

import Testing
import WeirDiagnostics
import WeirSyntax

@Suite struct ClassificationTests {
    /// `text` with each piece as `class:piece`, separated by spaces.
    private func classes(_ text: String) -> String {
        let source = SourceText(name: "typed", text)
        return classify(source).map { "\($0.tokenClass):\(source.text(in: $0.range))" }
            .joined(separator: " ")
    }

    @Test func `words are coloured by where they stand`() {
        #expect(
            classes("group to = \"x\" or 10.0.0.0/8 # c")
                == "keyword:group name:to operator:= string:\"x\" keyword:or address:10.0.0.0/8 "
                + "comment:# c")
        #expect(
            classes("port port = tcp/80-90, port")
                == "keyword:port name:port operator:= keyword:tcp operator:/ number:80 operator:- "
                + "number:90 operator:, name:port")
        #expect(
            classes("layer l { policy p for 5m { limit 5 MB/s; allow overriding a.b } }")
                == "keyword:layer name:l operator:{ keyword:policy name:p keyword:for number:5m "
                + "operator:{ keyword:limit number:5 unit:MB operator:/ unit:s operator:; "
                + "keyword:allow keyword:overriding name:a operator:. name:b operator:} operator:}")
    }

    @Test func `what makes no sense is an error and the rest is coloured all the same`() {
        #expect(
            classes("group a = web ?? x\ngroup b = api")
                == "keyword:group name:a operator:= name:web error:?? error:x "
                + "keyword:group name:b operator:= name:api")
    }

    @Test(arguments: [
        ("group a = b", true), ("layer l {", false), ("layer l { policy p {\n}", false),
        ("layer l { policy p { } }", true), ("group a = (b or", false), ("group a = [b", false),
        ("policy p } {", true), ("\"{\"", true), ("# {", true), ("", true), ("}", true),
    ])
    func `a text is complete when nothing waits to be closed`(text: String, complete: Bool) {
        #expect(isComplete(SourceText(name: "typed", text)) == complete)
    }
}

@Suite struct FixItTests {
    @Test(arguments: Corpus.names("bad"))
    func `a fix removes what it was offered for and breaks nothing else`(name: String) throws {
        let text = try Corpus.source("bad/\(name).weir")
        let parsed = parse(text, id: SourceID(index: 0))
        for diagnostic in parsed.diagnostics {
            for fixIt in diagnostic.fixIts {
                let bytes = SyntaxEdits(parsed).applying(fixIt.edits)
                let mended = parse(SourceText(name: name, bytes: bytes), id: SourceID(index: 0))
                let same = mended.diagnostics.filter {
                    $0.code == diagnostic.code && $0.message == diagnostic.message
                }
                let before = parsed.diagnostics.filter {
                    $0.code == diagnostic.code && $0.message == diagnostic.message
                }
                #expect(same.count < before.count, "\(diagnostic.message): \(fixIt.message)")
                #expect(
                    mended.diagnostics.count <= parsed.diagnostics.count,
                    "\(diagnostic.message): \(fixIt.message)")
            }
        }
    }
}
