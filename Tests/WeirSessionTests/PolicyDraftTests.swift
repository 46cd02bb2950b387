// SPDX-License-Identifier: GPL-3.0-or-later
//
// An edit changes the declaration it is about, and not one byte more.

import Testing
import WeirResolve
import WeirTesting

@testable import WeirSession

@Suite struct PolicyDraftTests {
    private func draft(_ text: String) -> PolicyDraft {
        PolicyDraft(reading: "set", tree: MemoryTree(["set/a.weir": text]))
    }

    private func bytes(_ draft: PolicyDraft) -> String {
        String(decoding: draft.files["set/a.weir"]?.bytes ?? [], as: UTF8.self)
    }

    /// Pieces that files really hold between declarations.
    private static let odd = [
        "# plain\n", "\t# tab\r\n", "\r\n\r\n", "   \n", "# \u{2603} caf\u{e9}\n", "\n\n\n",
        "# policy p1 { from a to b }\n", ";\n", "#\r\n",
    ]

    @Test func `bytes outside the declaration never change`() throws {
        for seed in 0..<2000 as Range<UInt64> {
            var random = SeededGenerator(state: seed)
            func filler() -> String {
                (0..<Int.random(in: 0...3, using: &random)).map { _ in
                    Self.odd.randomElement(using: &random) ?? ""
                }.joined()
            }
            let end = Bool.random(using: &random) ? "\n" : "\r\n"
            let indentation = ["", "    ", "\t", " \t "].randomElement(using: &random) ?? ""
            func layer(_ name: String, _ policies: [String]) -> String {
                "layer \(name) {" + end
                    + policies.map { indentation + $0 + end + filler() }.joined() + "}"
            }
            let target = "policy p1 { from a to b on tcp/80; drop }"
            let head =
                filler() + layer("top", ["policy p0 { from a to b; allow }"]) + end + filler()
                + "layer base {" + end + indentation
            let tail =
                (Bool.random(using: &random) ? "  # why\(end)" : end)
                + indentation + "policy p2 {\(end)\t\tfrom a to b  # odd\(end)\t\tdrop }\(end)}"
                + filler() + (Bool.random(using: &random) ? "" : "# no newline at the end")
            let new = "policy p1 { from b to a }"
            var edited = draft(head + target + tail)
            let name = DeclarationName.policy(layer: "base", name: "p1")
            try edited.apply(StagedEdit(.put(name, text: new, isVerbatim: false)))
            #expect(bytes(edited) == head + new + tail, "seed \(seed)")

            var clause = draft(head + target + tail)
            guard
                case .edits(let edits) = PromptReader(draft: clause, layer: "top")
                    .read("edit base.p1 reject")
            else {
                Issue.record("seed \(seed): the clause was refused")
                return
            }
            for edit in edits { try clause.apply(edit) }
            #expect(
                bytes(clause) == head + "policy p1 { from a to b on tcp/80; reject }" + tail,
                "seed \(seed)")
        }
    }

    @Test func `a rename follows the references and touches nothing else`() throws {
        let text = """
            layer a { policy old { from x to y; drop } } # old
            layer b { policy c { from x to y; allow overriding a.old, old } }
            layer c { policy old2 { from old to y; allow overriding b.old } }
            when old.connections > 5 for 1s enable a.old for 5m
            """
        var edited = draft(text)
        try edited.apply(StagedEdit(.rename(layer: "a", from: "old", to: "new")))
        #expect(
            bytes(edited) == """
                layer a { policy new { from x to y; drop } } # old
                layer b { policy c { from x to y; allow overriding a.new, new } }
                layer c { policy old2 { from old to y; allow overriding b.old } }
                when new.connections > 5 for 1s enable a.new for 5m
                """)
        #expect(throws: StagingError.self) {
            try edited.apply(StagedEdit(.rename(layer: "c", from: "old2", to: "old2")))
        }
    }

    @Test func `clauses are replaced by kind, added, and removed`() throws {
        var edited = draft(
            "layer a {\n    policy p {\n        from x to y\n        cap 5 connections\n    }\n}\n")
        func type(_ text: String) throws {
            guard case .edits(let edits) = PromptReader(draft: edited, layer: "a").read(text)
            else { throw SessionLab.LabError(text) }
            for edit in edits { try edited.apply(edit) }
        }
        try type("edit p cap 9 connections")
        try type("edit p cap 3 connections per source")
        try type("edit p limit 5 MB/s; limit 7 packets/s")
        try type("edit p limit 6 kB/s")
        try type("edit p remove cap 9 connections")
        #expect(
            bytes(edited) == """
                layer a {
                    policy p {
                        from x to y
                        cap 3 connections per source
                        limit 6 kB/s
                        limit 7 packets/s
                    }
                }

                """)
        #expect(throws: SessionLab.LabError.self) { try type("edit p cap") }
        #expect(throws: SessionLab.LabError.self) { try type("edit p remove drop") }
    }

    @Test func `undo and redo walk the timeline, and a new edit cuts it`() throws {
        var work = StagedWork(over: draft("layer a { policy p { from x to y; drop } }\n"))
        func put(_ name: String) throws {
            let key = DeclarationName.policy(layer: "a", name: name)
            let text = "policy \(name) { from x to y }"
            try work.stage(StagedEdit(.put(key, text: text, isVerbatim: false)))
        }
        try put("q")
        try put("r")
        #expect(work.undo()?.map(\.summary) == ["+ policy a.r"])
        #expect(work.undo()?.count == 1)
        #expect(work.undo() == nil)
        #expect(work.redo()?.map(\.summary) == ["+ policy a.q"])
        try put("s")
        #expect(work.redo() == nil)
        #expect(work.edits.map(\.summary) == ["+ policy a.q", "+ policy a.s"])
        try work.hold([0])
        #expect(work.draft.find(.policy(layer: "a", name: "q")) == nil)
        #expect(work.draft.find(.policy(layer: "a", name: "s")) != nil)
        work.reset()
        #expect(work.edits.isEmpty)
        #expect(work.undo() != nil)
        #expect(work.edits.count == 2)
    }
}
