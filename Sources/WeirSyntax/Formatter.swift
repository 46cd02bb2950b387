// SPDX-License-Identifier: GPL-3.0-or-later
//
// The canonical layout: four spaces a level, one clause a line, one space between tokens, at most
// one blank line, comments where they were and aligned where they end consecutive lines. Two things
// stay as the operator wrote them, because they carry intent: a block written on one line stays on
// one line if it fits in 100 columns and holds no comment (`policy shut { from backup to any; drop
// }`), and line breaks inside of brackets stay.

import WeirDiagnostics

/// The file in canonical layout; it parses to the same declarations, and formatting it again
/// changes nothing. A file with syntax errors gives nil: what is not understood is not moved.
public func format(_ parsed: ParsedFile) -> String? {
    guard !parsed.diagnostics.hasErrors else { return nil }
    var formatter = Formatter(tree: parsed.tree)
    formatter.format()
    return formatter.text
}

/// Walks the tree and writes lines.
private struct Formatter {
    static let columns = 100

    struct Line {
        var indentation: Int
        var code: String
        var comment: String?
        var isBlankBefore = false

        var width: Int { indentation * 4 + code.unicodeScalars.count }
    }

    let tree: SyntaxTree
    var lines: [Line] = []
    /// Whether the last line may still be continued.
    var isLineOpen = false
    var indentation = 0
    /// Depth of brackets in the item being written, for lines broken inside of them.
    var bracketDepth = 0
    /// Set where the block just opened has nothing in it yet, so that no blank line comes first.
    var isAtBlockStart = true
    /// A blank line was passed and is owed to what comes next.
    var owesBlankLine = false
    /// What was written last on the open line.
    var last: SyntaxToken?
    /// Comments that must wait for the end of the line being written.
    var waitingComments: [String] = []

    init(tree: SyntaxTree) { self.tree = tree }

    mutating func format() {
        for element in tree.root.children { item(element) }
    }

    // MARK: Lines

    var text: String {
        var out = ""
        var index = 0
        while index < lines.count {
            // Comments at the ends of consecutive lines stand in one column.
            var end = index
            while end < lines.count, lines[end].comment != nil, !lines[end].code.isEmpty,
                end == index
                    || !lines[end].isBlankBefore
                        && lines[end].indentation == lines[index].indentation
            { end += 1 }
            let column = lines[index..<end].map(\.width).max() ?? 0
            for line in lines[index..<max(end, index + 1)] { append(line, column, to: &out) }
            index = max(end, index + 1)
        }
        return out
    }

    private func append(_ line: Line, _ column: Int, to out: inout String) {
        if line.isBlankBefore { out += "\n" }
        out += String(repeating: " ", count: line.indentation * 4) + line.code
        if let comment = line.comment {
            if !line.code.isEmpty {
                out += String(repeating: " ", count: max(0, column - line.width) + 1)
            }
            out += comment
        }
        out += "\n"
    }

    private mutating func startLine(_ indentation: Int) {
        lines.append(
            Line(
                indentation: indentation, code: "",
                isBlankBefore: owesBlankLine && !isAtBlockStart))
        owesBlankLine = false
        isAtBlockStart = false
        isLineOpen = true
        last = nil
    }

    private mutating func endLine() {
        guard isLineOpen else { return }
        isLineOpen = false
        last = nil
        for comment in waitingComments { ownLine(comment) }
        waitingComments = []
    }

    private mutating func ownLine(_ comment: String) {
        lines.append(
            Line(
                indentation: indentation, code: "", comment: comment,
                isBlankBefore: owesBlankLine && !isAtBlockStart))
        owesBlankLine = false
        isAtBlockStart = false
    }

    // MARK: Trivia

    private func comments(in range: Range<Int>) -> [String] {
        triviaPieces(tree.source.bytes, in: range).compactMap { piece in
            if case .comment(let range) = piece { tree.source.text(in: range) } else { nil }
        }
    }

    /// Comments and blank lines before the first token of an item.
    private mutating func leadingTrivia(of token: SyntaxToken) {
        for piece in triviaPieces(tree.source.bytes, in: token.leadingTrivia) {
            switch piece {
            case .blankLine: owesBlankLine = true
            case .comment(let range): ownLine(tree.source.text(in: range))
            }
        }
    }

    /// A comment at the end of the line just written; a second one goes below it.
    private mutating func trailingTrivia(of token: SyntaxToken) {
        for comment in comments(in: token.trailingTrivia) {
            if let line = lines.last, line.comment == nil, !line.code.isEmpty {
                lines[lines.count - 1].comment = comment
            } else if isLineOpen {
                waitingComments.append(comment)
            } else {
                ownLine(comment)
            }
        }
    }

    // MARK: Items

    /// A declaration, a clause, a separator or the end of the file: what begins a line.
    private mutating func item(_ element: SyntaxElement) {
        switch element {
        case .node(let node):
            let first = tree.tokens[node.tokenRange.lowerBound]
            leadingTrivia(of: first)
            startLine(indentation)
            write(node, skippingTriviaOf: first)
            endLine()
        case .token(let token):
            // A `;` is replaced by the line end; its comments stay.
            leadingTrivia(of: token)
            trailingTrivia(of: token)
        }
    }

    private mutating func write(_ node: SyntaxNode, skippingTriviaOf first: SyntaxToken) {
        let children = node.children
        guard let brace = children.firstIndex(where: isOpeningBrace) else {
            for child in children {
                switch child {
                case .node(let inner): write(inner, skippingTriviaOf: first)
                case .token(let token): write(token, in: node, isFirst: token == first)
                }
            }
            return
        }
        for child in children[..<brace] {
            switch child {
            case .node(let inner): write(inner, skippingTriviaOf: first)
            case .token(let token): write(token, in: node, isFirst: token == first)
            }
        }
        guard case .token(let opening) = children[brace],
            case .token(let closing)? = children.last
        else { return }
        let items = children[(brace + 1)..<(children.count - 1)]
        block(opening, items, closing)
    }

    private func isOpeningBrace(_ element: SyntaxElement) -> Bool {
        guard case .token(let token) = element, token.kind == .punctuation else { return false }
        return tree.source.bytes[token.start] == UInt8(ascii: "{")
    }

    private mutating func block(
        _ opening: SyntaxToken, _ items: ArraySlice<SyntaxElement>, _ closing: SyntaxToken
    ) {
        waitingComments += comments(in: opening.leadingTrivia)
        if let line = oneLine(opening, items, closing) {
            lines[lines.count - 1].code += line
            trailingTrivia(of: closing)
            return
        }
        lines[lines.count - 1].code += " {"
        trailingTrivia(of: opening)
        indentation += 1
        isAtBlockStart = true
        endLine()
        for item in items { self.item(item) }
        leadingTrivia(of: closing)
        indentation -= 1
        owesBlankLine = false
        isAtBlockStart = false
        startLine(indentation)
        lines[lines.count - 1].code = "}"
        trailingTrivia(of: closing)
    }

    /// The block on the current line, if it was written on one line, fits and holds no comment.
    private func oneLine(
        _ opening: SyntaxToken, _ items: ArraySlice<SyntaxElement>, _ closing: SyntaxToken
    ) -> String? {
        guard waitingComments.isEmpty, let line = lines.last else { return nil }
        let inside = opening.end..<closing.start
        let isEmpty = !items.contains { if case .node = $0 { true } else { false } }
        if isEmpty { return comments(in: inside).isEmpty ? " {}" : nil }
        guard line.comment == nil, inside.count <= Self.columns * 4,
            !tree.source.bytes[inside].contains(UInt8(ascii: "\n"))
        else { return nil }
        var inner = Formatter(tree: tree)
        var parts: [String] = []
        for case .node(let node) in items {
            inner.lines = [Line(indentation: 0, code: "")]
            inner.isLineOpen = true
            inner.last = nil
            inner.write(node, skippingTriviaOf: tree.tokens[node.tokenRange.lowerBound])
            guard inner.lines.count == 1, inner.lines[0].comment == nil else { return nil }
            parts.append(inner.lines[0].code)
        }
        let text = " { " + parts.joined(separator: "; ") + " }"
        return line.width + text.unicodeScalars.count <= Self.columns ? text : nil
    }

    // MARK: Tokens

    private mutating func write(_ token: SyntaxToken, in node: SyntaxNode, isFirst: Bool) {
        let bytes = tree.source.bytes
        let text = tree.text(token)
        let closes = text == ")" || text == "]"
        if closes, token.kind == .punctuation { bracketDepth -= 1 }
        if !isFirst, bytes[token.leadingTrivia].contains(UInt8(ascii: "\n")) {
            for comment in comments(in: token.leadingTrivia) {
                startLine(indentation + bracketDepth + (closes ? 1 : 0))
                lines[lines.count - 1].comment = comment
            }
            startLine(indentation + bracketDepth)
        } else if let last, needsSpace(last, token, text, in: node) {
            lines[lines.count - 1].code += " "
        }
        lines[lines.count - 1].code += text
        last = token
        if token.kind == .punctuation, text == "(" || text == "[" { bracketDepth += 1 }
        trailingTrivia(of: token)
    }

    /// Spacing between two tokens of one line.
    private func needsSpace(
        _ left: SyntaxToken, _ right: SyntaxToken, _ text: String, in node: SyntaxNode
    ) -> Bool {
        if right.kind == .punctuation {
            switch text {
            case ",", ")", "]", "/", ".", "-", "%": return false
            case "=" where node.kind == .labelRequirement: return false
            case "(" where node.kind == .parameterList || node.kind == .argumentList:
                return false
            default: break
            }
        }
        guard left.kind == .punctuation else { return true }
        switch tree.text(left) {
        case "(", "[", "!", "/", ".", "-": return false
        case "=": return node.kind != .labelRequirement
        default: return true
        }
    }
}
