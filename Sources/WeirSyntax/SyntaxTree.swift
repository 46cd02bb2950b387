// SPDX-License-Identifier: GPL-3.0-or-later
//
// The lossless tree: every byte of the file is in exactly one token, as its text or as trivia
// around it (white space, comments, bytes that mean nothing). Printing the tree therefore gives the
// file back byte for byte, whatever the file holds. Nodes bear the names of the grammar's
// productions and lie in one array in preorder, which is compact and needs no pointers.

public import WeirDiagnostics

/// The productions of grammar/weir.ebnf; `unexpected` holds what the parser skipped.
public enum SyntaxKind: String, CaseIterable, Sendable {
    case policyFile, landscape, layers, layerEntry, layerDefault, group, port, layer, policy
    case activation, weeklyWindow, overriding, policyReference
    case interaction, zoneRelation, decision, cap, perScope, reservation, limit, burst, excess
    case amount, rate, observe, log, priority, mirror
    case setExpression, setOperand, parenthesizedSet, labelSelector, labelRequirement
    case qualifiedName, address, portList, portExpression
    case assertion, trigger, threshold
    case pattern, parameterList, patternInstance, argumentList, argument
    case unexpected
}

/// What a token is, as the parser took it: `port` is a keyword in one place, a name in another.
public enum TokenKind: Sendable {
    case keyword, name, string, number, unit, address, time, punctuation, unexpected, end
}

/// A token; offsets are bytes in the file. The trivia of neighbours touch.
public struct SyntaxToken: Hashable, Sendable {
    public let kind: TokenKind
    /// Where the leading trivia begins: the end of the previous token's trailing trivia.
    public let leadingStart: Int
    public let start: Int
    public let end: Int
    /// Trailing trivia goes to the end of the line at most, excluding the newline.
    public let trailingEnd: Int

    public var leadingTrivia: Range<Int> { leadingStart..<start }
    public var text: Range<Int> { start..<end }
    public var trailingTrivia: Range<Int> { end..<trailingEnd }
}

/// The syntax of one file.
public struct SyntaxTree: Sendable {
    struct Record: Sendable {
        var kind: SyntaxKind
        var firstToken: Int
        var endToken: Int
        /// One past the last descendant in preorder.
        var endNode: Int
    }

    public let source: SourceText
    /// In order of the file; the last is of kind `end` and empty.
    public let tokens: [SyntaxToken]
    let records: [Record]

    public var root: SyntaxNode { SyntaxNode(tree: self, index: 0) }

    /// The file, put together from the tokens.
    public var bytes: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(source.bytes.count)
        append(root, to: &out)
        return out
    }

    private func append(_ node: SyntaxNode, to out: inout [UInt8]) {
        for element in node.children {
            switch element {
            case .node(let child): append(child, to: &out)
            case .token(let token): out += source.bytes[token.leadingStart..<token.trailingEnd]
            }
        }
    }

    /// The text of a token without its trivia.
    public func text(_ token: SyntaxToken) -> String { source.text(in: token.text) }

    /// The tree as indented text, for tests and for people who debug a grammar.
    public var outline: String {
        var out = ""
        outline(root, depth: 0, to: &out)
        return out
    }

    private func outline(_ node: SyntaxNode, depth: Int, to out: inout String) {
        let indentation = String(repeating: "  ", count: depth)
        out += "\(indentation)\(node.kind.rawValue)\n"
        for element in node.children {
            switch element {
            case .node(let child): outline(child, depth: depth + 1, to: &out)
            case .token(let token): out += "\(indentation)  \(token.kind) `\(text(token))`\n"
            }
        }
    }
}

/// A node of a tree.
public struct SyntaxNode: Sendable {
    public let tree: SyntaxTree
    let index: Int

    public var kind: SyntaxKind { tree.records[index].kind }

    /// Indices into the tree's tokens.
    public var tokenRange: Range<Int> {
        tree.records[index].firstToken..<tree.records[index].endToken
    }

    /// The bytes from the first token's text to the last's, without the trivia around them; empty
    /// for a node without tokens.
    public var text: Range<Int> {
        let range = tokenRange
        guard let last = range.last else {
            let place = tree.tokens[min(range.lowerBound, tree.tokens.count - 1)].start
            return place..<place
        }
        return tree.tokens[range.lowerBound].start..<tree.tokens[last].end
    }

    /// Nodes and tokens right below this one, in order.
    public var children: [SyntaxElement] {
        let record = tree.records[index]
        var out: [SyntaxElement] = []
        var token = record.firstToken
        var child = index + 1
        while child < record.endNode {
            let next = tree.records[child]
            while token < next.firstToken {
                out.append(.token(tree.tokens[token]))
                token += 1
            }
            out.append(.node(SyntaxNode(tree: tree, index: child)))
            token = next.endToken
            child = next.endNode
        }
        while token < record.endToken {
            out.append(.token(tree.tokens[token]))
            token += 1
        }
        return out
    }
}

public enum SyntaxElement: Sendable {
    case node(SyntaxNode)
    case token(SyntaxToken)
}

/// What a parse gives: the tree of every byte, the typed view of what was understood, and
/// everything that was wrong.
public struct ParsedFile: Sendable {
    public let tree: SyntaxTree
    public let file: PolicyFile
    /// In order of place.
    public let diagnostics: [Diagnostic]
    /// Names whose declarations are absent from `file`, or present without the parts that could
    /// not be parsed. Resolution need not complain that these are unknown.
    public let damagedNames: [Name]
}
