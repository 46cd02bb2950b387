// SPDX-License-Identifier: GPL-3.0-or-later
//
// Random editing: add, change, drop, undo, redo, commit, crash at any step of a commit, edits of
// the files by somebody else, a second session. Whatever happens, kernel, files and HEAD end up
// agreeing, no staged edit is lost, and nobody's change is overwritten.

import FoundationEssentials
import Testing
import WeirTesting

@testable import WeirSession

@Suite struct RandomSessionTests {
    static let sequences: UInt64 = 1000
    /// One in so many sequences has a git repository: starting git is most of its time.
    static let gitEvery: UInt64 = 10

    @Test func `kernel, files and HEAD agree in the end and nothing is lost`() throws {
        var crashes = 0
        var commits = 0
        for seed in 0..<Self.sequences {
            var run = try RandomSession(seed: seed, git: seed % Self.gitEvery == 0)
            do {
                for _ in 0..<14 { try run.step() }
                try run.finish()
            } catch {
                Issue.record("seed \(seed): \(error)")
                return
            }
            crashes += run.crashes
            commits += run.lab.kernel.commits
        }
        // The property would hold of doing nothing.
        #expect(crashes > Int(Self.sequences) / 4)
        #expect(commits > Int(Self.sequences) * 2)
    }
}

/// What went wrong, in words.
private struct Violation: Error {
    let what: String
}

/// One sequence: the lab, the session that types, and what must be found in the end.
private struct RandomSession {
    let lab: SessionLab
    let git: Bool
    var random: SeededGenerator
    var session: PolicySession
    var crashes = 0
    private var comments: [String] = []
    private var serial = 0

    init(seed: UInt64, git: Bool) throws {
        random = SeededGenerator(state: seed)
        lab = try SessionLab(git: git)
        self.git = git
        session = lab.session()
    }

    mutating func step() throws {
        switch Int.random(in: 0..<12, using: &random) {
        case 0...3: try put()
        case 4: try drop()
        case 5: _ = session.undo()
        case 6: _ = session.redo()
        case 7: try commit()
        case 8: try crash()
        case 9: try editFiles()
        case 10: try otherSession()
        default: try restart()
        }
    }

    /// A port of its own for each policy: random policies must not contradict each other.
    private mutating func policy() -> String {
        let number = Int.random(in: 0..<6, using: &random)
        serial += 1
        let action = Bool.random(using: &random) ? "drop" : "limit \(serial) connections/s"
        return
            "policy p\(number) \"\(serial)\" { from web to db on tcp/\(7000 + number); \(action) }"
    }

    private mutating func put() throws { try session.type(policy()) }

    private mutating func drop() throws {
        let names = session.work.draft.declarations.compactMap { item -> String? in
            if case .policy("top", let name) = item.name { name } else { nil }
        }
        guard let name = names.randomElement(using: &random) else { return }
        try session.type("drop policy top.\(name)")
    }

    private mutating func commit() throws {
        for _ in 0..<3 {
            do throws(SessionFailure) {
                _ = try session.commit(CommitOptions())
                return
            } catch {
                guard case .conflicts = error else { throw Violation(what: "\(error)") }
            }
            session.settle(keepingMine: Bool.random(using: &random))
        }
        throw Violation(what: "conflicts do not end")
    }

    /// A commit that dies after one of its steps, then a new start.
    private mutating func crash() throws {
        let conflicts = session.refresh().conflicts
        if !conflicts.isEmpty { session.settle(keepingMine: true) }
        let step = CommitStep.allCases.randomElement(using: &random) ?? .journalWritten
        session.onStep = { now throws(WriteFailure) in
            if now == step { throw WriteFailure.crashed(now) }
        }
        let wanted = session.work.draft
        var hasCrashed = false
        do throws(SessionFailure) {
            _ = try session.commit(CommitOptions())
        } catch {
            guard case .write(.crashed) = error else { throw Violation(what: "\(error)") }
            hasCrashed = true
            crashes += 1
        }
        session = lab.session()
        let report = session.recover()
        let (_, lost) = session.adoptAbandoned()
        guard lost.isEmpty else { throw Violation(what: "conflicts after a crash at \(step)") }
        let found = session.work.draft
        for path in Set(wanted.files.keys).union(found.files.keys) {
            guard wanted.files[path]?.bytes ?? [] == found.files[path]?.bytes ?? [] else {
                throw Violation(
                    what: "an edit was lost by a crash at \(step) (\(hasCrashed)), \(report as Any)"
                )
            }
        }
    }

    private mutating func editFiles() throws {
        serial += 1
        let name =
            ["main.weir", "live.weir", "odd \u{e9}.weir"].randomElement(using: &random) ?? ""
        let comment = "# by hand \(serial) \u{2603}"
        comments.append(comment)
        var text = try lab.read(name)
        if Bool.random(using: &random) {
            text = comment + "\n" + text
        } else {
            text += "\n\(comment)\r\n"
        }
        try lab.write(name, text)
        if git { try commitByHand() }
    }

    private func commitByHand() throws {
        try lab.run("git", "-C", lab.root, "add", "--all")
        try lab.run("git", "-C", lab.root, "commit", "--quiet", "--message", "by hand")
    }

    private mutating func otherSession() throws {
        let other = lab.session()
        _ = other.recover()
        try other.type(policy())
        _ = try other.commit(CommitOptions(message: "the other"))
    }

    /// The session ends as by kill: its staged edits are there for the next.
    private mutating func restart() throws {
        let conflicts = session.refresh().conflicts
        if !conflicts.isEmpty { session.settle(keepingMine: true) }
        let before = session.work.draft
        session = lab.session()
        _ = session.recover()
        guard session.adoptAbandoned().conflicts.isEmpty,
            session.work.draft.changedPaths(from: before).isEmpty
        else { throw Violation(what: "a staged edit was lost by a restart") }
    }

    mutating func finish() throws {
        try commit()
        let status = PolicyStatus(
            lab.root, state: lab.state, kernel: lab.kernel, nowEpochSeconds: 0)
        guard status.isInAgreement else {
            throw Violation(what: status.text(atEpochSeconds: 0))
        }
        let all = try ["main.weir", "live.weir", "odd \u{e9}.weir"].map { try lab.read($0) }
            .joined()
        for comment in comments where !all.contains(comment) {
            throw Violation(what: "`\(comment)` was overwritten")
        }
    }
}
