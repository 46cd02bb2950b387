// SPDX-License-Identifier: GPL-3.0-or-later
//
// What resolution found, each thing once. Bounded: a policy set beside the wrong inventory is
// wrong in every line, and looking for near names in a large landscape costs milliseconds each.

import WeirDiagnostics

struct ResolveFindings {
    /// Of each severity: a flood of warnings must not hide an error.
    static let limit = 1_000
    /// So many unknown names are answered with the nearest known one.
    static let suggestionLimit = 20

    /// - Parameter suggestions: how many were made before.
    init(suggestions: Int = 0) { self.suggestions = suggestions }

    private struct Key: Hashable {
        let code: String
        let message: String
        let range: SourceRange?
    }

    private(set) var diagnostics: [Diagnostic] = []
    /// All that was added since it was last emptied, repetitions too.
    private(set) var added: [Diagnostic] = []
    private var known: Set<Key> = []
    private var counts: [Severity: Int] = [:]
    private(set) var suggestions = 0
    /// The instance of a pattern that is being expanded: every finding inside the pattern is due
    /// to it as well.
    struct Context {
        let pattern: SourceRange
        let instance: SourceRange
        /// The pattern is weir's own, so that only the instance can be mended.
        let isLibrary: Bool

        /// A finding of the expansion where the operator should look for it.
        func placed(_ finding: Diagnostic) -> Diagnostic {
            guard let range = finding.range, range.source == pattern.source,
                pattern.start <= range.start, range.end <= pattern.end
            else { return finding }
            let place =
                isLibrary
                ? RelatedPlace(range: range, message: "in the library's pattern")
                : RelatedPlace(range: instance, message: "in this instance")
            return Diagnostic(
                finding.severity, finding.code, finding.message,
                at: isLibrary ? instance : range, related: finding.related + [place],
                notes: finding.notes, help: finding.help,
                fixIts: isLibrary ? [] : finding.fixIts)
        }
    }
    var context: Context?

    mutating func error(
        _ code: String, _ message: String, at range: SourceRange?, related: [RelatedPlace] = [],
        notes: [String] = [], help: String, fixIts: [FixIt] = []
    ) {
        add(
            Diagnostic(
                .error, code, message, at: range, related: related, notes: notes, help: help,
                fixIts: fixIts))
    }

    mutating func warning(
        _ code: String, _ message: String, at range: SourceRange?, related: [RelatedPlace] = [],
        notes: [String] = [], help: String
    ) {
        add(
            Diagnostic(
                .warning, code, message, at: range, related: related, notes: notes, help: help))
    }

    mutating func add(_ found: Diagnostic) {
        let diagnostic = context?.placed(found) ?? found
        added.append(diagnostic)
        let key = Key(
            code: diagnostic.code, message: diagnostic.message, range: diagnostic.range)
        guard known.insert(key).inserted else { return }
        counts[diagnostic.severity, default: 0] += 1
        guard counts[diagnostic.severity, default: 0] <= Self.limit else { return }
        diagnostics.append(diagnostic)
    }

    /// What was added since this was last called.
    mutating func takeAdded() -> [Diagnostic] {
        defer { added = [] }
        return added
    }

    /// Whether a bound was reached, so that what is found depends on what was found before.
    var isBounded: Bool {
        !canSuggest || counts.values.contains { $0 > Self.limit }
    }

    var canSuggest: Bool { suggestions < Self.suggestionLimit }

    /// The nearest of the names that would have been right, while the budget lasts.
    mutating func nearest(to name: String, among candidates: some Sequence<String>) -> String? {
        guard canSuggest else { return nil }
        suggestions += 1
        return nearestName(to: name, among: candidates)
    }

    /// By place: files in the order of their numbers, what has no place first.
    func finish() -> [Diagnostic] {
        let place = { (diagnostic: Diagnostic) in
            (diagnostic.range?.source.index ?? -1, diagnostic.range?.start ?? 0)
        }
        var sorted = diagnostics.enumerated().sorted { a, b in
            let (x, y) = (place(a.element), place(b.element))
            return x == y ? a.offset < b.offset : x < y
        }.map(\.element)
        for severity in Severity.allCases.reversed() {
            let suppressed = counts[severity, default: 0] - Self.limit
            guard suppressed > 0 else { continue }
            sorted.append(
                Diagnostic(
                    severity, "too-many-findings",
                    "\(suppressed) more findings of severity \(severity.rawValue)",
                    at: sorted.last?.range, help: "mend those above first"))
        }
        return sorted
    }
}
