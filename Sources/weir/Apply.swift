// SPDX-License-Identifier: GPL-3.0-or-later
//
// Puts the policies as they stand in the files in force.

import ArgumentParser
import FoundationEssentials
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirREPL
import WeirResolve
import WeirRuleset
import WeirSession

struct Apply: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plan, then commit atomically.",
        discussion: """
            With --confirm, what was in force before comes back unless `weir confirm` is run in \
            time, also if this terminal is gone by then.
            """)

    @OptionGroup var location: PolicyPath
    @OptionGroup var format: JSONFlag
    @OptionGroup var vantage: VantageOption
    @OptionGroup var way: OperatorOption
    @Option(help: "Undo the commit unless it is confirmed within this time: 60s, 5m.")
    var confirm: Duration?
    @Option(name: .shortAndLong, help: "What the log says about it.")
    var message = "weir apply"

    func run() throws {
        try vantage.requireBridgeFilter()
        let ready = try loadWithoutErrors(location.path) { policySet in
            try way.channels(policySet) { vantage.onHost ?? isTableOnHost() }
        }
        let outcome = try writing(onHost: vantage.onHost, sources: ready.sources) {
            (writer: inout PolicyWriter) throws(WriteFailure) in
            let now = currentState().epochSeconds
            let request = CommitRequest.applying(
                ready.checked, ready.policySet, root: ready.path, message: message,
                nowEpochSeconds: now)
            return try writer.commit(
                request, nowEpochSeconds: now, confirmWithinSeconds: confirm?.seconds,
                startGuard: ConfirmationGuard.start(.standard()))
        }
        guard let plan = outcome.plan else { return }
        if format.json {
            Output.write(try planJSON(plan, ready.policySet))
        } else if plan.isEmpty {
            Output.write("nothing to do: the kernel already enforces this policy set")
        } else {
            Output.write(describe(plan, ready.policySet))
            for path in outcome.written { Output.write("wrote: \(path) (`for` became `until`)") }
            let cut = outcome.connectionsCut
            Output.write(
                "applied: revision \(shortRevision(plan.program.ruleset.revision))"
                    + (cut > 0 ? "; \(cut) live connection\(cut == 1 ? "" : "s") cut" : ""))
            warn(outcome)
            if let confirm {
                Output.write("unconfirmed: `weir confirm` within \(confirm.seconds) s keeps it")
            }
        }
    }
}

/// Says where caps that changed do not count what exists.
func warn(_ outcome: CommitOutcome) {
    guard let problem = outcome.recountProblem else { return }
    Output.message(
        "warning: caps that changed count from zero, without the connections that exist: \(problem)"
    )
}

/// `60s`, `5m`, `1h30m`.
struct Duration: ExpressibleByArgument {
    let seconds: Int64

    init?(argument: String) {
        guard let seconds = durationSeconds(argument) else { return nil }
        self.seconds = seconds
    }
}

/// Runs an operation of the one writer, after putting right what a crash left.
func writing<Outcome>(
    onHost: Bool? = nil, sources: SourceMap = SourceMap(),
    _ body: (inout PolicyWriter) throws(WriteFailure) -> Outcome
) throws -> Outcome {
    do throws(WriteFailure) {
        var writer = try PolicyWriter(.standard(), try openKernel(onHost))
        if let report = try writer.recover() { Output.message(report.text) }
        if let report = writer.resumeSettling() { Output.message(report) }
        return try body(&writer)
    } catch {
        throw stop(error, sources)
    }
}

private func openKernel(_ onHost: Bool?) throws(WriteFailure) -> LiveKernel {
    do throws(KernelError) { return try LiveKernel(onHost: onHost) } catch {
        throw .commit(.kernel(error))
    }
}

/// Prints why nothing was written.
func stop(_ failure: WriteFailure, _ sources: SourceMap) -> Stop {
    if case .commit(.uncompilable(let diagnostics)) = failure {
        return report(.uncompilable(diagnostics), sources)
    }
    let (message, help) = failure.words
    Output.error(message, help: help)
    switch failure {
    case .commit(.kernel(let error)) where error.reason == .needsPrivilege: return Stop(.unusable)
    case .lock(.unavailable), .file: return Stop(.unusable)
    default: return Stop(.refused)
    }
}
