// SPDX-License-Identifier: GPL-3.0-or-later
//
// Each `Corpus/NAME.yaml` beside the exact messages it must produce, `Corpus/NAME.diagnostics`.
// `WEIR_RECORD=1` writes missing or changed files and fails the run that wrote them.

import FoundationEssentials
import Testing
import WeirDiagnostics
import WeirInventory

@Suite struct InventoryCorpusTests {
    static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Corpus")

    static var names: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    }

    @Test func `the corpus is there`() {
        #expect(Self.names.count >= 40)
    }

    @Test(arguments: names)
    func `messages are exact`(name: String) throws {
        let file = Self.directory.appending(path: "\(name).yaml")
        let text = SourceText(name: "\(name).yaml", bytes: Array(try Data(contentsOf: file)))
        var sources = SourceMap()
        let id = sources.add(text)
        let (_, diagnostics) = readInventory(text, id: id)
        let renderer = TextRenderer(sources: sources)
        let rendered = diagnostics.map(renderer.render).joined(separator: "\n")
        let golden = Self.directory.appending(path: "\(name).diagnostics")
        let expected = (try? Data(contentsOf: golden)).map { String(decoding: $0, as: UTF8.self) }
        if rendered != expected, ProcessInfo.processInfo.environment["WEIR_RECORD"] != nil {
            try Data(rendered.utf8).write(to: golden)
            Issue.record("recorded \(name).diagnostics: read it, then run again")
        } else {
            #expect(rendered == expected)
        }
    }
}
