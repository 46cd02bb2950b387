// SPDX-License-Identifier: GPL-3.0-or-later
//
// A YAML document as a tree in which every node knows its bytes. Aliases share the node they
// name, so memory does not grow with them; what they would expand to is counted and bounded.

import WeirDiagnostics

/// One node of a document.
struct YamlNode {
    struct Entry {
        let key: YamlNode
        let value: YamlNode
    }
    enum Content {
        case scalar(String, isPlain: Bool)
        case sequence([YamlNode])
        case mapping([Entry])
    }
    let content: Content
    let range: SourceRange
    /// Nodes below it and itself, aliases expanded.
    let weight: Int
    /// 1 for a scalar.
    let depth: Int

    /// Whether the node says "nothing": an empty plain scalar, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// What the node is, for messages.
    var kindName: String {
        switch content {
        case .scalar: isNull ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// What an inventory may cost at most.
enum YamlLimits {
    static let depth = 32
    /// Nodes with all aliases expanded.
    static let nodes = 4_000_000
}

/// Builds the tree of the first document. Stops at the first error: a half-read document would
/// only breed further messages.
struct YamlComposer {
    private struct Frame {
        let isMapping: Bool
        let anchor: String?
        let start: Int
        var items: [YamlNode] = []
        var entries: [YamlNode.Entry] = []
        var key: YamlNode?
        var weight = 1
        var depth = 1
    }

    private let source: SourceID
    private var stack: [Frame] = []
    private var anchors: [String: YamlNode] = [:]
    private var documents = 0
    private(set) var root: YamlNode?
    private(set) var diagnostic: Diagnostic?

    /// The first document of a text; nil where it has none or where something is wrong.
    static func compose(_ text: SourceText, id: SourceID) -> (YamlNode?, Diagnostic?) {
        var composer = YamlComposer(source: id)
        do throws(YamlSyntaxError) {
            try readYamlEvents(text.bytes) { composer.take($0) }
        } catch {
            return (nil, composer.diagnostic ?? composer.describe(error, text))
        }
        return composer.diagnostic == nil
            ? (composer.root, nil) : (nil, composer.diagnostic)
    }

    private init(source: SourceID) { self.source = source }

    private func range(_ bytes: Range<Int>) -> SourceRange {
        SourceRange(source: source, start: bytes.lowerBound, end: bytes.upperBound)
    }

    private func describe(_ error: YamlSyntaxError, _ text: SourceText) -> Diagnostic {
        let place = range(error.offset..<error.offset)
        let isTab = text.bytes.dropFirst(error.offset).first == UInt8(ascii: "\t")
        let context = error.context.flatMap { $0.offset == error.offset ? nil : $0 }
        return Diagnostic(
            .error, "yaml-syntax", "not YAML: \(error.problem)", at: place,
            related: context.map {
                [RelatedPlace(range: range($0.offset..<$0.offset), message: $0.text)]
            } ?? [],
            help: isTab
                ? "YAML is indented with spaces, never with tabs"
                : "check indentation, colons and quotes here and on the line above")
    }

    /// Whether reading goes on.
    private mutating func take(_ event: YamlEvent) -> Bool {
        switch event.kind {
        case .documentStart:
            documents += 1
            guard documents == 1 else {
                return fail(
                    "several-documents", "an inventory is one YAML document", event.bytes,
                    help: "put the documents into files of their own")
            }
        case .scalar(let text, let isPlain, let anchor, let tag):
            let node = YamlNode(
                content: .scalar(text, isPlain: isPlain), range: range(event.bytes), weight: 1,
                depth: 1)
            if let anchor { anchors[anchor] = node }
            return check(tag: tag, event.bytes) && place(node)
        case .sequenceStart(let anchor, let tag):
            return check(tag: tag, event.bytes) && open(event, isMapping: false, anchor)
        case .mappingStart(let anchor, let tag):
            return check(tag: tag, event.bytes) && open(event, isMapping: true, anchor)
        case .containerEnd: return close(event)
        case .alias(let name): return placeAlias(name, event.bytes)
        case .streamEnd: break
        }
        return true
    }

    private mutating func open(_ event: YamlEvent, isMapping: Bool, _ anchor: String?) -> Bool {
        guard stack.count < YamlLimits.depth else {
            return fail(
                "nesting", "nested more than \(YamlLimits.depth) deep", event.bytes,
                help: "an inventory is at most five levels deep")
        }
        stack.append(Frame(isMapping: isMapping, anchor: anchor, start: event.bytes.lowerBound))
        return true
    }

    private mutating func close(_ event: YamlEvent) -> Bool {
        guard let frame = stack.popLast() else { return true }
        let node = YamlNode(
            content: frame.isMapping ? .mapping(frame.entries) : .sequence(frame.items),
            range: range(frame.start..<event.bytes.upperBound), weight: frame.weight,
            depth: frame.depth)
        if let anchor = frame.anchor { anchors[anchor] = node }
        return place(node)
    }

    private mutating func placeAlias(_ name: String, _ bytes: Range<Int>) -> Bool {
        if stack.contains(where: { $0.anchor == name }) {
            return fail(
                "recursive-anchor", "anchor \(quoted(name)) contains itself", bytes,
                help: "write out what is meant here")
        }
        guard let node = anchors[name] else {
            let suggestion = nearestName(to: name, among: anchors.keys)
            return fail(
                "unknown-anchor", "no anchor \(quoted(name)) above this place", bytes,
                help: suggestion.map { "did you mean \(quoted("*" + $0))?" }
                    ?? "define it first: \(quoted("&" + name))")
        }
        return place(node, at: bytes)
    }

    private mutating func place(_ node: YamlNode, at bytes: Range<Int>? = nil) -> Bool {
        guard !stack.isEmpty else {
            root = node
            return true
        }
        let top = stack.count - 1
        stack[top].weight += node.weight
        stack[top].depth = max(stack[top].depth, node.depth + 1)
        let total = stack.reduce(0) { $0 + $1.weight }
        guard total <= YamlLimits.nodes, stack.count + node.depth <= YamlLimits.depth + 1 else {
            let much =
                total > YamlLimits.nodes
                ? "\(YamlLimits.nodes) nodes" : "\(YamlLimits.depth) levels"
            return fail(
                "alias-expansion", "aliases expanded, the inventory has more than \(much)",
                bytes ?? node.range.bytes, help: "aliases of aliases multiply: write values out")
        }
        guard stack[top].isMapping else {
            stack[top].items.append(node)
            return true
        }
        if let key = stack[top].key {
            stack[top].entries.append(YamlNode.Entry(key: key, value: node))
            stack[top].key = nil
        } else {
            stack[top].key = node
        }
        return true
    }

    private mutating func check(tag: String?, _ bytes: Range<Int>) -> Bool {
        guard let tag, tag != "!" else { return true }
        let known = ["str", "int", "float", "null", "seq", "map"].map { "tag:yaml.org,2002:" + $0 }
        guard !known.contains(tag) else { return true }
        return fail(
            "unknown-tag", "the tag \(quoted(tag)) has no meaning in an inventory", bytes,
            help: "leave it out")
    }

    private mutating func fail(
        _ code: String, _ message: String, _ bytes: Range<Int>, help: String
    ) -> Bool {
        diagnostic = Diagnostic(.error, code, message, at: range(bytes), help: help)
        return false
    }
}
