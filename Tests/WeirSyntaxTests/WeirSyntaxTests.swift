// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whole files through the front end.

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
    }
}
