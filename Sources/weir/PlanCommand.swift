// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import FoundationEssentials
import Glibc
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Check, then show what would change: policies, kernel objects, what restarts.")

    @OptionGroup var location: PolicyPath
    @OptionGroup var format: JSONFlag
    @OptionGroup var vantage: VantageOption
    @OptionGroup var way: OperatorOption
    @Flag(help: "Exit with 2 where there are changes, 0 where there are none, 1 on an error.")
    var detailedExitcode = false

    func run() throws {
        try vantage.requireBridgeFilter()
        let ready = try loadWithoutErrors(location.path) { policySet in
            try way.channels(policySet) { vantage.onHost ?? isTableOnHost() }
        }
        var committer = try openCommitter()
        let plan = try makePlan(ready, &committer, onHost: vantage.onHost)
        if format.json {
            Output.write(try planJSON(plan, ready.policySet))
        } else {
            Output.write(describe(plan, ready.policySet))
        }
        // 2 means "changes" only where it was asked for, as with terraform.
        if detailedExitcode, !plan.isEmpty { throw Stop(.unusable) }
    }
}

/// Plans, printing what is wrong where that fails.
func makePlan(
    _ ready: ReadyPolicies, _ committer: inout Committer, onHost: Bool? = nil
) throws -> Plan {
    do throws(CommitFailure) {
        let state = currentState()
        let enabled = StateDirectory.standard().enabledPolicies(
            atEpochSeconds: state.epochSeconds)
        let policySet = ready.policySet.enabling(enabled)
            .startingDurations(at: state.epochSeconds)
        let (plan, diagnostics) = try committer.plan(
            policySet, revision: revision(of: ready), state: state, onHost: onHost)
        Output.diagnostics(diagnostics, ready.sources)
        return plan
    } catch {
        throw report(error, ready.sources)
    }
}

/// Prints why a commit was not made.
func report(_ failure: CommitFailure, _ sources: SourceMap) -> Stop {
    switch failure {
    case .uncompilable(let diagnostics):
        Output.diagnostics(diagnostics, sources)
        Output.error("nothing was applied")
        return Stop(.refused)
    case .overtaken:
        Output.error(
            "somebody else changed the table `weir` meanwhile; nothing was applied",
            help: "run `weir plan` to see what is in force now, then apply again")
        return Stop(.refused)
    case .kernel(let error):
        Output.error(error.message)
        return Stop(error.reason == .needsPrivilege ? .unusable : .refused)
    }
}

func openCommitter() throws -> Committer {
    do throws(KernelError) {
        return try Committer.open()
    } catch {
        throw report(.kernel(error), SourceMap())
    }
}
