// SPDX-License-Identifier: GPL-3.0-or-later
//
// The stable names of everything the checker can find. What each one means, precisely, stands in
// docs/checker.md; how it reads to an operator stands in Finding+Diagnostic.swift and in Pages.

public import WeirDiagnostics

/// What kind of thing was found. The raw value is the code that users see and is never reused.
public enum FindingCode: String, Hashable, Sendable, CaseIterable {
    case lockout
    case overrideCycle = "override-cycle"
    case ambiguousDecision = "ambiguous-decision"
    case undeclaredOverride = "undeclared-override"
    case assertionFailed = "assertion-failed"
    case brokenReservation = "broken-reservation"
    case overcommittedCapacity = "overcommitted-capacity"
    case overrideUnused = "override-unused"
    case shadowedPolicy = "shadowed-policy"
    case deadConstraint = "dead-constraint"
    case maskedLimit = "masked-limit"
    case emptySet = "empty-set"
    case expiredPolicy = "expired-policy"
    case redundantPolicy = "redundant-policy"
    case narrowed

    /// The severity of a finding with this code, unless the finding itself is milder.
    public var severity: Severity {
        switch self {
        case .lockout, .overrideCycle, .ambiguousDecision, .undeclaredOverride, .assertionFailed,
            .brokenReservation:
            .error
        case .overcommittedCapacity, .overrideUnused, .shadowedPolicy, .deadConstraint,
            .maskedLimit, .emptySet, .expiredPolicy:
            .warning
        case .redundantPolicy, .narrowed: .note
        }
    }

    /// Place in the order of a report.
    var rank: Int { FindingCode.allCases.firstIndex(of: self) ?? 0 }
}
