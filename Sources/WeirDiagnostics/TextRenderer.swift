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
        render(diagnostic, firstFix: nil)
    }

    /// - Parameter firstFix: the number of the first fix, for choosing one by its number.
    public func render(_ diagnostic: Diagnostic, firstFix: Int?) -> String {
        let severity = diagnostic.severity
        var out =
            paint("\(severity.rawValue)[\(diagnostic.code)]", Self.codes[severity] ?? "")
            + ": " + paint(printable(diagnostic.message), "1") + "\n"
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
        if let help = diagnostic.help {
            out += "\(pad) \(paint("= help:", "1;32")) \(printable(help))\n"
        }
        for (index, fixIt) in diagnostic.fixIts.enumerated() {
            let label = firstFix.map { "= fix \($0 + index):" } ?? "= fix:"
            out += "\(pad) \(paint(label, "1;32")) \(printable(fixIt.message))\n"
            out += lines(of: fixIt, width: width, from: diagnostic.range?.source)
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
        let lineStart = text.lineStarts[position.line - 1]
        let lineEnd = lineStart + text.contentLength(ofLine: position.line)
        // Of the bytes, and not of characters: what is no UTF-8 is shown as something else.
        let reach = min(range.end, lineEnd, range.start + Self.excerptBytes)
        let marked = text.text(in: range.start..<max(range.start, reach))
        guard lineEnd - lineStart <= 4 * Self.excerptBytes else {
            // A line of a megabyte helps nobody, and each finding would repeat it.
            let pad = String(repeating: " ", count: width)
            return "\(pad) --> \(printable(sources.location(range)))\n"
                + "\(gutter(position.line, width)) | … \(printable(marked)) …\n"
                + "\(pad) |   "
                + paint(
                    String(repeating: mark, count: max(1, printable(marked).count))
                        + (label.map { " " + printable($0) } ?? ""),
                    mark == "^" ? "1;31" : "1;34") + "\n"
        }
        let before = text.text(in: lineStart..<max(lineStart, range.start))
        let carets = String(
            repeating: mark,
            count: max(1, printable(marked).unicodeScalars.reduce(0) { $0 + columns($1) }))
        let lead = printable(before).unicodeScalars
            .map { $0 == "\t" ? "\t" : String(repeating: " ", count: columns($0)) }.joined()
        let pad = String(repeating: " ", count: width)
        let suffix = label.map { " " + printable($0) } ?? ""
        return "\(pad) --> \(printable(sources.location(range)))\n"
            + "\(gutter(position.line, width)) | \(printable(line))\n"
            + "\(pad) | \(lead)\(paint(carets + suffix, mark == "^" ? "1;31" : "1;34"))\n"
    }

    /// Of a very long line, what is shown.
    private static let excerptBytes = 500

    private func gutter(_ number: Int, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - "\(number)".count)) + "\(number)"
    }

    // MARK: Fixes

    /// A fix that was made: of what, where, and the lines before and after.
    public func render(_ fixIt: FixIt, of diagnostic: Diagnostic) -> String {
        var out = paint("fixed[\(diagnostic.code)]", "1;32") + ": "
        out += printable(fixIt.message) + "\n"
        let numbers = fixIt.edits.map { sources[$0.range.source].lines(changedBy: $0) }
            .map { "\($0.first + max($0.old.count, $0.new.count, 1) - 1)".count }
        return out + lines(of: fixIt, width: numbers.max() ?? 1, from: nil)
    }

    /// Longer fixes are cut: what a person wants to see is what changes, not the whole file.
    private static let mostFixLines = 8

    /// The lines that a fix changes, before and after.
    private func lines(of fixIt: FixIt, width: Int, from main: SourceID?) -> String {
        var out = ""
        let pad = String(repeating: " ", count: width)
        for edit in fixIt.edits {
            let text = sources[edit.range.source]
            let (first, old, new) = text.lines(changedBy: edit)
            if edit.range.source != main {
                out += "\(pad) --> \(printable(sources.location(edit.range)))\n"
            }
            func show(_ lines: [String], _ sign: String, _ colour: String) {
                for (index, line) in lines.prefix(Self.mostFixLines).enumerated() {
                    let number = gutter(first + index, width)
                    out += "\(number) \(paint("\(sign) \(printable(line))", colour))\n"
                }
                if lines.count > Self.mostFixLines {
                    out += "\(pad) \(sign) … \(lines.count - Self.mostFixLines) more lines\n"
                }
            }
            show(old, "-", "31")
            show(new, "+", "32")
        }
        return out
    }

    private func indented(_ text: String, by count: Int) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) }
            .joined(separator: "\n" + String(repeating: " ", count: count))
    }

    private func paint(_ text: String, _ code: String) -> String {
        colour && !code.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}

extension SourceText {
    /// The whole lines that an edit changes, before and after, and the number of the first; lines
    /// that stay as they are at either end are left out.
    func lines(changedBy edit: TextEdit) -> (first: Int, old: [String], new: [String]) {
        let newline = UInt8(ascii: "\n")
        let start = bytes[..<edit.range.start].lastIndex(of: newline).map { $0 + 1 } ?? 0
        let end = bytes[edit.range.end...].firstIndex(of: newline) ?? bytes.count
        func split(_ list: [UInt8]) -> ArraySlice<String> {
            let lines = list.split(separator: newline, omittingEmptySubsequences: false)
            return lines.map { line in
                String(
                    decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line,
                    as: UTF8.self)
            }[...]
        }
        var first = position(at: start).line
        var old = split(Array(bytes[start..<end]))
        var new = split(
            bytes[start..<edit.range.start] + Array(edit.replacement.utf8)
                + bytes[edit.range.end..<end])
        while let last = old.last, last == new.last {
            old.removeLast()
            new.removeLast()
        }
        while let line = old.first, line == new.first {
            old.removeFirst()
            new.removeFirst()
            first += 1
        }
        return (first, Array(old), Array(new))
    }
}
