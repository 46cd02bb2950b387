// SPDX-License-Identifier: GPL-3.0-or-later
//
// The prompt killed with SIGKILL at any moment of staging and committing: the next start finishes
// or takes back what was cut off, and every edit that was acknowledged is there.

import FoundationEssentials
import Glibc
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun), .serialized) struct KilledPromptTests {
    static let rounds = 14

    @Test
    func `kill -9 at any moment loses no edit and leaves kernel, files and HEAD in agreement`()
        throws
    {
        let lab = try CommandLab()
        let path = try lab.policies("set", smallSet("allow"))
        try git(lab, path, "init", "--quiet")
        try git(lab, path, "config", "user.name", "operator")
        try git(lab, path, "config", "user.email", "operator@example.org")
        try git(lab, path, "add", "--all")
        try git(lab, path, "commit", "--quiet", "--message", "start")
        var acknowledged: Set<String> = []
        var recoveries = 0
        for round in 1...Self.rounds {
            let script = "\(lab.directory)/script"
            try Data(lines(round).joined(separator: "\n").utf8).write(to: URL(filePath: script))
            let words = lab.arguments(["repl", path]).joined(separator: " ")
            let delay = Double.random(in: 0.05...1.2)
            let run = try lab.namespace.command([
                "bash", "-c",
                "\(words) <\(script) 2>\(lab.directory)/errors & p=$!; sleep \(delay); "
                    + "kill -9 $p 2>/dev/null; wait $p 2>/dev/null; true",
            ])
            for line in run.output.split(separator: "\n") {
                guard let word = line.split(separator: " ").first(where: { $0.contains(".r") })
                else { continue }
                acknowledged.insert(String(word.drop { $0 != "." }.dropFirst()))
            }
            let errors = try String(
                decoding: Data(contentsOf: URL(filePath: "\(lab.directory)/errors")),
                as: UTF8.self)
            if errors.contains("was cut off") { recoveries += 1 }
            #expect(!errors.contains("error"), "round \(round): \(errors)")
        }
        let last = try lab.weir("repl", path, "-c", "\\commit -y -m rest")
        #expect(last.succeeded, "\(last.errors)")
        let status = try lab.weir("status", path)
        #expect(status.output.contains("all three agree"), "\(status.output)")
        let table = try lab.nft("list", "table", "inet", "weir")
        let head = try git(lab, path, "show", "HEAD:live.weir")
        for name in acknowledged {
            #expect(table.contains("\"security.\(name)\""), "\(name) is not in the kernel")
            #expect(head.contains("policy \(name) "), "\(name) is not in HEAD")
        }
        #expect(try git(lab, path, "status", "--porcelain").isEmpty)
        #expect(acknowledged.count > Self.rounds, "hardly anything was typed before the kills")
        print("kill -9: \(acknowledged.count) edits, \(recoveries) commits cut off and put right")
    }

    /// New policies, with a commit after every fourth.
    private func lines(_ round: Int) -> [String] {
        (1...40).flatMap { number -> [String] in
            let port = round * 100 + number
            let policy = "policy r\(round)_\(number) { from web to db on tcp/\(port); drop }"
            return number % 4 == 0 ? [policy, "\\commit -y -m round\(round)"] : [policy]
        }
    }

    @discardableResult
    private func git(_ lab: CommandLab, _ path: String, _ words: String...) throws -> String {
        let result = try lab.namespace.command(
            ["git", "-C", path] + words)
        #expect(result.succeeded, "\(words): \(result.errors)")
        return result.output
    }
}
