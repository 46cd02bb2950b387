// SPDX-License-Identifier: GPL-3.0-or-later
//
// A policy set as read, with everything that is wrong with it: what the parser, the inventory and
// resolution say, and, where these leave a policy set, what the checker proves about it.

public import WeirAnalysis
public import WeirDiagnostics
public import WeirModel
public import WeirResolve

public struct CheckedPolicySet: Sendable {
    public let loaded: LoadedPolicySet
    /// Empty where there was nothing to analyse.
    public let findings: [Finding]

    public var policySet: PolicySet? { loaded.policySet }
    public var sources: SourceMap { loaded.sources }

    /// Analyses what was read. Errors of the earlier passes do not stop it where there is a policy
    /// set all the same: one run reports all that is wrong.
    public init(_ loaded: LoadedPolicySet, options: AnalysisOptions) {
        self.init(
            loaded, findings: loaded.policySet.map { analyze($0, options: options) } ?? [])
    }

    /// What was read, with findings that an incremental analysis has made of it.
    init(_ loaded: LoadedPolicySet, findings: [Finding]) {
        self.loaded = loaded
        self.findings = findings
    }

    /// Of all passes, those of the checker last. Worded anew each time.
    public var diagnostics: [Diagnostic] {
        guard let policySet else { return loaded.diagnostics }
        let fixes = FindingFixes(loaded, policySet)
        return loaded.diagnostics.map(fixes.mending)
            + findings.map { fixes.diagnostic($0) }
    }

    /// Whether anything stands in the way of a commit.
    public var hasErrors: Bool {
        loaded.diagnostics.hasErrors || findings.contains { $0.severity == .error }
    }

    /// What is wrong here and was not in an earlier state. Findings are told apart by their words,
    /// not by their places, which move when something is typed above them.
    public func diagnostics(notIn earlier: CheckedPolicySet) -> [Diagnostic] {
        let old = earlier.identities
        var shown = loaded.diagnostics.filter { !old.contains(FindingIdentity($0)) }
        guard let policySet else { return shown }
        let fixes = FindingFixes(loaded, policySet)
        shown = shown.map(fixes.mending)
        for finding in findings
        where !old.contains(FindingIdentity(finding, in: policySet)) {
            shown.append(fixes.diagnostic(finding))
        }
        return shown
    }

    private var identities: Set<FindingIdentity> {
        var found = Set(loaded.diagnostics.map(FindingIdentity.init))
        guard let policySet else { return found }
        for finding in findings { found.insert(FindingIdentity(finding, in: policySet)) }
        return found
    }

    /// Whether the input could not be read at all, rather than being wrong.
    public var isUnreadable: Bool {
        loaded.diagnostics.contains { $0.severity == .error && $0.range == nil }
    }
}

/// A finding without its place.
private struct FindingIdentity: Hashable {
    let code: String
    let message: String

    init(_ diagnostic: Diagnostic) {
        code = diagnostic.code
        message = diagnostic.message
    }

    init(_ finding: Finding, in policySet: PolicySet) {
        code = finding.code.rawValue
        message = finding.message(in: policySet)
    }
}
