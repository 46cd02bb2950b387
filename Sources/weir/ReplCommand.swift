// SPDX-License-Identifier: GPL-3.0-or-later
//
// The live prompt: a terminal, a script, a pipe.

import ArgumentParser
import FoundationEssentials
import Glibc
import WeirDiagnostics
import WeirModel
import WeirREPL
import WeirResolve
import WeirRuleset
import WeirSession

struct Repl: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Edit the live policies at a prompt.",
        discussion: """
            Whatever may stand in a policy file may be typed; it is checked at once and staged. \
            \\commit puts it in force, into its files and into git. \\help lists everything.
            """)

    @OptionGroup var location: PolicyPath
    @Option(name: .customShort("f"), help: "Run the lines of a file instead of a prompt.")
    var script: String?
    @Option(name: .customShort("c"), help: "Run this line instead of a prompt; may be repeated.")
    var commands: [String] = []
    @OptionGroup var way: OperatorOption
    @Flag(help: "Go on after a line that was refused.")
    var keepGoing = false
    @Flag(help: "Print each line behind its prompt before it runs, for a transcript.")
    var echo = false

    func run() throws {
        let isTerminal =
            script == nil && commands.isEmpty && isatty(STDIN_FILENO) == 1
            && isatty(STDOUT_FILENO) == 1
        let session = PolicySession(location.path)
        session.channels = try way.channels(
            way.flows.isEmpty ? nil : session.checked.policySet
        ) { session.isOnHost }
        let host = self.host(isTerminal)
        let interpreter = Interpreter(session, host: host)
        start(session, interpreter, isTerminal)
        if isTerminal {
            let watch = CommitWatch(session)
            runPrompt(
                interpreter, historyPath: historyPath, colour: Output.colourOnOutput,
                onIdle: { watch.news() })
            return
        }
        let isWell: Bool
        if !commands.isEmpty {
            isWell = runLines(commands, in: interpreter, keepsGoing: keepGoing, echoes: echo)
        } else if let script {
            guard let bytes = (try? DurableFile.read(script)) ?? nil else {
                Output.error("cannot read `\(script)`", help: "check the path")
                throw Stop(.unusable)
            }
            let lines = String(decoding: bytes, as: UTF8.self)
                .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            isWell = runLines(
                lines.map(String.init), in: interpreter, keepsGoing: keepGoing, echoes: echo)
        } else {
            isWell = runLines(
                AnyIterator { readLine() }, in: interpreter, keepsGoing: keepGoing, echoes: echo)
        }
        // Errors that are staged and not committed are no success of a script.
        if !isWell || session.checked.hasErrors { throw Stop(.refused) }
    }

    /// What the last session left, and what is wrong with what is there.
    private func start(
        _ session: PolicySession, _ interpreter: Interpreter, _ isTerminal: Bool
    ) {
        if let report = session.recover() { Output.message(report.text) }
        let (count, conflicts) = session.adoptAbandoned()
        if count > 0 {
            Output.message("\(count) staged edits of an earlier session are staged again")
        }
        if !conflicts.isEmpty {
            Output.message("some staged edits of an earlier session no longer fit; they are kept")
        }
        guard isTerminal else { return }
        if session.checked.hasErrors || session.checked.policySet == nil {
            _ = interpreter.take("\\check")
        }
        _ = interpreter.take("\\status")
        Output.write("\\help lists what can be typed")
    }

    private var historyPath: String? {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["WEIR_HISTORY"] { return path.isEmpty ? nil : path }
        return environment["HOME"].map { $0 + "/.weir_history" }
    }

    private func host(_ isTerminal: Bool) -> PromptHost {
        PromptHost(
            describePlan: describe,
            explain: { flow, checked, policySet in
                let ready = ReadyPolicies(
                    path: location.path, checked: checked, policySet: policySet)
                return explanation(of: flow, ready)
            },
            describeInForce: describeInForce,
            write: { Output.write($0) }, writeError: { Output.message($0) },
            ask: isTerminal
                ? { question in
                    Output.write(question, terminator: "")
                    return readLine()
                } : nil,
            colour: isTerminal && Output.colourOnOutput)
    }
}

/// Hears of others' commits while nobody types. It asks for the revision once a second: watching
/// the kernel's notifications would make it report each element of everybody's commits.
private final class CommitWatch {
    private let session: PolicySession
    private var known: String
    private var asked: Int64 = 0

    init(_ session: PolicySession) {
        self.session = session
        known = Self.inForce(session)
    }

    private static func inForce(_ session: PolicySession) -> String {
        ((try? session.kernel?.revision()) ?? nil)?.contentHash ?? ""
    }

    /// A line about a commit that another prompt or tool made.
    func news() -> String? {
        let now = currentState().epochSeconds
        guard now != asked else { return nil }
        asked = now
        let current = Self.inForce(session)
        guard current != known else { return nil }
        known = current
        // This session's own commits are known already.
        guard session.lastCommitted != current else { return nil }
        guard let entry = RevisionStore(session.state).latest, entry.contentHash == current else {
            return current.isEmpty
                ? "* the table `weir` was removed" : "* somebody changed the policies in force"
        }
        return "* revision \(entry.number) by \(entry.who): \(entry.message)"
            + (entry.changeSummary.isEmpty ? "" : "  \(entry.changeSummary)")
    }
}
