// SPDX-License-Identifier: GPL-3.0-or-later
//
// Diagnostics as a person reads them: severity and code, the place, the line with carets below
// it, related places likewise, notes, and what to do. Colour only where the caller asks for it.

/// Renders diagnostics as text for a terminal or a log.
public struct TextRenderer: Sendable {
    public let sources: SourceMap
    public let colour: Bool

    public init(sources: SourceMap, colour: Bool = false) {
        self.sources = sources
        self.colour = colour
    }

    public func render(_ diagnostic: Diagnostic) -> String {
        let severity = diagnostic.severity
        var out =
            paint("\(severity.rawValue)[\(diagnostic.code)]", Self.codes[severity] ?? "")
            + ": " + paint(diagnostic.message, "1") + "\n"
        let places = [diagnostic.range].compactMap { $0 } + diagnostic.related.map(\.range)
        let width = places.map { "\(lineNumber($0))".count }.max() ?? 1
        if let range = diagnostic.range {
            out += excerpt(range, mark: "^", label: nil, width: width)
        }
        for place in diagnostic.related {
            out += excerpt(place.range, mark: "-", label: place.message, width: width)
        }
        let pad = String(repeating: " ", count: width)
        for note in diagnostic.notes {
            out += "\(pad) \(paint("= note:", "1")) \(indented(note, by: width + 9))\n"
        }
        if let help = diagnostic.help { out += "\(pad) \(paint("= help:", "1;32")) \(help)\n" }
        for fixIt in diagnostic.fixIts {
            out += "\(pad) \(paint("= fix:", "1;32")) \(fixIt.message)\n"
        }
        return out
    }

    private static let codes: [Severity: String] = [
        .error: "1;31", .warning: "1;33", .note: "1;36",
    ]

    private func lineNumber(_ range: SourceRange) -> Int {
        sources[range.source].position(at: range.start).line
    }

    private func excerpt(_ range: SourceRange, mark: String, label: String?, width: Int) -> String {
        let text = sources[range.source]
        let position = text.position(at: range.start)
        let line = text.line(position.line)
        let end = text.position(at: range.end)
        let lineLength = line.unicodeScalars.count
        let last = end.line == position.line ? end.column : lineLength + 1
        let carets = String(repeating: mark, count: max(1, last - position.column))
        let lead = String(
            String.UnicodeScalarView(
                line.unicodeScalars.prefix(position.column - 1).map { $0 == "\t" ? $0 : " " }))
        let pad = String(repeating: " ", count: width)
        let number = "\(position.line)"
        let gutter = String(repeating: " ", count: width - number.count) + number
        let suffix = label.map { " " + $0 } ?? ""
        return "\(pad) --> \(sources.location(range))\n"
            + "\(gutter) | \(line)\n"
            + "\(pad) | \(lead)\(paint(carets + suffix, mark == "^" ? "1;31" : "1;34"))\n"
    }

    private func indented(_ text: String, by count: Int) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .joined(separator: "\n" + String(repeating: " ", count: count))
    }

    private func paint(_ text: String, _ code: String) -> String {
        colour && !code.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
