// SPDX-License-Identifier: GPL-3.0-or-later
//
// The parser's machinery: looking at raw tokens, taking them into the tree, noting what would have
// been accepted. The grammar is in the extensions, one function a production. A production that
// fails has reported why and returns nil; its clause or declaration then skips to its own end, so
// that one mistake gives one message and the next line is parsed as if nothing had happened.

public import WeirDiagnostics

/// Parses one file. Never fails: whatever the bytes, the tree holds all of them, the typed view
/// holds what was understood and the diagnostics say what was not. Time is linear in the size.
public func parse(_ text: SourceText, id: SourceID) -> ParsedFile {
    var parser = Parser(text, id: id)
    parser.policyFile()
    return parser.finish()
}

struct Parser {
    /// Parentheses deeper than this are refused: the typed view is a recursive type.
    static let nestingLimit = 64
    /// A file has at most this many messages; nobody reads more, and garbage would yield millions.
    static let diagnosticLimit = 1000

    let source: SourceText
    let id: SourceID
    private let raw: [RawToken]
    private var index = 0
    /// The raw token to be taken next, or what a split has left of it.
    private(set) var current: RawToken
    /// Where the last token taken ends, without trivia.
    private(set) var previousEnd = 0
    private(set) var previousKind = RawToken.Kind.end
    private var trailingEnd = 0
    /// Spaces and tabs that the line of the last token taken begins with.
    private(set) var lineIndentation = 0

    private var tokens: [SyntaxToken] = []
    private var records: [SyntaxTree.Record] = []

    var declarations: [Declaration] = []
    var damagedNames: [Name] = []
    var diagnostics: [Diagnostic] = []
    var errorCount = 0
    /// Where the lexer has reported something that explains all errors there.
    let troubled: [Range<Int>]

    /// Inside parentheses and brackets a newline is white space.
    var bracketDepth = 0
    /// Inside a pattern, a bare name may stand for an amount.
    var isInPattern = false
    /// What was looked for since the last token was taken.
    var expected = KeywordSet()
    /// The braces that are open, innermost last.
    var openBraces: [OpenBrace] = []
    /// A closing brace whose indentation speaks for another block than the one it closes.
    var suspiciousClose: RelatedPlace?
    /// Where missing braces were reported last.
    var missingBraceOffset = -1

    init(_ text: SourceText, id: SourceID) {
        let lexer = Lexer(text, id: id)
        source = text
        self.id = id
        raw = lexer.tokens
        current = lexer.tokens[0]
        diagnostics = lexer.problems
        errorCount = lexer.problems.count
        troubled = lexer.troubled
        tokens.reserveCapacity(raw.count + raw.count / 4)
        records.reserveCapacity(raw.count)
    }

    consuming func finish() -> ParsedFile {
        let sorted = diagnostics.enumerated().sorted {
            ($0.element.range?.start ?? 0, $0.offset) < ($1.element.range?.start ?? 0, $1.offset)
        }
        return ParsedFile(
            tree: SyntaxTree(source: source, tokens: tokens, records: records),
            file: PolicyFile(source: id, declarations: declarations),
            diagnostics: sorted.map(\.element), damagedNames: damagedNames)
    }

    // MARK: Looking

    /// Whether the clause is over here: a terminator, or a newline outside of brackets. Not to be
    /// asked before the clause's first token is taken, which is itself the first of its line.
    var atClauseEnd: Bool {
        switch current.kind {
        case .end, .semicolon, .closeBrace: true
        default: current.afterNewline && (bracketDepth == 0 || startsLostLine)
        }
    }

    /// Whether the current line, inside of brackets, can only be a new clause or declaration, so
    /// that the brackets were not closed: no list or set has two words in a row like these.
    private var startsLostLine: Bool {
        guard let keyword = current.keyword, KeywordSet.starters.contains(keyword),
            index + 2 < raw.count, !raw[index + 1].afterNewline
        else { return false }
        let next = raw[index + 1]
        if keyword == .group { return raw[index + 2].kind == .equals }
        return switch next.kind {
        case .string, .openBrace: true
        case .word: !KeywordSet.reserved.contains(next.keyword) || keyword == .from
        default: false
        }
    }

    /// Makes the current token belong to the clause of the line before.
    mutating func joinLine() { current.afterNewline = false }

    /// Whether the keyword is next in this clause; notes that it would have been accepted.
    mutating func at(_ keyword: Keyword) -> Bool {
        expected.insert(keyword)
        return current.keyword == keyword && !atClauseEnd
    }

    /// The keyword that is next in this clause, if it is one of these.
    mutating func at(anyOf keywords: KeywordSet) -> Keyword? {
        expected.formUnion(keywords)
        guard keywords.contains(current.keyword), !atClauseEnd else { return nil }
        return current.keyword
    }

    func at(_ kind: RawToken.Kind) -> Bool { current.kind == kind && !atClauseEnd }

    var atName: Bool {
        guard !atClauseEnd else { return false }
        return current.kind == .string || current.kind == .word && isName(bytes(current))
    }

    /// The token after the current one, if it belongs to the same clause.
    var lookahead: RawToken? {
        guard index + 1 < raw.count else { return nil }
        let next = raw[index + 1]
        switch next.kind {
        case .end, .semicolon, .closeBrace: return nil
        default: return next.afterNewline && bracketDepth == 0 ? nil : next
        }
    }

    func bytes(_ token: RawToken) -> ArraySlice<UInt8> { source.bytes[token.start..<token.end] }

    func text(_ token: RawToken) -> String { String(decoding: bytes(token), as: UTF8.self) }

    /// Whether the current token touches the one taken last.
    var isAdjacent: Bool { current.start == previousEnd }

    /// Spaces and tabs right before a token that is the first of its line.
    func indentation(_ token: RawToken) -> Int {
        var start = token.start
        while start > trailingEnd,
            [UInt8(ascii: " "), UInt8(ascii: "\t")].contains(source.bytes[start - 1])
        { start -= 1 }
        return token.start - start
    }

    // MARK: Taking

    /// Takes the current token whole.
    mutating func take(_ kind: TokenKind) {
        tokens.append(
            SyntaxToken(
                kind: kind, leadingStart: trailingEnd, start: current.start, end: current.end,
                trailingEnd: current.trailingEnd))
        if current.afterNewline { lineIndentation = indentation(current) }
        previousEnd = current.end
        previousKind = current.kind
        trailingEnd = current.trailingEnd
        expected.removeAll()
        guard index + 1 < raw.count else { return }
        index += 1
        current = raw[index]
    }

    /// Takes the first bytes of a raw word; the rest of it comes next.
    mutating func take(prefix count: Int, _ kind: TokenKind) {
        let end = current.start + count
        guard end < current.end else { return take(kind) }
        tokens.append(
            SyntaxToken(
                kind: kind, leadingStart: trailingEnd, start: current.start, end: end,
                trailingEnd: end))
        if current.afterNewline { lineIndentation = indentation(current) }
        previousEnd = end
        previousKind = .word
        trailingEnd = end
        expected.removeAll()
        current.start = end
        current.afterNewline = false
        current.keyword = nil
    }

    /// Takes the keyword if it is next.
    mutating func take(_ keyword: Keyword) -> Bool {
        guard at(keyword) else { return false }
        take(.keyword)
        return true
    }

    /// The tokens taken so far, to see whether a loop makes progress.
    var takenCount: Int { tokens.count }

    // MARK: Nodes

    mutating func open(_ kind: SyntaxKind) -> Int {
        records.append(
            SyntaxTree.Record(
                kind: kind, firstToken: tokens.count, endToken: tokens.count, endNode: 0))
        return records.count - 1
    }

    mutating func close(_ node: Int) {
        records[node].endToken = tokens.count
        records[node].endNode = records.count
    }

    mutating func close(_ node: Int, as kind: SyntaxKind) {
        records[node].kind = kind
        close(node)
    }

    // MARK: Ranges

    func range(_ start: Int, _ end: Int) -> SourceRange {
        SourceRange(source: id, start: start, end: end)
    }

    func range(_ token: RawToken) -> SourceRange { range(token.start, token.end) }

    /// From a production's first byte to the end of the last token taken.
    func range(from start: Int) -> SourceRange { range(start, previousEnd) }

    /// Right behind the last token taken: where something is missing.
    var gap: SourceRange { range(previousEnd, previousEnd) }
}
