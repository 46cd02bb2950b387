// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a declaration is known by across files: edits, merges and messages all speak of
// declarations by name, never by place, so that an edit can follow its declaration to wherever
// somebody else has moved it meanwhile.

public import WeirDiagnostics
import WeirSyntax

/// A declaration's name in a policy set.
public enum DeclarationName: Hashable, Sendable, Codable {
    case policy(layer: String, name: String)
    case group(String)
    case port(String)
    case pattern(String)
    /// The one `layers` block.
    case layers
    /// `assert`, `when` and `landscape` have no name: their text, on one line, stands for it.
    case unnamed(String)

    /// `policy security.az-bulkhead`, as messages say it.
    public var text: String {
        switch self {
        case .policy(let layer, let name): "policy \(layer).\(name)"
        case .group(let name): "group \(name)"
        case .port(let name): "port \(name)"
        case .pattern(let name): "pattern \(name)"
        case .layers: "the layers block"
        case .unnamed(let text): text
        }
    }
}

/// A declaration with its place.
public struct NamedDeclaration: Sendable {
    public let name: DeclarationName
    public let range: SourceRange
}

/// A text on one line, its white space and comments reduced to single spaces.
func normalized(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline)
        .map { $0.prefix { $0 != "#" } }
        .flatMap { $0.split(whereSeparator: \.isWhitespace) }
        .joined(separator: " ")
}

extension ParsedFile {
    /// All declarations of the file that an edit can be about, in order.
    var namedDeclarations: [NamedDeclaration] {
        var found: [NamedDeclaration] = []
        eachDeclaration { name, range in
            found.append(NamedDeclaration(name: name, range: range))
            return true
        }
        return found
    }

    /// Where a declaration stands; nil if it is not in this file.
    func range(of wanted: DeclarationName) -> SourceRange? {
        var found: SourceRange?
        eachDeclaration { name, range in
            if name == wanted { found = range }
            return found == nil
        }
        return found
    }

    /// Calls the body until it says false.
    private func eachDeclaration(_ body: (DeclarationName, SourceRange) -> Bool) {
        func unnamed(_ range: SourceRange) -> Bool {
            body(.unnamed(normalized(tree.source.text(in: range.bytes))), range)
        }
        for declaration in file.declarations {
            let goesOn: Bool
            switch declaration {
            case .group(let item): goesOn = body(.group(item.name.text), item.range)
            case .port(let item): goesOn = body(.port(item.name.text), item.range)
            case .pattern(let item): goesOn = body(.pattern(item.name.text), item.range)
            case .layers(let item): goesOn = body(.layers, item.range)
            case .landscape(let item): goesOn = unnamed(item.range)
            case .assertion(let item): goesOn = unnamed(item.range)
            case .trigger(let item): goesOn = unnamed(item.range)
            case .layer(let block):
                // By index: a declaration is large, and there may be ten thousand.
                goesOn = block.policies.indices.allSatisfy { index in
                    body(
                        .policy(
                            layer: block.name.text, name: block.policies[index].name.text),
                        block.policies[index].range)
                }
            }
            if !goesOn { return }
        }
    }
}
