// SPDX-License-Identifier: GPL-3.0-or-later
//
// Taking nodes apart: a mapping's fields with duplicate and unknown keys reported, a list's
// items, a scalar's text, and what a name may be.

import WeirDiagnostics

extension InventoryReader {
    /// The fields of a mapping, without duplicates and, where `known` is given, without unknown
    /// keys; empty where the node is no mapping. A node that says nothing is an empty mapping.
    mutating func fields(
        of node: YamlNode, what: String, known: [String]? = nil
    ) -> [Field] {
        if node.isNull { return [] }
        guard case .mapping(let entries) = node.content else {
            reportKind(
                node, what: what, wanted: "a mapping",
                help: "write `name: value`, each on a line of its own")
            return []
        }
        var found: [Field] = []
        found.reserveCapacity(entries.count)
        var seen: [String: SourceRange] = [:]
        for entry in entries {
            guard case .scalar(let key, _) = entry.key.content else {
                reportKind(
                    entry.key, what: "a key of \(what)", wanted: "a name",
                    help: "write `name: value`")
                continue
            }
            if let first = seen[key] {
                findings.error(
                    "duplicate-key", "the key \(quoted(key)) stands twice in \(what)",
                    at: entry.key.range,
                    related: [RelatedPlace(range: first, message: "first here")],
                    help: "YAML would keep only one of them: remove or rename one")
                continue
            }
            seen[key] = entry.key.range
            if let known, !known.contains(key) {
                reportUnknownKey(key, what: what, known: known, at: entry.key.range)
                continue
            }
            found.append(Field(key: key, keyRange: entry.key.range, value: entry.value))
        }
        return found
    }

    private mutating func reportUnknownKey(
        _ key: String, what: String, known: [String], at range: SourceRange
    ) {
        let list = known.map { "`\($0)`" }.joined(separator: ", ")
        let help: String
        if key == "<<" {
            help = "merge keys are not read: write the keys out or use an alias for a whole value"
        } else if let near = nearestName(to: key, among: known) {
            help = "did you mean `\(near)`?"
        } else {
            help = "\(what) may have \(list)"
        }
        findings.error(
            "unknown-key", "unknown key \(quoted(key)) in \(what)", at: range, help: help)
    }

    /// The items of a list; a node that says nothing is an empty list.
    mutating func items(of node: YamlNode, what: String) -> [YamlNode] {
        if node.isNull { return [] }
        guard case .sequence(let items) = node.content else {
            let sample = if case .scalar(let text, _) = node.content { plain(text) } else { "a, b" }
            reportKind(node, what: what, wanted: "a list", help: "write `[\(sample)]`")
            return []
        }
        return items
    }

    /// The text of a single value.
    mutating func scalar(_ node: YamlNode, what: String) -> String? {
        guard case .scalar(let text, _) = node.content, !node.isNull else {
            reportKind(
                node, what: what, wanted: "a single value", help: "write one value after the colon")
            return nil
        }
        return text
    }

    mutating func reportKind(
        _ node: YamlNode, what: String, wanted: String, help: String
    ) {
        findings.error(
            "wrong-kind", "\(what) must be \(wanted), not \(node.kindName)", at: node.range,
            help: help)
    }

    mutating func checkName(_ field: Field, what: String) -> Bool {
        guard isName(field.key) else {
            reportName(field.key, what: "\(what) name", at: field.keyRange)
            return false
        }
        return true
    }

    /// Whether a text may name something: not empty, short enough for a kernel comment, and
    /// nothing in it that a terminal would obey.
    func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= Self.nameLimit && !hasControls(text)
    }

    mutating func reportName(_ text: String, what: String, at range: SourceRange) {
        let problem: String
        let help: String
        if text.isEmpty {
            (problem, help) = ("a \(what) is empty", "give it a name")
        } else if hasControls(text) {
            (problem, help) = (
                "the \(what) \(quoted(text)) holds control characters", "remove them"
            )
        } else {
            (problem, help) = (
                "the \(what) \(quoted(text)) has \(text.utf8.count) bytes",
                "shorten it to \(Self.nameLimit) bytes"
            )
        }
        findings.error("bad-name", problem, at: range, help: help)
    }

    private func hasControls(_ text: String) -> Bool {
        text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
            || text.unicodeScalars.contains { (0x80...0x9F).contains($0.value) }
    }

    /// A text for the inside of a help line.
    private func plain(_ text: String) -> String { String(quoted(text).dropFirst().dropLast()) }
}
