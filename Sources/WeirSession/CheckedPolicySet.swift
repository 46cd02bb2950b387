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
    /// Of all passes, those of the checker last.
    public let diagnostics: [Diagnostic]

    public var policySet: PolicySet? { loaded.policySet }
    public var sources: SourceMap { loaded.sources }

    /// Analyses what was read. Errors of the earlier passes do not stop it where there is a policy
    /// set all the same: one run reports all that is wrong.
    public init(_ loaded: LoadedPolicySet, options: AnalysisOptions) {
        self.loaded = loaded
        guard let policySet = loaded.policySet else {
            findings = []
            diagnostics = loaded.diagnostics
            return
        }
        findings = analyze(policySet, options: options)
        diagnostics = loaded.diagnostics + findings.map { $0.diagnostic(in: policySet) }
    }

    /// What was read, with findings that an incremental analysis has made of it.
    init(_ loaded: LoadedPolicySet, findings: [Finding]) {
        self.loaded = loaded
        self.findings = findings
        guard let policySet = loaded.policySet else {
            diagnostics = loaded.diagnostics
            return
        }
        diagnostics = loaded.diagnostics + findings.map { $0.diagnostic(in: policySet) }
    }

    /// Whether the input could not be read at all, rather than being wrong.
    public var isUnreadable: Bool {
        loaded.diagnostics.contains { $0.severity == .error && $0.range == nil }
    }
}
