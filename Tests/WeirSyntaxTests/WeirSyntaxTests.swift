// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whole files through the front end: each file of the corpus beside what is expected of it.

import Testing
import WeirDiagnostics
import WeirSyntax

@Suite struct CorpusTests {
    @Test(arguments: Corpus.names("good"))
    func `a sound file parses without a word and prints itself`(name: String) throws {
        let text = try Corpus.source("good/\(name).weir")
        let parsed = parse(text, id: SourceID(index: 0))
        #expect(rendered(parsed.diagnostics, in: text) == "")
        #expect(parsed.tree.bytes == text.bytes)
        try Corpus.expect(outline(parsed.file.declarations), in: "good/\(name).outline")
    }

    @Test(arguments: ["design-sample", "contextual-keywords"])
    func `the tree shows productions, and each word as what it is where it stands`(
        name: String
    ) throws {
        let parsed = parse(try Corpus.source("good/\(name).weir"), id: SourceID(index: 0))
        try Corpus.expect(parsed.tree.outline, in: "good/\(name).tree")
    }

    @Test(arguments: Corpus.names("good"))
    func `formatting keeps the meaning, and formatting again changes nothing`(
        name: String
    ) throws {
        let text = try Corpus.source("good/\(name).weir")
        let parsed = parse(text, id: SourceID(index: 0))
        let formatted = try #require(format(parsed))
        try Corpus.expect(formatted, in: "good/\(name).formatted")
        let again = parse(SourceText(name: name, formatted), id: SourceID(index: 0))
        #expect(rendered(again.diagnostics, in: again.tree.source) == "")
        #expect(outline(again.file.declarations) == outline(parsed.file.declarations))
        #expect(format(again) == formatted)
    }

    @Test(arguments: Corpus.names("bad"))
    func `a malformed file says what is wrong with it and prints itself`(name: String) throws {
        let text = try Corpus.source("bad/\(name).weir")
        let parsed = parse(text, id: SourceID(index: 0))
        #expect(parsed.diagnostics.hasErrors)
        #expect(parsed.tree.bytes == text.bytes)
        #expect(format(parsed) == nil)
        try Corpus.expect(rendered(parsed.diagnostics, in: text), in: "bad/\(name).diagnostics")
    }
}
