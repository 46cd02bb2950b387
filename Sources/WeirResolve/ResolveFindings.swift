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

    private struct Key: Hashable {
        let code: String
        let message: String
        let range: SourceRange?
    }

    private(set) var diagnostics: [Diagnostic] = []
    private var known: Set<Key> = []
    private var counts: [Severity: Int] = [:]
    private var suggestions = 0
    /// What every finding inside `range` is due to as well: the instance of a pattern that is
    /// being expanded.
    var context: (range: SourceRange, place: RelatedPlace)?

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

    mutating func add(_ diagnostic: Diagnostic) {
        let key = Key(
            code: diagnostic.code, message: diagnostic.message, range: diagnostic.range)
        guard known.insert(key).inserted else { return }
        counts[diagnostic.severity, default: 0] += 1
        guard counts[diagnostic.severity, default: 0] <= Self.limit else { return }
        guard let context, let range = diagnostic.range, range.source == context.range.source,
            context.range.start <= range.start, range.end <= context.range.end
        else {
            diagnostics.append(diagnostic)
            return
        }
        diagnostics.append(
            Diagnostic(
                diagnostic.severity, diagnostic.code, diagnostic.message, at: range,
                related: diagnostic.related + [context.place], notes: diagnostic.notes,
                help: diagnostic.help, fixIts: diagnostic.fixIts))
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
