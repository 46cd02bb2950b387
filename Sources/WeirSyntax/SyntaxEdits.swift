// SPDX-License-Identifier: GPL-3.0-or-later
//
// Edits of a file by declaration: where one is, and how to replace, remove or add one while every
// other byte stays as the operator left it. The REPL commits through this, so a diff in git shows
// the edit and nothing else.

public import WeirDiagnostics

/// What a declaration is known by in its file.
public enum DeclarationKey: Hashable, Sendable {
    case policy(layer: String, name: String)
    case group(String)
    case port(String)
    case pattern(String)
    /// The one `layers` block.
    case layers
}

/// Edits of one parsed file. All are computed from the text that was parsed.
public struct SyntaxEdits: Sendable {
    public let parsed: ParsedFile

    public init(_ parsed: ParsedFile) { self.parsed = parsed }

    private var source: SourceText { parsed.tree.source }
    private var bytes: [UInt8] { source.bytes }

    // MARK: Finding

    /// Where a declaration stands, from its keyword to its last byte; nil if it is not in this
    /// file, or could not be parsed.
    public func range(of key: DeclarationKey) -> SourceRange? {
        for declaration in parsed.file.declarations {
            switch (declaration, key) {
            case (.group(let group), .group(let name)) where group.name.text == name:
                return group.range
            case (.port(let port), .port(let name)) where port.name.text == name:
                return port.range
            case (.pattern(let pattern), .pattern(let name)) where pattern.name.text == name:
                return pattern.range
            case (.layers(let layers), .layers): return layers.range
            case (.layer(let layer), .policy(let layerName, let name))
            where layer.name.text == layerName:
                if let policy = layer.policies.first(where: { $0.name.text == name }) {
                    return policy.range
                }
            default: break
            }
        }
        return nil
    }

    /// All declarations of the file that have a key, in order.
    public var keys: [DeclarationKey] {
        parsed.file.declarations.flatMap { declaration -> [DeclarationKey] in
            switch declaration {
            case .group(let group): [.group(group.name.text)]
            case .port(let port): [.port(port.name.text)]
            case .pattern(let pattern): [.pattern(pattern.name.text)]
            case .layers: [.layers]
            case .layer(let layer):
                layer.policies.map { .policy(layer: layer.name.text, name: $0.name.text) }
            case .landscape, .assertion, .trigger: []
            }
        }
    }

    // MARK: Editing

    /// Puts another text in a declaration's place. Lines of the text after the first are indented
    /// like the declaration.
    public func replacing(_ range: SourceRange, with text: String) -> TextEdit {
        TextEdit(
            range: range,
            replacement: indented(text, by: lineIndentation(at: range.start), first: false))
    }

    /// Takes a declaration out; its lines too where nothing else is on them. Comments above it
    /// stay: they may be about more than this.
    public func removing(_ range: SourceRange) -> TextEdit {
        var start = range.start
        while start > 0, isBlank(bytes[start - 1]) { start -= 1 }
        var end = range.end
        while end < bytes.count, isBlank(bytes[end]) || bytes[end] == UInt8(ascii: ";") { end += 1 }
        let beginsLine = start == 0 || bytes[start - 1] == UInt8(ascii: "\n")
        let endsLine = end == bytes.count || bytes[end] == UInt8(ascii: "\n")
        if beginsLine, endsLine {
            return edit(start, min(end + 1, bytes.count), "")
        }
        // Something else is on the line: leave it with a space between its parts.
        return beginsLine ? edit(range.start, end, "") : edit(start, end, endsLine ? "" : " ")
    }

    /// Adds a declaration at the end of the file; a block after an empty line.
    public func appending(_ text: String) -> TextEdit {
        let last = bytes.last
        let gap = last == nil || last == UInt8(ascii: "\n") ? "" : lineEnd
        let lead = gap + (last != nil && text.contains("{") ? lineEnd : "")
        return edit(
            bytes.count, bytes.count, lead + indented(text, by: "", first: false) + lineEnd)
    }

    /// Adds a policy to a layer: before the closing brace of the last block that opens the layer
    /// in this file, or in a new block at the end of the file. Only for files without errors.
    public func adding(policy text: String, toLayer layer: String) -> TextEdit {
        let blocks = parsed.file.declarations.compactMap { declaration -> LayerDeclaration? in
            if case .layer(let block) = declaration, block.name.text == layer { block } else { nil }
        }
        guard let block = blocks.last else {
            let body = indented(text, by: "    ", first: true)
            return appending("layer \(spelling(of: layer)) {\n\(body)\n}")
        }
        let brace = block.range.end - 1
        var start = brace
        while start > block.range.start, isBlank(bytes[start - 1]) { start -= 1 }
        guard start > 0, bytes[start - 1] == UInt8(ascii: "\n") else {
            // The block ends on the line of its last policy: `layer x { policy y { … } }`.
            let body = indented(text, by: "    ", first: true)
            return edit(start, brace, lineEnd + body + lineEnd)
        }
        let sibling = block.policies.last.map { lineIndentation(at: $0.range.start) }
        let indentation = sibling ?? lineIndentation(at: block.range.start) + "    "
        return edit(start, start, indented(text, by: indentation, first: true) + lineEnd)
    }

    /// The file's bytes with edits made; edits must not overlap.
    public func applying(_ edits: [TextEdit]) -> [UInt8] {
        var out: [UInt8] = []
        var position = 0
        for edit in edits.sorted(by: { $0.range.start < $1.range.start }) {
            precondition(edit.range.start >= position, "edits of one file must not overlap")
            out += bytes[position..<edit.range.start]
            out += edit.replacement.utf8
            position = edit.range.end
        }
        return out + bytes[position...]
    }

    // MARK: Text

    private func edit(_ start: Int, _ end: Int, _ replacement: String) -> TextEdit {
        TextEdit(
            range: SourceRange(source: parsed.file.source, start: start, end: end),
            replacement: replacement)
    }

    private func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }

    /// `\r\n` where the file's first line ends so.
    private var lineEnd: String {
        guard let newline = bytes.firstIndex(of: UInt8(ascii: "\n")), newline > 0 else {
            return "\n"
        }
        return bytes[newline - 1] == UInt8(ascii: "\r") ? "\r\n" : "\n"
    }

    /// The white space that the line of an offset begins with.
    private func lineIndentation(at offset: Int) -> String {
        var start = min(offset, bytes.count)
        while start > 0, bytes[start - 1] != UInt8(ascii: "\n") { start -= 1 }
        let blanks = bytes[start...].prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        return String(decoding: blanks, as: UTF8.self)
    }

    /// The text with the file's line ends, its lines indented; without white space at its end.
    private func indented(_ text: String, by indentation: String, first: Bool) -> String {
        var lines = text.split(
            omittingEmptySubsequences: false, whereSeparator: { $0 == "\n" || $0 == "\r\n" })
        while let line = lines.last, line.allSatisfy(\.isWhitespace) { lines.removeLast() }
        return lines.enumerated().map { index, line in
            line.isEmpty || index == 0 && !first ? String(line) : indentation + line
        }.joined(separator: lineEnd)
    }
}
