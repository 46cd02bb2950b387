// SPDX-License-Identifier: GPL-3.0-or-later

import Testing
import WeirAnalysis
import WeirDiagnostics
import WeirResolve
import WeirRuleset

@testable import WeirSession

@Suite struct SessionTests {
    @Test func `a commit writes kernel, file and git, and says who did what`() throws {
        let lab = try SessionLab(git: true)
        let session = lab.session()
        try session.type("policy shut { from web to db on tcp/80; drop }")
        let outcome = try session.commit(CommitOptions(message: "shut it"))
        #expect(
            try lab.read("live.weir")
                == "layer top {\n    policy shut { from web to db on tcp/80; drop }\n}\n")
        #expect(session.work.edits.isEmpty)
        let log = try lab.run("git", "-C", lab.root, "log", "-1", "--format=%s%n%b", "--stat")
        #expect(log.contains("shut it"))
        #expect(log.contains("Weir-Revision: \(outcome.revision.contentHash)"))
        #expect(log.contains("live.weir"))
        #expect(outcome.revision.added.contains("top.shut"))
        let status = PolicyStatus(
            lab.root, state: lab.state, kernel: lab.kernel, nowEpochSeconds: 0)
        #expect(status.isInAgreement)
    }

    @Test func `without git it works, and an empty table is no revision`() throws {
        let lab = try SessionLab()
        let session = lab.session()
        try session.type("policy shut { from web to db on tcp/80; drop }")
        let outcome = try session.commit(CommitOptions())
        #expect(outcome.gitCommit == nil && outcome.gitFailure == nil)
        #expect(lab.kernel.table?.revision.contentHash == outcome.revision.contentHash)
    }

    @Test func `what has errors is not committed`() throws {
        let lab = try SessionLab()
        let session = lab.session()
        try session.type("policy shut { from nowhere to db; drop }")
        #expect(throws: SessionFailure.self) { try session.commit(CommitOptions()) }
        #expect(lab.kernel.table == nil)
        #expect(session.work.edits.count == 1)
    }

    @Test func `endpoints that come and go are followed`() throws {
        let lab = try SessionLab()
        let session = lab.session()
        try session.type(
            """
            policy share {
                from web to db
                cap 100 connections reserve 60 for web
                cap 2 connections per endpoint of web
            }
            """)
        func inventory(_ web: String, _ port: String = "tcp/80") throws {
            try lab.write(
                "inventory.yaml",
                "services:\n  web: {ports: {http: \(port)}, endpoints: [\(web)]}\n"
                    + "  db: {endpoints: [10.2.0.1]}\n")
        }
        let many = (1...70).map { "10.1.0.\($0)" }.joined(separator: ", ")
        for (web, port) in [
            ("10.1.0.1, 10.1.0.2", "tcp/80"), ("10.1.0.2", "tcp/80"), (many, "tcp/80"),
            ("10.1.0.1", "tcp/81"),
        ] {
            try inventory(web, port)
            let (paths, conflicts) = session.refresh()
            #expect(paths.isEmpty && conflicts.isEmpty)
            let codes = session.checked.diagnostics.map { "\($0)" }
            let options = AnalysisOptions(epochSeconds: session.now())
            let full = CheckedPolicySet(session.work.draft.load(), options: options)
            #expect(codes == full.diagnostics.map { "\($0)" })
            #expect(full.diagnostics.contains { $0.code == "broken-reservation" } == (web != many))
        }
    }

    @Test func `for becomes until when it is committed`() throws {
        let lab = try SessionLab()
        let session = lab.session()
        session.now = { 1_800_000_000 }
        try session.type("policy shut for 2h { from web to db on tcp/80; drop }")
        _ = try session.commit(CommitOptions())
        #expect(
            try lab.read("live.weir").contains(
                "policy shut until 2027-01-15T10:00:00Z { from web to db on tcp/80; drop }"))
    }

    @Test func `others' changes are merged, or refused with the conflict`() throws {
        let lab = try SessionLab()
        let (mine, theirs) = (lab.session(), lab.session())
        try mine.type("policy a { from web to db on tcp/80; drop }")
        try theirs.type("policy b { from web to db on tcp/81; drop }")
        _ = try theirs.commit(CommitOptions())
        _ = try mine.commit(CommitOptions())
        let text = try lab.read("live.weir")
        #expect(text.contains("policy a") && text.contains("policy b"))

        try mine.type("policy a { from web to db on tcp/82; drop }")
        _ = theirs.refresh()
        try theirs.type("policy a { from web to db on tcp/83; drop }")
        _ = try theirs.commit(CommitOptions())
        let before = try lab.read("live.weir")
        do throws(SessionFailure) {
            _ = try mine.commit(CommitOptions())
            Issue.record("the other's change was overwritten")
        } catch {
            guard case .conflicts(let conflicts) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(conflicts.map(\.edit.name) == [.policy(layer: "top", name: "a")])
        }
        #expect(try lab.read("live.weir") == before)
        mine.settle(keepingMine: true)
        _ = try mine.commit(CommitOptions())
        #expect(try lab.read("live.weir").contains("tcp/82"))
    }

    @Test func `HEAD that moved without the work tree is not taken back`() throws {
        let lab = try SessionLab(git: true)
        let session = lab.session()
        try session.type("policy reads { from web to db on tcp/5433; allow }")
        // Somebody pushes into this repository: HEAD moves, the files stay.
        let clone = lab.directory + "/clone"
        try lab.run("git", "clone", "--quiet", lab.root, clone)
        try lab.run("sed", "-i", "s/5432/5434/", clone + "/main.weir")
        try lab.run(
            "git", "-C", clone, "-c", "user.name=b", "-c", "user.email=b@example.org", "commit",
            "--quiet", "--all", "--message", "other")
        try lab.run("git", "-C", lab.root, "fetch", "--quiet", clone, "main")
        try lab.run("git", "-C", lab.root, "update-ref", "refs/heads/main", "FETCH_HEAD")
        #expect(throws: SessionFailure.self) { try session.commit(CommitOptions()) }
        #expect(lab.kernel.table == nil)
        #expect(session.work.edits.count == 1)
    }

    @Test func `rolling back goes further each time and is in the log`() throws {
        let lab = try SessionLab(git: true)
        for port in [80, 81, 82] {
            let session = lab.session()
            try session.type("policy p { from web to db on tcp/\(port); drop }")
            _ = try session.commit(CommitOptions(message: "port \(port)"))
        }
        for port in [81, 80] {
            var writer = try PolicyWriter(lab.state, lab.kernel)
            _ = try writer.rollback(to: nil, message: nil, nowEpochSeconds: 0)
            #expect(try lab.read("live.weir").contains("tcp/\(port);"))
        }
        let log = RevisionStore(lab.state).all()
        #expect(log.map(\.operation) == [.rollback, .rollback, .commit, .commit, .commit])
        #expect(log[0].restores == 1)
        #expect(try lab.run("git", "-C", lab.root, "status", "--porcelain").isEmpty)
        #expect(
            PolicyStatus(lab.root, state: lab.state, kernel: lab.kernel, nowEpochSeconds: 0)
                .isInAgreement)
    }

    @Test func `rolling back leaves a file alone that nobody committed`() throws {
        let lab = try SessionLab()
        for port in [80, 81] {
            let session = lab.session()
            try session.type("policy p { from web to db on tcp/\(port); drop }")
            _ = try session.commit(CommitOptions())
        }
        try lab.write("live.weir", "# half done\n")
        var writer = try PolicyWriter(lab.state, lab.kernel)
        #expect(throws: WriteFailure.self) {
            _ = try writer.rollback(to: nil, message: nil, nowEpochSeconds: 0)
        }
        #expect(try lab.read("live.weir") == "# half done\n")
    }

    @Test func `a standby policy is switched without the files`() throws {
        let lab = try SessionLab()
        let session = lab.session()
        try session.type("policy shed standby { from web to db on tcp/80; drop }")
        _ = try session.commit(CommitOptions())
        func isInForce() -> Bool {
            lab.kernel.table?.objects.values.contains { $0.comment == "top.shed" } ?? false
        }
        #expect(!isInForce())
        try lab.write("main.weir", "this is nonsense {")
        do {
            var writer = try PolicyWriter(lab.state, lab.kernel)
            _ = try writer.enable("shed", forSeconds: 60, nowEpochSeconds: 1000)
        }
        #expect(isInForce())
        #expect(lab.state.enabledPolicies(atEpochSeconds: 1059).map(\.policy) == ["top.shed"])
        #expect(lab.state.enabledPolicies(atEpochSeconds: 1060).isEmpty)
        do {
            var writer = try PolicyWriter(lab.state, lab.kernel)
            _ = try writer.disable("top.shed", nowEpochSeconds: 1001)
            #expect(throws: WriteFailure.self) {
                _ = try writer.enable("reads", forSeconds: nil, nowEpochSeconds: 1001)
            }
        }
        #expect(!isInForce())
    }

    @Test func `a table changed by hand is shown element by element`() throws {
        let lab = try SessionLab()
        _ = try lab.session().commit(CommitOptions())
        var removed = ""
        lab.kernel.change { table in
            let found = table.sets.first {
                !$0.value.elements.isEmpty && $0.key.hasPrefix("layer.")
            }
            guard let (name, set) = found, let key = set.elements.keys.first else { return }
            table.sets[name]?.elements[key] = nil
            removed = name
        }
        let status = PolicyStatus(
            lab.root, state: lab.state, kernel: lab.kernel, nowEpochSeconds: 0)
        #expect(!removed.isEmpty)
        #expect(status.handChanges.count == 1)
        #expect(status.handChanges.first?.contains("of set `\(removed)` is missing") == true)
    }
}
