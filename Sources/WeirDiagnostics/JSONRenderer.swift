// SPDX-License-Identifier: GPL-3.0-or-later
//
// Diagnostics for programs: `weir check --format json`. The schema is docs/findings-schema.md and
// has a version; members may be added within one, nothing is renamed or removed.

/// Renders diagnostics as one JSON document.
public struct JSONRenderer: Sendable {
    public static let schemaVersion = 1

    public let sources: SourceMap

    public init(sources: SourceMap) { self.sources = sources }

    /// - Parameter details: for each diagnostic what its pass knows beyond the words, or nil;
    ///   may be shorter than `diagnostics`.
    public func render(_ diagnostics: [Diagnostic], details: [JSONValue?] = []) -> String {
        let prints = fingerprints(diagnostics, in: sources)
        func count(_ severity: Severity) -> JSONValue {
            JSONValue(diagnostics.count { $0.severity == severity })
        }
        return JSONValue.members([
            ("version", JSONValue(Self.schemaVersion)),
            (
                "summary",
                .members([
                    ("errors", count(.error)), ("warnings", count(.warning)),
                    ("notes", count(.note)),
                ])
            ),
            (
                "findings",
                .array(
                    diagnostics.indices.map { index in
                        json(
                            diagnostics[index], prints[index],
                            index < details.count ? details[index] : nil)
                    })
            ),
        ]).text
    }

    private func json(
        _ diagnostic: Diagnostic, _ fingerprint: String, _ details: JSONValue?
    ) -> JSONValue {
        .members([
            ("code", JSONValue(diagnostic.code)),
            ("severity", JSONValue(diagnostic.severity.rawValue)),
            ("message", JSONValue(diagnostic.message)),
            ("place", diagnostic.range.map(place)),
            (
                "related",
                .array(
                    diagnostic.related.map {
                        .members([("message", JSONValue($0.message)), ("place", place($0.range))])
                    })
            ),
            ("notes", .array(diagnostic.notes.map { JSONValue($0) })),
            ("help", .optional(diagnostic.help)),
            ("fixes", .array(diagnostic.fixIts.map(fix))),
            ("fingerprint", JSONValue(fingerprint)),
            ("details", details),
        ])
    }

    private func place(_ range: SourceRange) -> JSONValue {
        let text = sources[range.source]
        let (start, end) = (text.position(at: range.start), text.position(at: range.end))
        return .members([
            ("file", JSONValue(text.name)), ("line", JSONValue(start.line)),
            ("column", JSONValue(start.column)), ("endLine", JSONValue(end.line)),
            ("endColumn", JSONValue(end.column)), ("startByte", JSONValue(range.start)),
            ("endByte", JSONValue(range.end)),
        ])
    }

    private func fix(_ fix: FixIt) -> JSONValue {
        .members([
            ("message", JSONValue(fix.message)),
            ("automatic", .bool(fix.isAutomatic)),
            (
                "edits",
                .array(
                    fix.edits.map {
                        .members([
                            ("place", place($0.range)), ("replacement", JSONValue($0.replacement)),
                        ])
                    })
            ),
        ])
    }
}
