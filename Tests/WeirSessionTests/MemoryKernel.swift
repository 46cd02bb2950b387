// SPDX-License-Identifier: GPL-3.0-or-later
//
// A kernel in memory: it holds the table that the last commit left, so that commits, crashes and
// recoveries can be tried by the thousand.

import FoundationEssentials
import Glibc
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirRuleset

@testable import WeirSession

final class MemoryKernel: PolicyKernel {
    private(set) var table: KernelTable?
    private var generation: UInt32 = 1
    private(set) var commits = 0

    func plan(
        _ policySet: PolicySet, revision: Revision, state: PolicyState, findsCuts: Bool
    ) throws(CommitFailure) -> (Plan, [Diagnostic]) {
        let (program, diagnostics) = lower(
            policySet, options: LoweringOptions(revision: revision, state: state),
            previous: table)
        guard let program else { throw .uncompilable(diagnostics) }
        let delta = program.ruleset.delta(
            from: table, nowMilliseconds: state.epochSeconds * 1000)
        let changes = PolicyChanges(from: table, to: program.ruleset, delta: delta)
        let plan = Plan(
            program: program, kernel: table, generation: generation, delta: delta,
            changes: changes, foreignChains: [], cuts: [],
            cutter: ConnectionCutter(policySet, state: state, onHost: false))
        return (plan, diagnostics)
    }

    func commit(_ plan: Plan) throws(CommitFailure) -> Int {
        guard plan.generation == generation else { throw .overtaken }
        if !plan.isEmpty {
            table = KernelTable(holding: plan.program.ruleset)
            generation += 1
            commits += 1
        }
        return 0
    }

    func revision() throws(CommitFailure) -> Revision? { table?.revision }

    func record(gitCommit: String) throws(CommitFailure) {
        guard var revision = table?.revision else { return }
        revision.gitCommit = gitCommit
        table?.sets[Revision.setName] =
            KernelTable(holding: Ruleset(revision: revision)).sets[Revision.setName]
        generation += 1
    }

    func status() throws(CommitFailure) -> KernelStatus? {
        table.map { KernelStatus(table: $0, counters: [:]) }
    }

    func remove() throws(CommitFailure) -> Bool {
        defer { table = nil }
        generation += 1
        return table != nil
    }

    var readings: [String: CounterReading] = [:]
    var connections: [Connection] = []

    func counters() throws(CommitFailure) -> [String: CounterReading] { readings }

    func forEachConnection(_ body: (Connection) -> Void) throws(CommitFailure) {
        for connection in connections { body(connection) }
    }

    private(set) var standsOnHost: Bool?

    func stand(onHost: Bool) { standsOnHost = onHost }

    func isOnHost() throws(CommitFailure) -> Bool? { table == nil ? nil : false }

    /// Somebody's own hand on the table.
    func change(_ body: (inout KernelTable) -> Void) {
        guard var changed = table else { return }
        body(&changed)
        table = changed
        generation += 1
    }
}

/// A policy set in a directory of its own, with a state directory beside it.
final class SessionLab {
    let directory: String
    let kernel = MemoryKernel()

    var root: String { directory + "/set" }
    var state: StateDirectory { StateDirectory(path: directory + "/state") }

    init(git: Bool = false, _ files: [String: String] = SessionLab.sample) throws {
        let base = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : "/tmp"
        directory = "\(base)/weir-session-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: directory + "/set", withIntermediateDirectories: true)
        for (name, text) in files { try write(name, text) }
        if git {
            try run("git", "-C", root, "init", "--quiet", "--initial-branch=main")
            try run("git", "-C", root, "config", "user.name", "lab")
            try run("git", "-C", root, "config", "user.email", "lab@example.org")
            try run("git", "-C", root, "add", "--all")
            try run("git", "-C", root, "commit", "--quiet", "--message", "start")
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func session() -> PolicySession {
        PolicySession(root, state: state, kernel: kernel, startGuard: { _ in true })
    }

    func write(_ name: String, _ text: String) throws {
        try DurableFile.write(Array(text.utf8), to: root + "/" + name)
    }

    func read(_ name: String) throws -> String {
        String(decoding: try DurableFile.read(root + "/" + name) ?? [], as: UTF8.self)
    }

    @discardableResult
    func run(_ words: String...) throws -> String {
        guard let result = Subprocess.run(words, errors: .merged), result.succeeded else {
            throw LabError(words.joined(separator: " "))
        }
        return result.text
    }

    struct LabError: Error {
        let what: String

        init(_ what: String) { self.what = what }
    }

    static let sample = [
        "inventory.yaml": """
        services:
          web: {endpoints: [10.1.0.1]}
          db: {endpoints: [10.2.0.1]}

        """,
        "main.weir": """
        landscape "inventory.yaml"
        layers {
            top
            base default reject
        }
        layer base {
            policy reads { from web to db on tcp/5432; allow }
        }

        """,
    ]
}

extension PolicySession {
    /// Types a line as at the prompt.
    func type(_ text: String, layer: String = "top", file: String? = nil) throws {
        switch PromptReader(draft: work.draft, layer: layer, file: file).read(text) {
        case .edits(let edits): _ = try stage(edits)
        case .open, .wrong: throw SessionLab.LabError("not an edit: \(text)")
        case .failed(let problem): throw problem
        }
    }
}
