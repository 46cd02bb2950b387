// SPDX-License-Identifier: GPL-3.0-or-later
//
// Arguments that several commands share, and the steps that every command begins with: read the
// policy set, print what is wrong with it, go on only if nothing is.

import ArgumentParser
import Glibc
import WeirAnalysis
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

struct PolicyPath: ParsableArguments {
    @Argument(
        help: "A directory with *.weir files, or one such file.", completion: .file())
    var path = "."
}

struct JSONFlag: ParsableArguments {
    @Flag(help: "Print JSON for programs.")
    var json = false
}

/// Where weir stands.
struct VantageOption: ParsableArguments {
    enum Kind: String, ExpressibleByArgument, CaseIterable { case gateway, host }

    @Option(
        help: """
            gateway: police what this machine forwards; host: what it sends and receives itself. \
            Without it: as the table in the kernel does, else gateway.
            """)
    var vantage: Kind?

    /// nil where it is not said.
    var onHost: Bool? { vantage.map { $0 == .host } }
}

/// The time by which policies are in force now.
func currentState() -> PolicyState { PolicyState(epochSeconds: Int64(time(nil))) }

/// A policy set without errors, and what it was read from.
struct ReadyPolicies {
    let path: String
    let checked: CheckedPolicySet
    let policySet: PolicySet

    var sources: SourceMap { checked.sources }
}

/// Reads a policy set and finds what is wrong with it.
///
/// - Parameter onHost: where a commit is meant: its vantage, so that the operator's own connection
///   is protected.
func check(_ path: String, onHost: Bool? = nil) -> CheckedPolicySet {
    CheckedPolicySet(
        PolicySetLoader().load(path),
        options: AnalysisOptions(
            epochSeconds: currentState().epochSeconds,
            channels: onHost.map { operatorChannels(onHost: $0) } ?? []))
}

/// Reads a policy set; prints its diagnostics and stops where one is an error.
func loadWithoutErrors(_ path: String, onHost: Bool? = nil) throws -> ReadyPolicies {
    let checked = check(path, onHost: onHost)
    guard let policySet = checked.policySet, !checked.hasErrors else {
        Output.diagnostics(checked.diagnostics, checked.sources)
        Output.error("the policy set has errors; nothing was applied")
        throw Stop(checked.isUnreadable ? .unusable : .refused)
    }
    Output.diagnostics(checked.diagnostics.filter { $0.severity > .note }, checked.sources)
    return ReadyPolicies(path: path, checked: checked, policySet: policySet)
}

func revision(of ready: ReadyPolicies) -> Revision {
    Revision(
        contentHash: contentHash(of: ready.sources, root: ready.path),
        gitCommit: GitRepository.head(containing: ready.path) ?? "")
}

/// "12 policies in 4 layers, 37 endpoints; 1 error, 2 warnings".
func summary(_ diagnostics: [Diagnostic], _ policySet: PolicySet?) -> String {
    func count(_ number: Int, _ what: String) -> String {
        let plural = what.hasSuffix("y") ? what.dropLast() + "ies" : what + "s"
        return "\(number) \(number == 1 ? what : String(plural))"
    }
    var parts: [String] = []
    if let policySet {
        let services = policySet.landscape.services
        parts.append(
            "\(count(policySet.policies.count, "policy")) in "
                + "\(count(policySet.layers.count, "layer")), \(count(services.count, "service"))")
    }
    let findings = [Severity.error, .warning, .note].compactMap { severity -> String? in
        let number = diagnostics.count { $0.severity == severity }
        return number == 0 ? nil : count(number, severity.rawValue)
    }
    parts.append(findings.isEmpty ? "no findings" : findings.joined(separator: ", "))
    return parts.joined(separator: "; ")
}
