// SPDX-License-Identifier: GPL-3.0-or-later
//
// Commands about what was in force, what is, and what waits to be: confirm, history, rollback,
// standby policies, status.

import ArgumentParser
import FoundationEssentials
import WeirKernel
import WeirModel
import WeirSession

struct Confirm: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep the commit that was made with --confirm.")

    func run() throws {
        let outcome = try writing { (writer: inout PolicyWriter) throws(WriteFailure) in
            try writer.confirm()
        }
        Output.write(
            "confirmed: revision \(outcome.revision.number), \(outcome.revision.message)")
        report(outcome)
    }
}

/// The process behind --confirm; not for people.
struct ConfirmGuard: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: ConfirmationGuard.command,
        abstract: "Take a commit back unless it is confirmed.", shouldDisplay: false)

    @Argument var id: String
    @Option var state: String

    func run() throws {
        let isWell = ConfirmationGuard.run(id, state: StateDirectory(path: state)) {
            try? LiveKernel()
        }
        if !isWell { throw Stop(.refused) }
    }
}

/// The process that gives back places; not for people.
struct SettleCaps: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: CapSettler.command,
        abstract: "Give back places of connections that a changed cap counts.",
        shouldDisplay: false)

    @Option var state: String

    func run() throws {
        if !CapSettler.run(StateDirectory(path: state)) { throw Stop(.refused) }
    }
}

struct History: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the operations so far: who, when, why, what changed.")

    @OptionGroup var format: JSONFlag

    func run() throws {
        let entries = RevisionStore(.standard()).all()
        if format.json {
            Output.write(try json(entries))
        } else {
            Output.write(entries.isEmpty ? "no operation so far" : historyText(entries))
        }
    }
}

struct Rollback: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put an earlier revision in force, into its files and into git.",
        discussion: """
            Without a number it goes back to what was in force before, one further each time; a \
            commit that waits to be confirmed is taken back. Rolling back is an operation of its \
            own: `weir history` shows it, and it can be rolled back.
            """)

    @Argument(help: "A revision's number, as `weir history` shows it.")
    var number: Int?
    @Option(name: .shortAndLong, help: "What the log and git say about it.")
    var message: String?
    @OptionGroup var way: OperatorOption

    func run() throws {
        let channels = try way.channelsInForce()
        let outcome = try writing { (writer: inout PolicyWriter) throws(WriteFailure) in
            writer.channels = channels
            return try writer.rollback(
                to: number, message: message, nowEpochSeconds: currentState().epochSeconds)
        }
        report(outcome)
    }
}

struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take weir's table out of the kernel; touches nothing else.",
        discussion: "`weir history` shows it, and `weir rollback` brings back what was in force.")

    @Option(name: .shortAndLong, help: "What the log says about it.")
    var message = "weir remove"

    func run() throws {
        let entry = try writing { (writer: inout PolicyWriter) throws(WriteFailure) in
            try writer.remove(message: message, nowEpochSeconds: currentState().epochSeconds)
        }
        guard let entry else {
            Output.write("nothing to do: no table `weir`")
            return
        }
        Output.write("removed: no policy is in force (revision \(entry.number))")
    }
}

struct Enable: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Switch a standby policy of what is in force on.",
        discussion: "Example: weir enable emergency.shed-batch --for 5m")

    @Argument(help: "The policy, as LAYER.NAME or NAME.")
    var policy: String
    @Option(name: .customLong("for"), help: "Off again by itself after this time: 5m.")
    var duration: Duration?
    @OptionGroup var way: OperatorOption

    func run() throws {
        let channels = try way.channelsInForce()
        let outcome = try writing { (writer: inout PolicyWriter) throws(WriteFailure) in
            writer.channels = channels
            return try writer.enable(
                policy, forSeconds: duration?.seconds,
                nowEpochSeconds: currentState().epochSeconds)
        }
        report(outcome)
    }
}

struct Disable: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Switch a standby policy off.")

    @Argument(help: "The policy, as LAYER.NAME or NAME.")
    var policy: String
    @OptionGroup var way: OperatorOption

    func run() throws {
        let channels = try way.channelsInForce()
        let outcome = try writing { (writer: inout PolicyWriter) throws(WriteFailure) in
            writer.channels = channels
            return try writer.disable(policy, nowEpochSeconds: currentState().epochSeconds)
        }
        report(outcome)
    }
}

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare the kernel, the files and HEAD.",
        discussion: "Exit status 1 where they differ.")

    @OptionGroup var location: PolicyPath

    func run() throws {
        let now = currentState().epochSeconds
        let kernel = try? LiveKernel()
        let status = PolicyStatus(
            location.path, state: .standard(), kernel: kernel, nowEpochSeconds: now)
        Output.write(status.text(atEpochSeconds: now))
        if !status.isInAgreement { throw Stop(.refused) }
    }
}

func report(_ outcome: CommitOutcome) {
    warn(outcome)
    let entry = outcome.revision
    Output.write("revision \(entry.number): \(entry.message)")
    if !entry.changeSummary.isEmpty { Output.write("  \(entry.changeSummary)") }
    for path in outcome.written { Output.write("  wrote \(path)") }
    if let commit = outcome.gitCommit { Output.write("  git commit \(commit.prefix(12))") }
    if let failure = outcome.gitFailure {
        Output.message("warning: git refused the commit: \(failure)")
    }
}
