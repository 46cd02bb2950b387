// SPDX-License-Identifier: GPL-3.0-or-later
//
// The prompt in a real terminal: tmux types, tmux shows.

import FoundationEssentials
import Glibc
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun && Terminal.isThere), .serialized) struct PromptTests {
    @Test func `typed, coloured, completed, interrupted, committed`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", smallSet("allow"))
        let terminal = try Terminal(lab, ["repl", path])
        defer { terminal.close() }
        try terminal.waits(for: "set ✓>")
        // Completion with a description, and of a unique name.
        try terminal.types("policy shut { from w", "Tab")
        try terminal.waits(for: "policy shut { from web")
        let coloured = try terminal.screen(escapes: true)
        #expect(coloured.contains("\u{1B}[1m\u{1B}[34mpolicy"), "the line is not coloured")
        try terminal.types("to db on tcp/80; drop }", "Enter")
        try terminal.waits(for: "+ policy security.shut")
        try terminal.waits(for: "set +1 ✓>")
        // Several lines, dropped by Ctrl-C; what is staged stays.
        try terminal.types("layer baseline {", "Enter")
        try terminal.waits(for: "...>")
        try terminal.types("policy lost { from web to db", "C-c")
        try terminal.waits(for: "set +1 ✓>", occurrences: 2)
        try terminal.types("\\d", "Tab", "Tab", "Tab")
        try terminal.waits(for: "switch a standby policy off")
        try terminal.types("C-u", "\\comm", "Tab", "-m cut", "Enter")
        try terminal.waits(for: "commit? [y/N]")
        try terminal.types("y", "Enter")
        try terminal.waits(for: "in force: revision 1")
        #expect(try lab.nft("list", "table", "inet", "weir").contains("security.shut"))
        // Somebody else's commit is seen above the prompt.
        #expect(
            try lab.weir("repl", path, "-c", "drop policy shut", "-c", "\\commit -m other")
                .succeeded)
        try terminal.waits(for: "* revision 2")
        try terminal.types("\\quit", "Enter")
    }

    @Test func `a kill loses nothing that was staged`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", smallSet("allow"))
        let first = try Terminal(lab, ["repl", path])
        try first.waits(for: "set ✓>")
        try first.types("policy shut { from web to db on tcp/80; drop }", "Enter")
        try first.waits(for: "set +1 ✓>")
        first.close()
        let second = try Terminal(lab, ["repl", path])
        defer { second.close() }
        try second.waits(for: "1 staged edits of an earlier session are staged again")
        try second.waits(for: "set +1 ✓>")
    }
}

/// A terminal of tmux's with the command in it.
final class Terminal {
    static let isThere = (try? runCommand(["tmux", "-V"]))?.succeeded ?? false
    private let socket: String

    init(_ lab: CommandLab, _ words: [String]) throws {
        socket = "weir-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let command = ["env", "WEIR_HISTORY=", "INPUTRC=/dev/null", "LC_ALL=C.UTF-8", "NO_COLOR="]
        let started = try lab.namespace.command(
            ["tmux", "-L", socket, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "50"]
                + command + lab.arguments(words))
        try #require(started.succeeded, "\(started.errors)")
    }

    /// Ends the command as a lost connection would.
    func close() {
        _ = try? runCommand(["tmux", "-L", socket, "kill-server"])
        // It answers before the command has ended.
        usleep(300_000)
    }

    /// Keys by tmux's names; anything else is typed as it stands.
    func types(_ keys: String...) throws {
        for key in keys {
            let isNamed = ["Tab", "Enter"].contains(key) || key.hasPrefix("C-")
            _ = try runCommand(
                ["tmux", "-L", socket, "send-keys"] + (isNamed ? [key] : ["-l", "--", key]))
        }
    }

    func screen(escapes: Bool = false) throws -> String {
        try runCommand(
            ["tmux", "-L", socket, "capture-pane", "-p"] + (escapes ? ["-e"] : [])
        ).output
    }

    func waits(for text: String, occurrences: Int = 1) throws {
        var shown = ""
        for _ in 0..<100 {
            shown = try screen()
            if shown.ranges(of: text).count >= occurrences { return }
            usleep(50_000)
        }
        Issue.record("`\(text)` never appeared:\n\(shown)")
        throw Missing()
    }

    struct Missing: Error {}
}
