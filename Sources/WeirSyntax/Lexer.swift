// SPDX-License-Identifier: GPL-3.0-or-later
//
// Bytes to raw tokens. A raw word is any run of bytes that no punctuation or space divides:
// `tcp/8000-8100`, `2001:db8::/32`, `az-bulkhead`, `1h30m`. What it means, and whether it must be
// split, depends on where it stands, so the parser decides. Every byte ends up in some token.

import WeirDiagnostics

/// A token before the parser has given it a meaning.
struct RawToken {
    enum Kind: UInt8 {
        case word, string, openBrace, closeBrace, openParenthesis, closeParenthesis
        case openBracket, closeBracket, comma, semicolon, equals, exclamation, comparison
        /// `&`, `|`, `==`, `!=`, `'…'`: never right, kept as tokens so that messages can help.
        case stray
        case end
    }
    var kind: Kind
    var keyword: Keyword?
    var start: Int
    var end: Int
    var trailingEnd: Int
    /// A newline lies between the previous token and this one.
    var afterNewline: Bool
}

struct Lexer {
    private let bytes: [UInt8]
    private let lineStarts: [Int]
    private let id: SourceID
    private let keywords = KeywordTable()
    private var position = 0
    private(set) var tokens: [RawToken] = []
    private(set) var problems: [Diagnostic] = []
    /// Rests of lines that hold a reported problem: what the parser finds there is its consequence.
    /// In order, without overlaps.
    private(set) var troubled: [Range<Int>] = []

    init(_ text: SourceText, id: SourceID) {
        bytes = text.bytes
        lineStarts = text.lineStarts
        self.id = id
        tokens.reserveCapacity(bytes.count / 5 + 1)
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        run()
    }

    private mutating func run() {
        while true {
            let newline = trivia(leading: true)
            let start = position
            guard start < bytes.count else {
                tokens.append(
                    RawToken(
                        kind: .end, keyword: nil, start: start, end: start, trailingEnd: start,
                        afterNewline: newline))
                return
            }
            let kind = token()
            let end = position
            let keyword = kind == .word ? keywords.keyword(bytes[start..<end]) : nil
            _ = trivia(leading: false)
            tokens.append(
                RawToken(
                    kind: kind, keyword: keyword, start: start, end: end, trailingEnd: position,
                    afterNewline: newline))
        }
    }

    // MARK: Trivia

    /// Passes over trivia and says whether a newline was among it; trailing trivia stops there.
    private mutating func trivia(leading: Bool) -> Bool {
        var newline = false
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"):
                position += 1
            case UInt8(ascii: "\n"):
                guard leading else { return newline }
                newline = true
                position += 1
            case UInt8(ascii: "#"):
                comment()
            case let byte where byte < 0x20 || byte >= 0x7F:
                let start = position
                guard skipMeaningless() else { return newline }
                trouble(from: leading && newline ? start : tokens.last?.end ?? start)
            default:
                return newline
            }
        }
        return newline
    }

    private mutating func comment() {
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") {
            let byte = bytes[position]
            if byte >= 0x80, let (scalar, length) = decodeScalar(bytes, at: position),
                !changesDirection(scalar)
            {
                position += length
            } else if byte >= 0x7F || byte < 0x20 && byte != 0x09 && byte != 0x0D {
                _ = skipMeaningless()
            } else {
                position += 1
            }
        }
    }

    /// Passes over a run of control characters, bytes that are not UTF-8, or characters that look
    /// like spaces or quotes and are none; reports it. False if what stands here may be a word.
    private mutating func skipMeaningless() -> Bool {
        let start = position
        if let (scalar, length) = decodeScalar(bytes, at: start) {
            guard let what = meaninglessName(scalar) else { return false }
            repeat { position += length } while decodeScalar(bytes, at: position)?.0 == scalar
            report(
                "invalid-character", "unexpected \(what)", start..<position,
                help: "remove it, or write its plain ASCII counterpart")
            return true
        }
        while position < bytes.count, decodeScalar(bytes, at: position) == nil { position += 1 }
        let byte = String(bytes[start], radix: 16)
        report(
            "invalid-utf8", "byte `0x\(byte)` is not UTF-8", start..<position,
            help: "save the file as UTF-8")
        return true
    }

    // MARK: Tokens

    private mutating func token() -> RawToken.Kind {
        let byte = bytes[position]
        let kind: RawToken.Kind
        switch byte {
        case UInt8(ascii: "{"): kind = .openBrace
        case UInt8(ascii: "}"): kind = .closeBrace
        case UInt8(ascii: "("): kind = .openParenthesis
        case UInt8(ascii: ")"): kind = .closeParenthesis
        case UInt8(ascii: "["): kind = .openBracket
        case UInt8(ascii: "]"): kind = .closeBracket
        case UInt8(ascii: ","): kind = .comma
        case UInt8(ascii: ";"): kind = .semicolon
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: "'"): return singleQuoted()
        case UInt8(ascii: "&"), UInt8(ascii: "|"):
            while position < bytes.count, bytes[position] == byte { position += 1 }
            return .stray
        case UInt8(ascii: "="), UInt8(ascii: "!"), UInt8(ascii: "<"), UInt8(ascii: ">"):
            position += 1
            let doubled = position < bytes.count && bytes[position] == UInt8(ascii: "=")
            if doubled { position += 1 }
            if byte == UInt8(ascii: "<") || byte == UInt8(ascii: ">") { return .comparison }
            if doubled { return .stray }
            return byte == UInt8(ascii: "=") ? .equals : .exclamation
        default: return word()
        }
        position += 1
        return kind
    }

    private mutating func word() -> RawToken.Kind {
        while position < bytes.count {
            let byte = bytes[position]
            if byte < 0x80 {
                guard isWordByte(byte) else { break }
                position += 1
            } else {
                guard let (scalar, length) = decodeScalar(bytes, at: position),
                    meaninglessName(scalar) == nil
                else { break }
                position += length
            }
        }
        return .word
    }

    /// A string ends at its quote, or in error at the end of the line.
    private mutating func string() -> RawToken.Kind {
        let start = position
        position += 1
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return .string
            case UInt8(ascii: "\n"):
                endUnterminated(from: start)
                return .string
            case UInt8(ascii: "\\"):
                escape()
            case let byte where byte < 0x20 || byte >= 0x7F:
                if let (scalar, length) = decodeScalar(bytes, at: position),
                    scalar.value >= 0xA0 && !changesDirection(scalar) || endsLine(position)
                {
                    position += length
                } else {
                    _ = skipMeaningless()
                }
            default:
                position += 1
            }
        }
        endUnterminated(from: start)
        return .string
    }

    private func endsLine(_ offset: Int) -> Bool {
        bytes[offset] == UInt8(ascii: "\r") && offset + 1 < bytes.count
            && bytes[offset + 1] == UInt8(ascii: "\n")
    }

    private mutating func escape() {
        let start = position
        position += 1
        guard position < bytes.count, bytes[position] != UInt8(ascii: "\n") else { return }
        let next = bytes[position]
        if next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") {
            position += 1
            return
        }
        report(
            "bad-escape", "a backslash in a string stands before `\"` or `\\` only",
            start..<position, help: "write `\\\\` for a backslash",
            fixIt: ("double the backslash", start, "\\"))
    }

    private mutating func endUnterminated(from start: Int) {
        while position > start + 1,
            [UInt8(ascii: "\r"), UInt8(ascii: " "), UInt8(ascii: "\t")]
                .contains(bytes[position - 1])
        { position -= 1 }
        trouble(from: position)
        report(
            "unterminated-string", "this string does not end on its line", start..<position,
            help: "close it with `\"`", fixIt: ("close the string", position, "\""))
    }

    /// `'…'` on one line, taken whole so that one message says what is wrong.
    private mutating func singleQuoted() -> RawToken.Kind {
        var end = position + 1
        while end < bytes.count, bytes[end] != UInt8(ascii: "\n") {
            end += 1
            guard bytes[end - 1] != UInt8(ascii: "'") else {
                position = end
                return .stray
            }
        }
        position += 1
        return .stray
    }

    /// Marks the line from an offset to its end.
    private mutating func trouble(from start: Int) {
        if let last = troubled.last, start < last.upperBound { return }
        var low = 0
        var high = lineStarts.count
        while low < high {
            let middle = (low + high) / 2
            if lineStarts[middle] <= position { low = middle + 1 } else { high = middle }
        }
        let end = low < lineStarts.count ? lineStarts[low] : bytes.count + 1
        troubled.append(start..<max(start, end))
    }

    private mutating func report(
        _ code: String, _ message: String, _ range: Range<Int>, help: String,
        fixIt: (message: String, offset: Int, insertion: String)? = nil
    ) {
        guard problems.count < Parser.diagnosticLimit else { return }
        let fixIts = fixIt.map { fix in
            let place = SourceRange(source: id, start: fix.offset, end: fix.offset)
            return FixIt(
                message: fix.message,
                edits: [TextEdit(range: place, replacement: fix.insertion)])
        }
        problems.append(
            Diagnostic(
                .error, code, message,
                at: SourceRange(source: id, start: range.lowerBound, end: range.upperBound),
                help: help, fixIts: fixIts.map { [$0] } ?? []))
        guard problems.count == Parser.diagnosticLimit else { return }
        problems.append(
            Diagnostic(
                .error, "too-many-errors", "more than \(Parser.diagnosticLimit) errors",
                at: problems[problems.count - 1].range,
                help: "mend the first ones; is this a policy file?"))
    }
}
