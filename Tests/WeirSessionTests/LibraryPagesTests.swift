// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pages of the pattern library are held to what they say: every block of policy text in them is
// added to examples/shop, parsed, resolved and checked. A block whose fence names a finding's code
// must lead to that finding and no other; any other block must lead to none.

import FoundationEssentials
import Testing
import WeirAnalysis
import WeirDiagnostics
import WeirResolve
import WeirSession
import WeirSyntax

@Suite struct LibraryPagesTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: root.appending(path: path)), as: UTF8.self)
    }

    struct Block: Sendable, CustomTestStringConvertible {
        let page: String
        let line: Int
        /// Of the finding it is to show; empty for none.
        let code: String
        let text: String

        var testDescription: String { "\(page):\(line) \(code)" }
    }

    static let pages =
        ["docs/patterns.md"] + PatternLibrary.entries.map { "docs/patterns/\($0.name).md" }

    static let blocks: [Block] = pages.flatMap { page -> [Block] in
        var found: [Block] = []
        var open: (line: Int, code: String, lines: [Substring])?
        let lines = ((try? text(page)) ?? "")
            .split(separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            if let block = open {
                if line == "```" {
                    found.append(
                        Block(
                            page: page, line: block.line, code: block.code,
                            text: block.lines.joined(separator: "\n") + "\n"))
                    open = nil
                } else {
                    open?.lines.append(line)
                }
            } else if line.hasPrefix("```weir") {
                open = (number + 1, line.dropFirst(7).filter { $0 != " " }, [])
            }
        }
        return found
    }

    static func check(_ files: [String: String], _ path: String) -> CheckedPolicySet {
        // 2026-06-01: before every `until` in the pages.
        CheckedPolicySet(
            PolicySetLoader(tree: MemoryTree(files)).load(path),
            options: AnalysisOptions(epochSeconds: 1_780_272_000))
    }

    static func directory(_ path: String) throws -> [String: String] {
        var files: [String: String] = [:]
        let names = try FileManager.default.contentsOfDirectory(
            atPath: root.appending(path: path).path)
        for name in names { files["\(path)/\(name)"] = try text("\(path)/\(name)") }
        return files
    }

    @Test(arguments: blocks)
    func `an example does what its page says`(block: Block) throws {
        var files = try Self.directory("examples/shop")
        files["examples/shop/live.weir"] = block.text
        let checked = Self.check(files, "examples/shop")
        let wrong = checked.diagnostics.filter { $0.severity > .note }
        let renderer = TextRenderer(sources: checked.sources)
        #expect(
            Set(wrong.map(\.code)) == (block.code.isEmpty ? [] : [block.code]),
            "\(wrong.map(renderer.render).joined(separator: "\n"))")
    }

    @Test(arguments: PatternLibrary.entries.map(\.name))
    func `every page has an example of its pattern, and is the one in the binary`(name: String)
        throws
    {
        let page = try Self.text("docs/patterns/\(name).md")
        let entry = try #require(PatternLibrary.entries.first { $0.name == name })
        #expect(entry.page == page)
        #expect(
            page.hasPrefix("# \(name)(\(entry.parameters.joined(separator: ", ")))\n"),
            "the title is the pattern's head")
        #expect(
            Self.blocks.contains {
                $0.page.hasSuffix("/\(name).md") && $0.text.contains("= \(name)(")
            })
        let index = try Self.text("docs/patterns.md")
        #expect(
            index.contains(
                "[\(name)](patterns/\(name).md)`(\(entry.parameters.joined(separator: ", ")))`"))
    }

    @Test func `the example policy set is sound and hides nothing`() throws {
        let checked = Self.check(try Self.directory("examples/incident"), "examples/incident")
        let wrong = checked.diagnostics.filter { $0.severity > .note }
        let renderer = TextRenderer(sources: checked.sources)
        #expect(wrong.isEmpty, "\(wrong.map(renderer.render).joined(separator: "\n"))")
        let used = try Self.text("examples/incident/incident.weir")
        #expect(PatternLibrary.entries.count { used.contains("= \($0.name)(") } >= 8)
    }

    @Test func `the library is no part of a policy set's content`() throws {
        let files = [
            "p.weir":
                "landscape \"i.yaml\"\nlayers { a }\nlayer a { policy p = quarantine(web) }\n",
            "i.yaml": "services:\n  web: {endpoints: [10.1.0.1]}\n",
        ]
        let loaded = PolicySetLoader(tree: MemoryTree(files)).load("p.weir")
        var own = SourceMap()
        for (name, text) in files { _ = own.add(SourceText(name: name, text)) }
        #expect(
            contentHash(of: loaded.sources, root: "p.weir") == contentHash(of: own, root: "p.weir"))
        #expect(loaded.files.map { loaded.sources[$0.file.source].name } == ["p.weir"])
    }
}
