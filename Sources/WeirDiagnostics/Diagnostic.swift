// SPDX-License-Identifier: GPL-3.0-or-later
//
// A diagnostic is data: what was found, where, what else bears on it and what to do. How it looks
// on a terminal, in JSON or in SARIF is a renderer's business.

/// How much a diagnostic matters. An error refuses the commit.
public enum Severity: String, Sendable, Comparable, CaseIterable {
    case note, warning, error

    private var rank: Int {
        switch self {
        case .note: 0
        case .warning: 1
        case .error: 2
        }
    }

    public static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
}

/// One replacement of bytes; an empty range inserts.
public struct TextEdit: Hashable, Sendable {
    public let range: SourceRange
    public let replacement: String

    public init(range: SourceRange, replacement: String) {
        self.range = range
        self.replacement = replacement
    }
}

/// A change that mends what a diagnostic found.
public struct FixIt: Hashable, Sendable {
    /// In the imperative, lower case: "add `overriding security.az-bulkhead`".
    public let message: String
    public let edits: [TextEdit]
    /// It is the only one, and what is enforced is the same after it: `weir check --fix` makes
    /// it without asking.
    public let isAutomatic: Bool

    public init(message: String, edits: [TextEdit], isAutomatic: Bool = false) {
        self.message = message
        self.edits = edits
        self.isAutomatic = isAutomatic
    }
}

/// Another place that bears on a diagnostic.
public struct RelatedPlace: Hashable, Sendable {
    public let range: SourceRange
    public let message: String

    public init(range: SourceRange, message: String) {
        self.range = range
        self.message = message
    }
}

/// Something to tell the operator.
public struct Diagnostic: Hashable, Sendable {
    /// Stable, kebab-case, never reused for something else: `unknown-name`.
    public let code: String
    public let severity: Severity
    /// One line, lower case, no final period, user's text in backticks; makes sense alone.
    public let message: String
    /// Where; nil when no file is at fault (a missing permission, say).
    public let range: SourceRange?
    public let related: [RelatedPlace]
    /// Facts without a place: the witness, the numbers.
    public let notes: [String]
    /// What to do, one line.
    public let help: String?
    public let fixIts: [FixIt]

    public init(
        _ severity: Severity, _ code: String, _ message: String, at range: SourceRange?,
        related: [RelatedPlace] = [], notes: [String] = [], help: String? = nil,
        fixIts: [FixIt] = []
    ) {
        self.code = code
        self.severity = severity
        self.message = message
        self.range = range
        self.related = related
        self.notes = notes
        self.help = help
        self.fixIts = fixIts
    }
}

extension Diagnostic {
    /// The same with other fixes.
    public func with(fixIts: [FixIt]) -> Diagnostic {
        Diagnostic(
            severity, code, message, at: range, related: related, notes: notes, help: help,
            fixIts: fixIts)
    }
}

extension Sequence where Element == Diagnostic {
    public var hasErrors: Bool { contains { $0.severity == .error } }
}
