// SPDX-License-Identifier: GPL-3.0-or-later
//
// Braces and recovery. Where a brace is missing, the indentation tells which one was meant: it
// never changes what a sound file means, but it decides how the mistake is reported and where the
// parser goes on.

import WeirDiagnostics

/// An open brace and what it belongs to.
struct OpenBrace {
    enum Kind { case layers, layer, clauses }
    let kind: Kind
    let range: SourceRange
    let owner: BlockOwner
    /// Of the line that the owner begins on, in spaces and tabs.
    let indentation: Int
}

/// What a block belongs to, put into words only when something is wrong.
struct BlockOwner: CustomStringConvertible {
    let keyword: Keyword
    let name: Name?

    /// "policy `az-bulkhead`"
    var description: String {
        guard let name else { return keyword == .layers ? "`layers`" : keyword.text }
        return "\(keyword.text) \(quoted(name.text))"
    }
}

extension Parser {
    /// Parses `{ item; item … }`, on one line or many. `isSound` is false where the header has been
    /// reported already. Returns false if there was no block.
    mutating func block(
        _ kind: OpenBrace.Kind, of owner: BlockOwner, indentation: Int, isSound: Bool,
        item: (inout Parser) -> Void
    ) -> Bool {
        guard openBrace(kind, of: owner, indentation: indentation, isSound: isSound) else {
            return false
        }
        while !closesBlock() {
            if current.kind == .semicolon {
                take(.punctuation)
                continue
            }
            let before = takenCount
            item(&self)
            if takenCount == before { skipToken() }
            endItem(starters: kind == .clauses ? .clauses : [])
        }
        openBraces.removeLast()
        return true
    }

    private mutating func openBrace(
        _ kind: OpenBrace.Kind, of owner: BlockOwner, indentation: Int, isSound: Bool
    ) -> Bool {
        if isSound, current.kind != .openBrace {
            let fixIt = insertion(" {", at: previousEnd, "open the block")
            if atClauseEnd {
                error(
                    "missing-brace", "\(owner) has no `{`", at: gap,
                    help: "what belongs to it stands between `{` and `}`", fixIts: [fixIt])
            } else {
                errorExpected("`{`")
            }
        }
        while current.kind != .openBrace, !atClauseEnd { skipToken() }
        let brace: SourceRange
        if current.kind == .openBrace {
            brace = range(current)
            take(.punctuation)
        } else {
            brace = gap
            guard current.afterNewline, startsItem(of: kind) else { return false }
        }
        openBraces.append(
            OpenBrace(kind: kind, range: brace, owner: owner, indentation: indentation))
        return true
    }

    private func startsItem(of kind: OpenBrace.Kind) -> Bool {
        switch kind {
        case .layers:
            current.kind == .word && !KeywordSet.declarations.contains(current.keyword)
        case .layer: current.keyword == .policy
        case .clauses: KeywordSet.clauses.contains(current.keyword)
        }
    }

    /// Takes the closing brace, or notices that it is missing; false if an item comes next.
    private mutating func closesBlock() -> Bool {
        if hasGivenUp { skipRest() }
        let block = openBraces[openBraces.count - 1]
        if current.kind == .closeBrace {
            noteIndentation(of: block)
            take(.punctuation)
            return true
        }
        guard ends(block) else { return false }
        if missingBraceOffset != current.start { reportMissingBraces() }
        missingBraceOffset = current.start
        return true
    }

    /// Whether what comes next can only stand outside of the block, so that its brace is missing.
    private func ends(_ block: OpenBrace) -> Bool {
        if current.kind == .end { return true }
        var outer = KeywordSet.declarations
        if block.kind == .clauses { outer.insert(.policy) }
        guard outer.contains(current.keyword) else { return false }
        if block.kind == .layers {
            guard let next = lookahead, next.keyword != .default else { return false }
        }
        return !current.afterNewline || indentation(current) <= block.indentation
            || openBraces.count > 2
    }

    private mutating func reportMissingBraces() {
        let unclosed = openBraces.reversed().prefix { ends($0) }
        guard let innermost = unclosed.first else { return }
        let owners = unclosed.map(\.owner.description).joined(separator: " and ")
        let related =
            [suspiciousClose].compactMap { $0 }
            + unclosed.map { RelatedPlace(range: $0.range, message: "opened here") }
        let isOneLine = !source.bytes[innermost.range.end..<previousEnd]
            .contains(UInt8(ascii: "\n"))
        let braces = unclosed.map { block in
            isOneLine ? " }" : "\n" + String(repeating: " ", count: block.indentation) + "}"
        }
        error(
            "missing-brace",
            "missing `}`: \(owners) \(unclosed.count > 1 ? "are" : "is") not closed",
            at: gap, related: related,
            help: suspiciousClose == nil ? "close it with `}`" : "close it where it ends",
            fixIts: [
                insertion(
                    braces.joined(), at: previousEnd,
                    unclosed.count > 1 ? "add \(unclosed.count) closing braces" : "add `}`")
            ])
        suspiciousClose = nil
    }

    /// Remembers a brace that closes one block while it is indented like another, enclosing one.
    private mutating func noteIndentation(of block: OpenBrace) {
        guard current.afterNewline, suspiciousClose == nil else { return }
        let column = indentation(current)
        guard column < block.indentation,
            let meant = openBraces.dropLast().last(where: { $0.indentation == column })
        else { return }
        suspiciousClose = RelatedPlace(
            range: range(current),
            message: "closes \(block.owner), but is indented like \(meant.owner)")
    }

    // MARK: Recovery

    /// After a complete item: nothing else may stand on its line without a `;`.
    mutating func endItem(starters: KeywordSet) {
        guard previousKind != .closeBrace, !atClauseEnd else { return }
        if starters.contains(current.keyword) {
            error(
                "missing-separator",
                "expected a newline or `;` before \(quoted(bytes(current)))", at: range(current),
                help: "one clause or declaration a line, or `;` between them",
                fixIts: [insertion(";", at: previousEnd, "add `;`")])
            return
        }
        if let block = openBraces.last, ends(block) { return }
        if missingBraceOffset == current.start { return }
        let here = expected.keywords.map(\.text)
        errorExpected(
            "the end of the line",
            help: here.isEmpty
                ? nil : "what may follow here: \(alternatives(here)), or a newline")
        skipClause()
    }

    /// Takes one token that belongs to nothing.
    mutating func skipToken() {
        let node = open(.unexpected)
        take(.unexpected)
        close(node)
    }

    /// Skips what is left of a clause or declaration that went wrong. If it went wrong inside of
    /// brackets, their other lines are part of it.
    mutating func skipClause() {
        let wasInBrackets = bracketDepth > 0
        bracketDepth = 0
        if hasGivenUp { return skipRest() }
        guard !atClauseEnd || wasInBrackets else { return }
        let node = open(.unexpected)
        defer { close(node) }
        while true {
            switch current.kind {
            case .end, .semicolon, .closeBrace: return
            case _ where current.afterNewline && !(wasInBrackets && !startsAnything): return
            case .openBrace: return skipBraces()
            default: take(.unexpected)
            }
        }
    }

    /// Takes what is left of the file, so that garbage costs no more than its bytes.
    mutating func skipRest() {
        let node = open(.unexpected)
        while current.kind != .end { take(.unexpected) }
        close(node)
    }

    private var startsAnything: Bool { KeywordSet.starters.contains(current.keyword) }

    /// Skips `{ … }` with all that is in it; if it is never closed, up to a declaration in the
    /// first column.
    mutating func skipBraces() {
        var depth = 0
        repeat {
            switch current.kind {
            case .end: return
            case .openBrace: depth += 1
            case .closeBrace: depth -= 1
            default:
                let isFirst = current.start == 0 || source.bytes[current.start - 1] == 0x0A
                if isFirst, KeywordSet.declarations.contains(current.keyword) { return }
            }
            take(.unexpected)
        } while depth > 0
    }
}
