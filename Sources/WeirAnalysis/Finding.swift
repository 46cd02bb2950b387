// SPDX-License-Identifier: GPL-3.0-or-later
//
// A finding is data: which rule of docs/checker.md holds, for which policies, shown by which flow
// in which state with which numbers. Words are made from it elsewhere, so that programs and tests
// can use it as it is.

public import WeirDiagnostics
public import WeirModel

/// Something the checker found.
public struct Finding: Hashable, Sendable {
    public let code: FindingCode
    public let severity: Severity
    public let certainty: Certainty
    /// The policies concerned, the one to look at first in front. Empty only for findings about
    /// an assertion or a flow that no policy decides.
    public let policies: [Involved]
    /// What else it is about: the assertion, the service, the flow.
    public let subject: Subject
    /// What shows it; nil where there is nothing to show (an empty set, a loop of names).
    public let witness: Witness?
    /// The edit that mends it, where one edit does.
    public let fix: FixIntent?

    public init(
        code: FindingCode, severity: Severity? = nil, certainty: Certainty = .provable,
        policies: [Involved], subject: Subject = .policies, witness: Witness? = nil,
        fix: FixIntent? = nil
    ) {
        self.code = code
        self.severity = severity ?? code.severity
        self.certainty = certainty
        self.policies = policies
        self.subject = subject
        self.witness = witness
        self.fix = fix
    }

    /// How sure it is.
    public enum Certainty: String, Hashable, Sendable {
        /// It holds, or will at a time that is known.
        case provable
        /// It holds once somebody enables a standby policy (named in the witness's state).
        case possible
        /// The search for an answer was cut off; it may or may not hold.
        case undecided
    }

    /// What a policy has to do with it.
    public enum Role: String, Hashable, Sendable {
        /// The policy that the finding is about.
        case subject
        case allows, denies
        /// It decides flows of the subject before the subject can.
        case decidesAbove
        /// Its cap or limit is tighter.
        case tighter
        /// Its reservation is part of the sum.
        case reserves
        /// Its cap or limit is part of the sum.
        case admits
        case overridden
        /// It is over in the witness's state; before, it prevented what was found.
        case ended
    }

    /// One policy of a finding.
    public struct Involved: Hashable, Sendable {
        public let policy: PolicyID
        public let role: Role
        /// Which part of it, where one part matters.
        public let part: Part?

        public init(_ policy: PolicyID, _ role: Role, _ part: Part? = nil) {
            self.policy = policy
            self.role = role
            self.part = part
        }
    }

    /// A part of a policy, by index in its lists.
    public enum Part: Hashable, Sendable {
        case interaction(Int)
        case cap(Int)
        case limit(Int)
        case reservation(cap: Int, Int)
    }

    /// What a finding is about beside its policies.
    public enum Subject: Hashable, Sendable {
        case policies
        /// By index in the policy set; for `empty-set` with the interaction.
        case assertion(Int, interaction: Int?)
        /// By index in the landscape.
        case service(Int)
        case channel(Int)
    }

    /// A concrete case.
    public struct Witness: Hashable, Sendable {
        /// A flow for which it holds; nil for a finding about numbers alone.
        public let flow: Flow?
        /// A state in which it holds.
        public let state: PolicyState
        /// Whether it depends on the time: it holds at the state's time, and not always.
        public let timeDependent: Bool
        public let arithmetic: Arithmetic?
        /// The layer whose `default` takes part; by index.
        public let defaultLayer: Int?

        public init(
            flow: Flow?, state: PolicyState, timeDependent: Bool = false,
            arithmetic: Arithmetic? = nil, defaultLayer: Int? = nil
        ) {
            self.flow = flow
            self.state = state
            self.timeDependent = timeDependent
            self.arithmetic = arithmetic
            self.defaultLayer = defaultLayer
        }
    }

    /// "8 sources × 50 + 100 = 500 > 300".
    public struct Arithmetic: Hashable, Sendable {
        public struct Term: Hashable, Sendable {
            /// How many counters of the scope take part.
            public let counters: UInt64
            public let scope: CountingScope
            /// What each of them allows.
            public let each: UInt64
            /// Seconds that the number is per; nil for concurrent connections.
            public let perSeconds: UInt64?

            public init(
                counters: UInt64 = 1, scope: CountingScope = .total, each: UInt64,
                perSeconds: UInt64? = nil
            ) {
                self.counters = counters
                self.scope = scope
                self.each = each
                self.perSeconds = perSeconds
            }

            /// Stops at the greatest number rather than wrap.
            public var product: UInt64 { saturatingProduct(counters, each) }
        }
        public enum Relation: String, Hashable, Sendable {
            case greater = ">"
            case less = "<"
            case atMost = "≤"
        }
        public let terms: [Term]
        public let relation: Relation
        public let bound: Term
        public let unit: Limit.Unit

        public init(
            terms: [Term], relation: Relation, bound: Term, unit: Limit.Unit = .connections
        ) {
            self.terms = terms
            self.relation = relation
            self.bound = bound
            self.unit = unit
        }

        /// In the first term's interval; the terms of a sum all have the same.
        public var total: UInt64 { terms.reduce(0) { saturatingSum($0, $1.product) } }
    }

    /// An edit in terms of the policy set; the session turns it into text.
    public enum FixIntent: Hashable, Sendable {
        case addOverriding(policy: PolicyID, overridden: PolicyID)
        case removeOverriding(policy: PolicyID, overridden: PolicyID)
        case removePolicy(PolicyID)
        case removePart(PolicyID, Part)
    }
}

/// A sum that stops at the greatest number.
func saturatingSum(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (sum, overflow) = a.addingReportingOverflow(b)
    return overflow ? .max : sum
}

/// A product that stops at the greatest number.
func saturatingProduct(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (product, overflow) = a.multipliedReportingOverflow(by: b)
    return overflow ? .max : product
}
