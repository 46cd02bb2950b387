// SPDX-License-Identifier: GPL-3.0-or-later
//
// Diagnostics for code hosts and their annotations: SARIF 2.1.0 (OASIS, 27 March 2020). Rule ids
// are the codes, paths are relative to the repository, fingerprints survive moved lines.

/// What a code host shows about a code.
public struct SARIFRule: Sendable {
    public let id: String
    /// One sentence.
    public let summary: String
    /// Markdown; nil if there is no page.
    public let page: String?

    public init(id: String, summary: String, page: String? = nil) {
        self.id = id
        self.summary = summary
        self.page = page
    }
}

/// Renders diagnostics as one SARIF log with one run.
public struct SARIFRenderer: Sendable {
    public let sources: SourceMap
    public let toolVersion: String
    /// Directory that paths are given relative to, without a slash at its end; nil if the names
    /// of the sources are relative already.
    public let root: String?
    private let rules: [String: SARIFRule]

    /// - Parameter rules: what is known about codes; others appear with their id alone.
    public init(
        sources: SourceMap, toolVersion: String, root: String? = nil, rules: [SARIFRule] = []
    ) {
        self.sources = sources
        self.toolVersion = toolVersion
        self.root = root
        self.rules = Dictionary(rules.map { ($0.id, $0) }) { first, _ in first }
    }

    public func render(_ diagnostics: [Diagnostic]) -> String {
        let codes = Set(diagnostics.map(\.code)).sorted()
        let prints = fingerprints(diagnostics, in: sources)
        let driver = JSONValue.members([
            ("name", JSONValue("weir")), ("version", JSONValue(toolVersion)),
            ("rules", .array(codes.map(rule))),
        ])
        let run = JSONValue.members([
            ("tool", .members([("driver", driver)])),
            // SourceText counts columns in Unicode scalars.
            ("columnKind", JSONValue("unicodeCodePoints")),
            (
                "results",
                .array(
                    diagnostics.indices.map { index in
                        result(
                            diagnostics[index], prints[index],
                            ruleIndex: codes.firstIndex(of: diagnostics[index].code) ?? 0)
                    })
            ),
        ])
        return JSONValue.members([
            ("$schema", JSONValue("https://json.schemastore.org/sarif-2.1.0.json")),
            ("version", JSONValue("2.1.0")), ("runs", .array([run])),
        ]).text
    }

    private func rule(_ code: String) -> JSONValue {
        let known = rules[code]
        let text = { (text: String) in JSONValue.members([("text", JSONValue(text))]) }
        return .members([
            ("id", JSONValue(code)), ("shortDescription", text(known?.summary ?? code)),
            (
                "help",
                known?.page.map {
                    .members([("text", JSONValue($0)), ("markdown", JSONValue($0))])
                }
            ),
        ])
    }

    private func result(
        _ diagnostic: Diagnostic, _ fingerprint: String, ruleIndex: Int
    ) -> JSONValue {
        let text = ([diagnostic.message] + diagnostic.notes + [diagnostic.help].compactMap { $0 })
            .joined(separator: "\n")
        return .members([
            ("ruleId", JSONValue(diagnostic.code)), ("ruleIndex", JSONValue(ruleIndex)),
            ("level", JSONValue(diagnostic.severity.rawValue)),
            ("message", .members([("text", JSONValue(text))])),
            (
                "locations",
                .array(
                    [diagnostic.range].compactMap { $0 }.map { location($0, id: nil, nil) })
            ),
            (
                "relatedLocations",
                diagnostic.related.isEmpty
                    ? nil
                    : .array(
                        diagnostic.related.enumerated().map {
                            location($1.range, id: $0 + 1, $1.message)
                        })
            ),
            (
                "partialFingerprints",
                .members([("weirDiagnostic/v1", JSONValue(fingerprint))])
            ),
            (
                "fixes",
                diagnostic.fixIts.isEmpty ? nil : .array(diagnostic.fixIts.map(fix))
            ),
        ])
    }

    private func location(_ range: SourceRange, id: Int?, _ message: String?) -> JSONValue {
        .members([
            ("id", id.map { JSONValue($0) }),
            (
                "physicalLocation",
                .members([
                    ("artifactLocation", artifact(range.source)), ("region", region(range)),
                ])
            ),
            ("message", message.map { .members([("text", JSONValue($0))]) }),
        ])
    }

    private func region(_ range: SourceRange) -> JSONValue {
        let text = sources[range.source]
        let (start, end) = (text.position(at: range.start), text.position(at: range.end))
        return .members([
            ("startLine", JSONValue(start.line)), ("startColumn", JSONValue(start.column)),
            ("endLine", JSONValue(end.line)), ("endColumn", JSONValue(end.column)),
        ])
    }

    /// Relative to the repository, as section 3.4.4 of the standard wants it for shared logs.
    private func artifact(_ source: SourceID) -> JSONValue {
        var name = sources[source].name
        if let root, name.hasPrefix(root + "/") { name.removeFirst(root.count + 1) }
        while name.hasPrefix("./") { name.removeFirst(2) }
        let isAbsolute = name.hasPrefix("/")
        return .members([
            ("uri", JSONValue((isAbsolute ? "file://" : "") + Self.escaped(name))),
            ("uriBaseId", isAbsolute ? nil : JSONValue("%SRCROOT%")),
        ])
    }

    /// Percent-encoded but for what RFC 3986 leaves in a path.
    private static func escaped(_ path: String) -> String {
        let plain = Set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/!$&'()*+,;=@".utf8)
        return path.utf8.map { byte in
            if plain.contains(byte) { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }.joined()
    }

    private func fix(_ fix: FixIt) -> JSONValue {
        var order: [SourceID] = []
        var bySource: [SourceID: [TextEdit]] = [:]
        for edit in fix.edits {
            if bySource[edit.range.source] == nil { order.append(edit.range.source) }
            bySource[edit.range.source, default: []].append(edit)
        }
        let changes = order.map { source in
            JSONValue.members([
                ("artifactLocation", artifact(source)),
                (
                    "replacements",
                    .array(
                        (bySource[source] ?? []).map {
                            .members([
                                ("deletedRegion", region($0.range)),
                                (
                                    "insertedContent",
                                    .members([("text", JSONValue($0.replacement))])
                                ),
                            ])
                        })
                ),
            ])
        }
        return .members([
            ("description", .members([("text", JSONValue(fix.message))])),
            ("artifactChanges", .array(changes)),
        ])
    }
}
