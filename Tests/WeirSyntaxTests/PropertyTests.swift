// SPDX-License-Identifier: GPL-3.0-or-later
//
// What must hold for any input: the tree prints its source, sound files parse silently, formatting
// keeps the meaning and is idempotent, and nothing crashes or takes long. Each failure names the
// seed; WEIR_SEED runs it again.

import Testing
import WeirDiagnostics
import WeirSyntax

/// Everything that holds for every input.
private func check(_ text: SourceText, _ seed: UInt64) {
    let parsed = parse(text, id: SourceID(index: 0))
    #expect(parsed.tree.bytes == text.bytes, "seed \(seed)")
    var position = 0
    for token in parsed.tree.tokens {
        #expect(token.leadingStart == position, "seed \(seed)")
        #expect(token.start >= token.leadingStart && token.end >= token.start, "seed \(seed)")
        position = token.trailingEnd
    }
    #expect(position == text.bytes.count, "seed \(seed)")
    for diagnostic in parsed.diagnostics {
        let range = diagnostic.range
        #expect(range != nil && range!.start <= range!.end, "seed \(seed)")
        #expect(range!.end <= text.bytes.count, "seed \(seed)")
    }
    var last = 0
    for (range, _) in classify(text) {
        #expect(range.lowerBound >= last && !range.isEmpty, "seed \(seed)")
        last = range.upperBound
    }
    #expect((format(parsed) == nil) == parsed.diagnostics.hasErrors, "seed \(seed)")
    guard let formatted = format(parsed) else { return }
    let again = parse(SourceText(name: "formatted", formatted), id: SourceID(index: 0))
    #expect(again.diagnostics.isEmpty, "seed \(seed): \(formatted)")
    #expect(
        outline(again.file.declarations) == outline(parsed.file.declarations), "seed \(seed)")
    #expect(format(again) == formatted, "seed \(seed): \(formatted)")
    #expect(comments(again) == comments(parsed), "seed \(seed): \(formatted)")
}

/// The comments of a file, sorted, since formatting may move one past a brace.
private func comments(_ parsed: ParsedFile) -> [String] {
    classify(parsed.tree.source).filter { $0.tokenClass == .comment }
        .map { parsed.tree.source.text(in: $0.range) }.sorted()
}

@Suite struct PropertyTests {
    @Test func `any bytes come back from the tree`() {
        for seed in runSeed..<(runSeed + 300) {
            var random = SplitMix64(seed: seed)
            let count = Int.random(in: 0...200, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            check(SourceText(name: "random", bytes: bytes), seed)
        }
    }

    @Test func `any mixture of the language's words and marks comes back from the tree`() {
        let words =
            Keyword.allCases.map(\.text)
            + [
                "{", "}", "(", ")", "[", "]", ",", ";", "=", "!", "<", ">=", "==", "&&", "|", "'",
                "\"", "\"x\"", "\n", "\n", "\r\n", "#", " ", ".", "-", "/", "%", "web", "a.b", "a.",
                "10.0.0.1", "::1", "tcp/80", "5", "50%", "connections", "MB/s", "\\", "é", "\0",
                "60s", "2026-12-01T18:00Z", "Mon-Fri", "09:00-17:00", "1/100", "\u{FEFF}",
            ]
        for seed in runSeed..<(runSeed + 500) {
            var random = SplitMix64(seed: seed)
            let text = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                random.pick(words) + random.pick(["", " ", " ", " "])
            }
            check(SourceText(name: "random", text.joined()), seed)
        }
    }

    @Test func `whatever the grammar derives parses silently and formats stably`() {
        for seed in runSeed..<(runSeed + 400) {
            var generator = PolicyFileGenerator(seed: seed)
            let text = SourceText(name: "generated", generator.file())
            let diagnostics = parse(text, id: SourceID(index: 0)).diagnostics
            #expect(
                diagnostics.isEmpty,
                "seed \(seed): \(rendered(diagnostics, in: text))\(text.text(in: 0..<text.bytes.count))"
            )
            check(text, seed)
        }
    }

    @Test func `sound files with tokens dropped, doubled, swapped or broken come back`()
        throws
    {
        let files = try Corpus.names("good").filter { $0 != "long-chain" }.map {
            try Corpus.source("good/\($0).weir")
        }
        for seed in runSeed..<(runSeed + 600) {
            var random = SplitMix64(seed: seed)
            let text = random.pick(files)
            let tokens = parse(text, id: SourceID(index: 0)).tree.tokens
            var pieces = tokens.map { Array(text.bytes[$0.leadingStart..<$0.trailingEnd]) }
            for _ in 0..<Int.random(in: 1...3, using: &random) where !pieces.isEmpty {
                let index = Int.random(in: 0..<pieces.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: pieces.remove(at: index)
                case 1: pieces.insert(pieces[index], at: index)
                case 2:
                    pieces.swapAt(index, Int.random(in: 0..<pieces.count, using: &random))
                default:
                    guard !pieces[index].isEmpty else { continue }
                    let byte = Int.random(in: 0..<pieces[index].count, using: &random)
                    pieces[index][byte] = UInt8.random(in: .min ... .max, using: &random)
                }
            }
            check(SourceText(name: "mutated", bytes: Array(pieces.joined())), seed)
        }
    }

    @Test(arguments: [
        "(", "[", "{", "(a or ", "[a in (", "layer a {", "layer a {\n", "policy p {\n",
        "policy p ", "layer l { policy p { ", "a in zone ", "a or ", "a and b or ", "\"", "'", "#",
        "\\", "}", ")", ";", ",", "- ", "\u{FF}", "\0", "x \0", "group a = ", "form a to b\n",
        "group a = (\n", "80 % ", "a.", "tcp/", ", , ",
    ])
    func `any depth and any length end, with a bounded number of messages`(piece: String) {
        for prefix in ["", "group g = ", "layer l { policy p { from "] {
            let text = SourceText(name: "deep", prefix + String(repeating: piece, count: 20_000))
            let parsed = parse(text, id: SourceID(index: 0))
            #expect(parsed.tree.bytes == text.bytes)
            #expect(parsed.diagnostics.count <= 2002)
        }
    }
}
