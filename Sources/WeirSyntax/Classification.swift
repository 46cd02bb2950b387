// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which bytes of a text are what, for colouring it while it is typed. It asks the parser, so a word
// that is a keyword in one place and a name in another is coloured by where it stands.

public import WeirDiagnostics

/// What a piece of text is to a reader.
public enum TokenClass: String, CaseIterable, Sendable {
    case keyword, name, number, unit, address, string, comment
    /// Punctuation and operators.
    case `operator`
    /// What the parser could make nothing of.
    case error
}

/// The classes of all that is not white space, in order, without overlaps; offsets are bytes.
public func classify(_ text: SourceText) -> [(range: Range<Int>, tokenClass: TokenClass)] {
    let tree = parse(text, id: SourceID(index: 0)).tree
    var out: [(range: Range<Int>, tokenClass: TokenClass)] = []
    func comments(_ range: Range<Int>) {
        for case .comment(let place) in triviaPieces(text.bytes, in: range) {
            out.append((place, .comment))
        }
    }
    for token in tree.tokens {
        comments(token.leadingTrivia)
        if let tokenClass = tokenClass(token, in: text.bytes), !token.text.isEmpty {
            out.append((token.text, tokenClass))
        }
        comments(token.trailingTrivia)
    }
    return out
}

private func tokenClass(_ token: SyntaxToken, in bytes: [UInt8]) -> TokenClass? {
    switch token.kind {
    case .keyword: .keyword
    case .name: .name
    case .string: .string
    case .number, .time: .number
    case .unit: .unit
    case .address: .address
    case .punctuation: .operator
    case .unexpected: .error
    case .end: nil
    }
}

/// Whether a text may be taken as it stands: no brace, bracket or parenthesis waits for its
/// counterpart. False asks for another line.
public func isComplete(_ text: SourceText) -> Bool {
    var open = 0
    for token in Lexer(text, id: SourceID(index: 0)).tokens {
        switch token.kind {
        case .openBrace, .openParenthesis, .openBracket: open += 1
        case .closeBrace, .closeParenthesis, .closeBracket: open -= 1
        default: break
        }
    }
    return open <= 0
}
