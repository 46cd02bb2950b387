// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar, the tree and the parser bear the same names: productions of grammar/weir.ebnf, node
// kinds, functions of the parser. Otherwise a reader of one could not find the others.

import FoundationEssentials
import Testing
import WeirDiagnostics
import WeirSyntax

@Suite struct GrammarTests {
    private static let root = Corpus.directory.components(separatedBy: "/Tests/")[0]

    /// Names of the productions in the sections that make nodes.
    private func productions() throws -> [String] {
        let path = Self.root + "/grammar/weir.ebnf"
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        let nodes = text.components(separatedBy: "(* ---- Shorthands")[0]
        return nodes.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let first = line.first, first.isLetter,
                parts[1].drop(while: { $0 == " " }).hasPrefix("=")
            else { return nil }
            return String(parts[0])
        }
    }

    @Test func `every production is a node kind and every node kind a production`() throws {
        let kinds = SyntaxKind.allCases.filter { $0 != .unexpected }.map(\.rawValue)
        #expect(try productions().sorted() == kinds.sorted())
    }

    @Test func `every production is a function of the parser`() throws {
        let directory = Self.root + "/Sources/WeirSyntax"
        var functions = ""
        for file in try FileManager.default.contentsOfDirectory(atPath: directory)
        where file.hasPrefix("Parser") {
            let url = URL(filePath: directory + "/" + file)
            functions += String(decoding: try Data(contentsOf: url), as: UTF8.self)
        }
        for production in try productions() where production != "rate" {
            #expect(functions.contains("mutating func \(production)("), "\(production)")
            #expect(functions.contains("open(.\(production))"), "\(production)")
        }
        // A rate begins like an amount; its node is renamed once its interval is seen.
        #expect(functions.contains("mutating func rate(") && functions.contains("kind = .rate"))
    }

    @Test func `every node kind occurs in the sound files, as its production says`() throws {
        var seen: Set<SyntaxKind> = []
        func collect(_ node: SyntaxNode) {
            seen.insert(node.kind)
            for case .node(let child) in node.children { collect(child) }
        }
        for name in Corpus.names("good") {
            collect(parse(try Corpus.source("good/\(name).weir"), id: SourceID(index: 0)).tree.root)
        }
        #expect(seen == Set(SyntaxKind.allCases).subtracting([.unexpected]))
    }

    @Test func `the reserved words of the grammar are those of the parser`() throws {
        let path = Self.root + "/grammar/weir.ebnf"
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        let line = try #require(
            text.split(separator: "\n").first { $0.hasPrefix("       and or ") })
        #expect(
            line.split(separator: " ").map(String.init).sorted()
                == Keyword.reserved.map(\.text).sorted())
    }

    @Test func `reserved words need quotes as operands and nothing else does`() {
        for keyword in Keyword.allCases {
            let isReserved = Keyword.reserved.contains(keyword)
            let namesASet = [.any, .internal, .external].contains(keyword)
            for word in Set([keyword.text, quotedSpelling(of: keyword.text)]) {
                let text = SourceText(name: "word", "group \(keyword.text) = web or \(word)\n")
                let parsed = parse(text, id: SourceID(index: 0))
                let isSound = !isReserved || namesASet || word.hasPrefix("\"")
                #expect(parsed.diagnostics.isEmpty == isSound, "\(word)")
            }
            #expect(spelling(of: keyword.text).hasPrefix("\"") == isReserved)
        }
    }
}
