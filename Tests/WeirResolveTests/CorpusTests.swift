// SPDX-License-Identifier: GPL-3.0-or-later
//
// Each `Corpus/NAME.weir` is a policy set of one file, over `Corpus/inventory.yaml`, beside the
// exact messages of reading, parsing and resolving it: `Corpus/NAME.diagnostics`.
// `WEIR_RECORD=1` writes missing or changed files and fails the run that wrote them.

import FoundationEssentials
import Testing
import WeirDiagnostics
import WeirResolve

@Suite struct ResolveCorpusTests {
    static let directory = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Corpus")

    static var names: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return files.filter { $0.hasSuffix(".weir") }.map { String($0.dropLast(5)) }.sorted()
    }

    static func text(_ file: String) throws -> String {
        String(decoding: try Data(contentsOf: directory.appending(path: file)), as: UTF8.self)
    }

    @Test func `the corpus is there`() {
        #expect(Self.names.count >= 60)
    }

    @Test(arguments: names)
    func `messages are exact`(name: String) throws {
        let tree = MemoryTree([
            "\(name).weir": try Self.text("\(name).weir"),
            "inventory.yaml": try Self.text("inventory.yaml"),
        ])
        let loaded = PolicySetLoader(tree: tree).load("\(name).weir")
        let renderer = TextRenderer(sources: loaded.sources)
        let rendered = loaded.diagnostics.map(renderer.render).joined(separator: "\n")
        #expect((loaded.policySet == nil) == loaded.diagnostics.hasErrors)
        let golden = Self.directory.appending(path: "\(name).diagnostics")
        let expected = try? Self.text("\(name).diagnostics")
        if rendered != expected, ProcessInfo.processInfo.environment["WEIR_RECORD"] != nil {
            try Data(rendered.utf8).write(to: golden)
            Issue.record("recorded \(name).diagnostics: read it, then run again")
        } else {
            #expect(rendered == expected)
        }
    }
}
