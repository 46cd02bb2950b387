// SPDX-License-Identifier: GPL-3.0-or-later
//
// The parser's words: how a mistake is reported, what was found instead, which keyword was
// probably meant. Kept out of the grammar so that this reads as grammar.

import WeirDiagnostics

extension Parser {
    /// Reports an error unless an earlier one explains it.
    mutating func error(
        _ code: String, _ message: String, at range: SourceRange, related: [RelatedPlace] = [],
        help: String? = nil, fixIts: [FixIt] = []
    ) {
        errorCount += 1
        guard range.start > mutedEnd, diagnostics.count < Self.diagnosticLimit else { return }
        diagnostics.append(
            Diagnostic(
                .error, code, message, at: range, related: related, help: help, fixIts: fixIts))
        if diagnostics.count == Self.diagnosticLimit {
            diagnostics.append(
                Diagnostic(
                    .error, "too-many-errors", "more than \(Self.diagnosticLimit) errors",
                    at: range, help: "mend the first ones; is this a policy file?"))
        }
    }

    func insertion(_ text: String, at offset: Int, _ message: String) -> FixIt {
        FixIt(message: message, edits: [TextEdit(range: range(offset, offset), replacement: text)])
    }

    func replacement(of range: SourceRange, by text: String) -> FixIt {
        FixIt(
            message: text.isEmpty ? "remove it" : "replace it by `\(text)`",
            edits: [TextEdit(range: range, replacement: text)])
    }

    /// User's text in backticks, cut to a readable length and without control characters.
    func quoted(_ bytes: ArraySlice<UInt8>) -> String {
        let text = String(decoding: bytes.prefix(60), as: UTF8.self)
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(40) {
            scalars.append(meaninglessName(scalar) == nil ? scalar : "\u{FFFD}")
        }
        return
            "`\(String(scalars))\(bytes.count > scalars.count * 4 || bytes.count > 60 ? "…" : "")`"
    }

    func quoted(_ text: String) -> String { quoted(Array(text.utf8)[...]) }

    /// What stands where something else was expected, and where that is.
    var found: (text: String, range: SourceRange) {
        switch current.kind {
        case .end: ("the end of the file", gap)
        case _ where atClauseEnd && current.afterNewline: ("the end of the line", gap)
        default: (quoted(bytes(current)), range(current))
        }
    }

    /// "expected X, found Y", with the keyword that was probably meant.
    mutating func errorExpected(_ what: String, help: String? = nil, fixIts: [FixIt] = []) {
        let place = found
        if help == nil, let meant = suggestion(among: expected) {
            error(
                "unexpected-token", "expected \(what), found \(place.text)", at: place.range,
                help: "did you mean `\(meant.text)`?",
                fixIts: [replacement(of: place.range, by: meant.text)])
        } else {
            error(
                "unexpected-token", "expected \(what), found \(place.text)", at: place.range,
                help: help, fixIts: fixIts)
        }
    }

    /// The keyword that the current word was probably meant to be.
    func suggestion(among keywords: KeywordSet) -> Keyword? {
        guard current.kind == .word, current.end - current.start <= 24,
            diagnostics.count < Self.diagnosticLimit, !keywords.isEmpty
        else { return nil }
        let candidates = keywords.keywords
        let word = text(current).lowercased()
        guard let near = nearestName(to: word, among: candidates.map(\.text)) else { return nil }
        return candidates.first { $0.text == near }
    }

    /// Takes the keyword; a misspelling of it is reported and taken for it.
    mutating func expect(_ keyword: Keyword, _ what: String? = nil) -> Bool {
        if take(keyword) { return true }
        let isMeant = !atClauseEnd && suggestion(among: expected) == keyword
        errorExpected("`\(keyword.text)`" + (what.map { " and \($0)" } ?? ""))
        if isMeant { take(.keyword) }
        return isMeant
    }

    /// Which of some keywords is next; a misspelling is reported and means the nearest one. Does
    /// not take it.
    mutating func recognize(anyOf keywords: KeywordSet, _ what: String) -> Keyword? {
        if let keyword = at(anyOf: keywords) { return keyword }
        expected = keywords
        let meant = atClauseEnd ? nil : suggestion(among: keywords)
        errorExpected(what)
        return meant
    }

    /// Takes one of some keywords, or what was probably meant as one.
    mutating func expect(anyOf keywords: KeywordSet, _ what: String) -> Keyword? {
        guard let keyword = recognize(anyOf: keywords, what) else { return nil }
        take(.keyword)
        return keyword
    }

    mutating func expect(_ kind: RawToken.Kind, _ what: String) -> Bool {
        guard at(kind) else {
            errorExpected(what)
            return false
        }
        take(.punctuation)
        return true
    }
}

/// "`a`, `b` or `c`"
func alternatives(_ texts: [String]) -> String {
    let quoted = texts.map { "`\($0)`" }
    guard quoted.count > 1 else { return quoted.first ?? "" }
    return quoted.dropLast().joined(separator: ", ") + " or " + quoted[quoted.count - 1]
}
