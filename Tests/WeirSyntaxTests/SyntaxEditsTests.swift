// SPDX-License-Identifier: GPL-3.0-or-later
//
// Edits by declaration leave every other byte alone.

import Testing
import WeirDiagnostics
import WeirSyntax

@Suite struct SyntaxEditsTests {
    private let file = """
        # head
        group a = web   # about a
        group b = api; group c = db

        layer l {
            # about p
            policy p { from a to b; allow }

            policy "q r" standby {
                from b to c
                drop
            }
        }
        layer one { policy x { from a to b; drop } }
        port   pg =  tcp/5432

        """

    private func edits(_ text: String) -> SyntaxEdits {
        SyntaxEdits(parse(SourceText(name: "edits", text), id: SourceID(index: 0)))
    }

    private func applied(_ text: String, _ edit: (SyntaxEdits) -> TextEdit?) -> String {
        let edits = edits(text)
        return String(decoding: edits.applying([edit(edits)].compactMap { $0 }), as: UTF8.self)
    }

    private func replaced(_ text: String, _ old: String, _ new: String) -> String {
        let parts = text.split(separator: old, omittingEmptySubsequences: false)
        precondition(parts.count == 2, "the text holds `\(old)` once")
        return parts.joined(separator: new)
    }

    @Test(arguments: [
        (DeclarationKey.group("a"), "group a = web"), (.group("c"), "group c = db"),
        (.port("pg"), "port   pg =  tcp/5432"),
        (.policy(layer: "l", name: "p"), "policy p { from a to b; allow }"),
        (
            .policy(layer: "l", name: "q r"),
            "policy \"q r\" standby {\n        from b to c\n        drop\n    }"
        ),
    ])
    func `a declaration is found with its exact text`(key: DeclarationKey, text: String) throws {
        let edits = edits(file)
        let range = try #require(edits.range(of: key))
        #expect(edits.parsed.tree.source.text(in: range.bytes) == text)
        #expect(edits.keys.contains(key))
    }

    @Test func `what is not there is not found`() {
        let edits = edits(file)
        #expect(edits.range(of: .group("pg")) == nil)
        #expect(edits.range(of: .policy(layer: "one", name: "p")) == nil)
        #expect(edits.range(of: .layers) == nil)
    }

    @Test func `replacing changes the declaration and nothing else`() {
        let replacement = "policy p {\n    from a to c\n    reject\n}\n"
        let result = applied(file) { edits in
            edits.range(of: .policy(layer: "l", name: "p")).map {
                edits.replacing($0, with: replacement)
            }
        }
        #expect(
            result
                == replaced(
                    file, "policy p { from a to b; allow }",
                    "policy p {\n        from a to c\n        reject\n    }"))
    }

    @Test(arguments: [
        (DeclarationKey.group("a"), "group a = web   # about a\n", "# about a\n"),
        (.group("b"), "group b = api; group c", "group c"),
        (.group("c"), "; group c = db\n", ";\n"),
        (.policy(layer: "l", name: "p"), "    policy p { from a to b; allow }\n", ""),
        (.policy(layer: "one", name: "x"), "{ policy x { from a to b; drop } }", "{ }"),
        (.port("pg"), "port   pg =  tcp/5432\n", ""),
    ])
    func `removing takes its line, or leaves what else is on it`(
        key: DeclarationKey, old: String, new: String
    ) {
        let result = applied(file) { edits in edits.range(of: key).map { edits.removing($0) } }
        #expect(result == replaced(file, old, new))
        #expect(edits(result).parsed.diagnostics.isEmpty)
    }

    @Test func `a policy is added at the end of its layer's block`() {
        let result = applied(file) { $0.adding(policy: "policy n {\n    drop\n}\n", toLayer: "l") }
        #expect(
            result
                == replaced(
                    file, "        drop\n    }\n}\n",
                    "        drop\n    }\n    policy n {\n        drop\n    }\n}\n"))
    }

    @Test func `a policy is added to a block on one line, or to a new block`() {
        #expect(
            applied(file) { $0.adding(policy: "policy n { drop }", toLayer: "one") }
                == replaced(file, "drop } }", "drop }\n    policy n { drop }\n}"))
        #expect(
            applied(file) { $0.adding(policy: "policy n { drop }", toLayer: "to") }
                == file + "\nlayer \"to\" {\n    policy n { drop }\n}\n")
    }

    @Test func `a declaration is appended with the file's line ends`() {
        #expect(applied("") { $0.appending("group a = b") } == "group a = b\n")
        #expect(applied("# x") { $0.appending("group a = b") } == "# x\ngroup a = b\n")
        #expect(
            applied("group a = b\r\n") { $0.appending("layer l {\n}\n") }
                == "group a = b\r\n\r\nlayer l {\r\n}\r\n")
    }

    @Test func `edits of random sound files keep all other declarations`() throws {
        for seed in runSeed..<(runSeed + 200) {
            var generator = PolicyFileGenerator(seed: seed)
            let edits = edits(generator.file())
            let before = edits.keys
            guard let key = before.randomElement(using: &generator.random),
                let range = edits.range(of: key)
            else { continue }
            let removed = String(decoding: edits.applying([edits.removing(range)]), as: UTF8.self)
            let after = self.edits(removed)
            var expected = before
            if let index = expected.firstIndex(of: key) { expected.remove(at: index) }
            #expect(after.parsed.diagnostics.isEmpty, "seed \(seed): \(removed)")
            #expect(after.keys == expected, "seed \(seed): \(removed)")
            let added = String(
                decoding: edits.applying([
                    edits.adding(policy: "policy new-one { drop }", toLayer: "layer")
                ]), as: UTF8.self)
            let grown = self.edits(added)
            #expect(grown.parsed.diagnostics.isEmpty, "seed \(seed): \(added)")
            #expect(grown.range(of: .policy(layer: "layer", name: "new-one")) != nil)
            #expect(grown.keys.count == before.count + 1, "seed \(seed): \(added)")
        }
    }
}
