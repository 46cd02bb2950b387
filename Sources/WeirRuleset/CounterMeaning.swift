// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a named counter in the kernel counts. Names are made while lowering and say it by
// themselves, so that a reader of counters needs neither the table's maps nor the policy files.

/// A counter's policy, and what of it is counted.
public struct CounterMeaning: Hashable, Sendable {
    public enum Subject: Hashable, Sendable {
        case allowed, rejected, dropped
        /// New connections, whatever is decided about them.
        case seen
        /// Packets of admitted connections, both directions.
        case watched
        /// Over a limit, by its position in the policy; refused, dropped or marked.
        case overLimit(Int)
        /// Refused by a cap, or by a part of it that keeps reserved places.
        case overCap(Int)
        /// What a staged policy would have done.
        case hypothetical
    }
    /// `layer.policy`
    public let policy: String
    public let subject: Subject

    public init(policy: String, subject: Subject) {
        self.policy = policy
        self.subject = subject
    }

    /// nil for counters that belong to no policy.
    public init?(counterName name: String) {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 3, let subject = Subject(parts.dropFirst(2)) else { return nil }
        policy = unescapedIdentifier(parts[0]) + "." + unescapedIdentifier(parts[1])
        self.subject = subject
    }
}

extension CounterMeaning.Subject {
    fileprivate init?(_ parts: ArraySlice<Substring>) {
        guard let first = parts.first, let last = parts.last else { return nil }
        switch first {
        case "allowed": self = .allowed
        case "rejected": self = .rejected
        case "dropped": self = .dropped
        case "seen": self = .seen
        case "watched": self = .watched
        case _ where last.hasPrefix("would-"): self = .hypothetical
        case _ where first.hasPrefix("limit"):
            guard let number = Int(first.dropFirst(5)) else { return nil }
            self = .overLimit(number - 1)
        case _ where first.hasPrefix("cap"):
            guard let number = Int(first.dropFirst(3)) else { return nil }
            self = .overCap(number - 1)
        default: return nil
        }
    }
}
