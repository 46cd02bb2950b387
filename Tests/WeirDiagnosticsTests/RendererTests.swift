// SPDX-License-Identifier: GPL-3.0-or-later
//
// What programs read: JSON and SARIF byte for byte, and which diagnostics count as new.

import Testing
import WeirDiagnostics

@Suite struct RendererTests {
    static let sources: SourceMap = {
        var sources = SourceMap()
        _ = sources.add(SourceText(name: "/repo/a b.weir", "é: allow\n\"q\" \\ \u{1}\n"))
        return sources
    }()

    static let diagnostic = Diagnostic(
        .error, "some-code", "`a` says \"no\"", at: range(4, 9),
        related: [RelatedPlace(range: range(10, 13), message: "here")], notes: ["1 > 0"],
        help: "do it",
        fixIts: [FixIt(message: "fix", edits: [TextEdit(range: range(9, 9), replacement: "\t")])])

    static func range(_ start: Int, _ end: Int) -> SourceRange {
        SourceRange(source: SourceID(index: 0), start: start, end: end)
    }

    @Test func `JSON has every member of the schema`() {
        let text = JSONRenderer(sources: Self.sources).render(
            [Self.diagnostic], details: [.members([("certainty", JSONValue("provable"))])])
        #expect(
            text == """
                {
                  "version": 1,
                  "summary": {
                    "errors": 1,
                    "warnings": 0,
                    "notes": 0
                  },
                  "findings": [
                    {
                      "code": "some-code",
                      "severity": "error",
                      "message": "`a` says \\"no\\"",
                      "place": {
                        "file": "/repo/a b.weir",
                        "line": 1,
                        "column": 4,
                        "endLine": 1,
                        "endColumn": 9,
                        "startByte": 4,
                        "endByte": 9
                      },
                      "related": [
                        {
                          "message": "here",
                          "place": {
                            "file": "/repo/a b.weir",
                            "line": 2,
                            "column": 1,
                            "endLine": 2,
                            "endColumn": 4,
                            "startByte": 10,
                            "endByte": 13
                          }
                        }
                      ],
                      "notes": [
                        "1 > 0"
                      ],
                      "help": "do it",
                      "fixes": [
                        {
                          "message": "fix",
                          "automatic": false,
                          "edits": [
                            {
                              "place": {
                                "file": "/repo/a b.weir",
                                "line": 1,
                                "column": 9,
                                "endLine": 1,
                                "endColumn": 9,
                                "startByte": 9,
                                "endByte": 9
                              },
                              "replacement": "\\t"
                            }
                          ]
                        }
                      ],
                      "fingerprint": "\(Self.diagnostic.fingerprint(in: Self.sources))",
                      "details": {
                        "certainty": "provable"
                      }
                    }
                  ]
                }

                """)
    }

    @Test func `control characters are escaped and others left alone`() {
        #expect(JSONValue("é\"\\\u{1}\u{7F}").text == "\"é\\\"\\\\\\u0001\u{7F}\"\n")
        #expect(JSONValue.unsigned(.max).text == "18446744073709551615\n")
    }

    @Test func `SARIF paths are relative and percent-encoded`() {
        let renderer = SARIFRenderer(
            sources: Self.sources, toolVersion: "1.0", root: "/repo",
            rules: [SARIFRule(id: "some-code", summary: "a rule", page: "# page")])
        let text = renderer.render([Self.diagnostic])
        for wanted in [
            "\"version\": \"2.1.0\"", "\"uri\": \"a%20b.weir\"", "\"uriBaseId\": \"%SRCROOT%\"",
            "\"ruleId\": \"some-code\"", "\"text\": \"a rule\"", "\"markdown\": \"# page\"",
            "\"columnKind\": \"unicodeCodePoints\"", "\"startColumn\": 4",
            "\"weirDiagnostic/v1\": \"\(Self.diagnostic.fingerprint(in: Self.sources))\"",
        ] {
            #expect(text.contains(wanted), "\(wanted)")
        }
        let outside = SARIFRenderer(sources: Self.sources, toolVersion: "1.0")
        #expect(outside.render([Self.diagnostic]).contains("\"file:///repo/a%20b.weir\""))
    }

    @Test func `a moved line is not new and a third copy is`() {
        var moved = SourceMap()
        _ = moved.add(SourceText(name: "other.weir", "\n\né: allow\n"))
        let range = SourceRange(source: SourceID(index: 0), start: 6, end: 11)
        func again(_ message: String) -> Diagnostic {
            Diagnostic(.error, "some-code", message, at: range)
        }
        let found = newDiagnostics(
            [again("`a` says \"no\""), again("`a` says \"no\""), again("else")], in: moved,
            since: [Self.diagnostic], in: Self.sources)
        #expect(found.map(\.message) == ["`a` says \"no\"", "else"])
    }
}
