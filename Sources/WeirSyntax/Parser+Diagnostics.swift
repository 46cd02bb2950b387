// SPDX-License-Identifier: GPL-3.0-or-later
//
// The parser's words: how a mistake is reported, what was found instead, which keyword was
// probably meant. Kept out of the grammar so that this reads as grammar.

import WeirDiagnostics

extension Parser {
    /// Reports an error unless the lexer's report explains it.
    mutating func error(
        _ code: String, _ message: String, at range: SourceRange, related: [RelatedPlace] = [],
        help: String? = nil, fixIts: [FixIt] = []
    ) {
        errorCount += 1
        guard !hasGivenUp, !isTroubled(range.start) else { return }
        diagnostics.append(
            Diagnostic(
                .error, code, message, at: range, related: related, help: help, fixIts: fixIts))
        guard hasGivenUp else { return }
        diagnostics.append(
            Diagnostic(
                .error, "too-many-errors", "more than \(Self.diagnosticLimit) errors", at: range,
                help: "mend the first ones; is this a policy file?"))
    }

    /// Whether so much is wrong that the rest of the file is not looked at.
    var hasGivenUp: Bool { diagnostics.count >= Self.diagnosticLimit }

    private func isTroubled(_ offset: Int) -> Bool {
        var low = 0
        var high = troubled.count
        while low < high {
            let middle = (low + high) / 2
            if troubled[middle].upperBound <= offset { low = middle + 1 } else { high = middle }
        }
        return low < troubled.count && troubled[low].contains(offset)
    }

    func insertion(_ text: String, at offset: Int, _ message: String) -> FixIt {
        FixIt(message: message, edits: [TextEdit(range: range(offset, offset), replacement: text)])
    }

    func replacement(of range: SourceRange, by text: String) -> FixIt {
        FixIt(
            message: text.isEmpty ? "remove it" : "replace it by `\(text)`",
            edits: [TextEdit(range: range, replacement: text)])
    }

    /// What stands where something else was expected, and where that is.
    var found: (text: String, range: SourceRange) {
        switch current.kind {
        case .end: ("the end of the file", gap)
        case _ where atClauseEnd && current.afterNewline: ("the end of the line", gap)
        default: (quoted(bytes(current)), range(current))
        }
    }

    /// "expected X, found Y", with what was probably meant. `isFirst` where the current token is
    /// the first of its line and is itself what is wrong.
    mutating func errorExpected(
        _ what: String, isFirst: Bool = false, code: String = "unexpected-token",
        related: [RelatedPlace] = [], help: String? = nil, fixIts: [FixIt] = []
    ) {
        let place = isFirst ? (text: quoted(bytes(current)), range: range(current)) : found
        let hint = atClauseEnd && !isFirst ? nil : hint
        error(
            code, "expected \(what), found \(place.text)", at: place.range, related: related,
            help: hint?.help ?? help, fixIts: hint.map { [$0.fixIt] } ?? fixIts)
    }

    /// What the current token was probably meant to be, given what was looked for.
    private var hint: (help: String, fixIt: FixIt)? {
        let place = range(current)
        if let meant = suggestion(among: expected) {
            return ("did you mean `\(meant.text)`?", replacement(of: place, by: meant.text))
        }
        switch (current.kind, source.bytes[place.bytes].first) {
        case (.stray, UInt8(ascii: "&")) where expected.contains(.and):
            return ("write `and`", replacement(of: place, by: "and"))
        case (.stray, UInt8(ascii: "|")) where expected.contains(.or):
            return ("write `or`", replacement(of: place, by: "or"))
        case (.comma, _) where expected.contains(.or):
            return ("sets are joined by `or`", replacement(of: place, by: " or"))
        case (.stray, UInt8(ascii: "=")): return ("write `=`", replacement(of: place, by: "="))
        case (.word, UInt8(ascii: "-")) where place.end - place.start == 1:
            let end = lookahead?.start ?? place.end
            return (
                "a range is written without spaces",
                FixIt(
                    message: "remove the spaces",
                    edits: [TextEdit(range: range(previousEnd, end), replacement: "-")])
            )
        default: return nil
        }
    }

    /// The keyword that the current word was probably meant to be. Another keyword is no slip,
    /// unless there is only one that could stand here.
    func suggestion(among keywords: KeywordSet) -> Keyword? {
        guard current.kind == .word, current.end - current.start <= 24,
            !hasGivenUp, !keywords.isEmpty
        else { return nil }
        let candidates = keywords.keywords
        guard current.keyword == nil || candidates.count == 1 else { return nil }
        let word = text(current).lowercased()
        guard let near = nearestName(to: word, among: candidates.map(\.text)) else { return nil }
        return candidates.first { $0.text == near }
    }

    /// Takes the keyword; a misspelling of it is reported and taken for it, and so is one that a
    /// newline divides from its clause.
    mutating func expect(_ keyword: Keyword, _ what: String? = nil) -> Bool {
        if take(keyword) { return true }
        let what = "`\(keyword.text)`" + (what.map { " and \($0)" } ?? "")
        if atClauseEnd, current.keyword == keyword {
            errorExpected(
                what, help: "a clause stands on one line, or in parentheses on many",
                fixIts: joiningFixIts)
            joinLine()
            take(.keyword)
            return true
        }
        let isMeant = !atClauseEnd && suggestion(among: expected) == keyword
        errorExpected(what)
        if isMeant { take(.keyword) }
        return isMeant
    }

    /// Joins the current line to the one before, if only white space lies between.
    var joiningFixIts: [FixIt] {
        let gap = previousEnd..<current.start
        guard triviaPieces(source.bytes, in: gap).isEmpty else { return [] }
        let edit = TextEdit(range: range(gap.lowerBound, gap.upperBound), replacement: " ")
        return [FixIt(message: "join the lines", edits: [edit])]
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

/// User's text in backticks, cut to a readable length and without control characters.
func quoted(_ bytes: ArraySlice<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(160), as: UTF8.self)
    var scalars = String.UnicodeScalarView()
    for scalar in text.unicodeScalars.prefix(40) {
        scalars.append(meaninglessName(scalar) == nil ? scalar : "\u{FFFD}")
    }
    let isCut = bytes.count > 160 || text.unicodeScalars.count > 40
    return "`\(String(scalars))\(isCut ? "…" : "")`"
}

func quoted(_ text: String) -> String { quoted(Array(text.utf8)[...]) }
