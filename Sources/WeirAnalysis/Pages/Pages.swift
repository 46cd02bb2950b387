// SPDX-License-Identifier: GPL-3.0-or-later
//
// One page a code, as `weir explain CODE` prints it: what it is, why it matters, what to avoid and
// what to prefer. Each Avoid block is a test that must have exactly this finding, each Prefer block
// one that must have none.

public import WeirDiagnostics

/// The page of a code in Markdown; nil for codes of other passes.
public func page(for code: String) -> String? {
    FindingCode(rawValue: code).map { $0.page.text }
}

extension FindingCode {
    /// What is known of a code without a policy set.
    public var page: Page {
        switch self {
        case .ambiguousDecision: .ambiguousDecision
        case .undeclaredOverride: .undeclaredOverride
        case .overrideCycle: .overrideCycle
        case .overrideUnused: .overrideUnused
        case .narrowed: .narrowed
        case .shadowedPolicy: .shadowedPolicy
        case .redundantPolicy: .redundantPolicy
        case .deadConstraint: .deadConstraint
        case .maskedLimit: .maskedLimit
        case .brokenReservation: .brokenReservation
        case .overcommittedCapacity: .overcommittedCapacity
        case .assertionFailed: .assertionFailed
        case .lockout: .lockout
        case .emptySet: .emptySet
        case .expiredPolicy: .expiredPolicy
        }
    }
}

/// What is to be said about a code.
public struct Page: Sendable {
    public let code: FindingCode
    /// One sentence, lower case, no final period: the rule's name in other tools.
    public let summary: String
    public let why: String
    /// Policies that have the finding.
    public let avoid: String
    /// The same intent without it.
    public let prefer: String

    /// The whole page in Markdown. Where a block has no `layers`, they are emergency, security,
    /// resilience and baseline, the last with `default reject`.
    public var text: String {
        """
        # \(code.rawValue) (\(code.severity.rawValue))

        What it is: \(summary).

        Why it matters: \(why)

        ## Avoid

        ```weir
        \(avoid)
        ```

        ## Prefer

        ```weir
        \(prefer)
        ```

        """
    }
}

/// The checker's codes for ``SARIFRenderer``.
public var sarifRules: [SARIFRule] {
    FindingCode.allCases.map {
        SARIFRule(id: $0.rawValue, summary: $0.page.summary, page: $0.page.text)
    }
}
