// SPDX-License-Identifier: GPL-3.0-or-later
//
// Arguments that several commands share, and the steps that every command begins with: read the
// policy set, print what is wrong with it, go on only if nothing is.

import ArgumentParser
import Glibc
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

/// The time by which policies are in force now.
func currentState() -> PolicyState { PolicyState(epochSeconds: Int64(time(nil))) }

/// A policy set without errors, and what it was read from.
struct ReadyPolicies {
    let path: String
    let loaded: LoadedPolicySet
    let policySet: PolicySet

    var sources: SourceMap { loaded.sources }
}

/// Reads a policy set and finds what is wrong with it.
func load(_ path: String) -> LoadedPolicySet { PolicySetLoader().load(path) }

/// Reads a policy set; prints its diagnostics and stops where one is an error.
func loadWithoutErrors(_ path: String) throws -> ReadyPolicies {
    let loaded = load(path)
    Output.diagnostics(loaded.diagnostics, loaded.sources)
    guard let policySet = loaded.policySet, !loaded.diagnostics.hasErrors else {
        Output.error("the policy set has errors; nothing was applied")
        throw Stop(unreadable(loaded) ? .unusable : .refused)
    }
    return ReadyPolicies(path: path, loaded: loaded, policySet: policySet)
}

/// Whether the input could not be read at all, rather than being wrong.
func unreadable(_ loaded: LoadedPolicySet) -> Bool {
    loaded.diagnostics.contains { $0.severity == .error && $0.range == nil }
}

func revision(of ready: ReadyPolicies) -> Revision {
    Revision(
        contentHash: contentHash(of: ready.sources),
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
