// SPDX-License-Identifier: GPL-3.0-or-later
//
// Small edits inside of policies as an operator would make them by hand: what was in canonical
// layout is so afterwards, and every byte that is not part of the edit stays as it was.

import WeirDiagnostics
import WeirModel
import WeirSyntax

/// A policy where it stands.
struct PolicyPlace {
    let file: ParsedFile
    let block: LayerDeclaration
    let policy: PolicyDeclaration

    init?(_ origin: SourceRange?, in file: ParsedFile?) {
        guard let origin, let file else { return nil }
        for case .layer(let block) in file.file.declarations
        where block.range.start <= origin.start && origin.start < block.range.end {
            // Policies stand in the order of their places.
            var (low, high) = (0, block.policies.count)
            while low < high {
                let middle = (low + high) / 2
                if block.policies[middle].range.start < origin.start {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            guard low < block.policies.count, block.policies[low].range.start == origin.start
            else { return nil }
            self.file = file
            self.block = block
            policy = block.policies[low]
            return
        }
        return nil
    }

    var source: SourceText { file.tree.source }

    /// The policy's own clauses, what its head overrides among them; none where it is an instance
    /// of a pattern.
    var clauses: [Clause] {
        if case .clauses(let clauses) = policy.body { clauses } else { [] }
    }

    /// Everything that the policy declares to override.
    var overriding: [DecisionClause] {
        switch policy.body {
        case .instance(let instance): instance.overriding
        case .clauses(let clauses):
            clauses.compactMap { if case .decision(let item) = $0 { item } else { nil } }
        }
    }

    // MARK: Bytes

    private var bytes: [UInt8] { source.bytes }

    private func isBlank(_ offset: Int) -> Bool {
        bytes[offset] == UInt8(ascii: " ") || bytes[offset] == UInt8(ascii: "\t")
    }

    private func isNewline(_ offset: Int) -> Bool {
        offset < 0 || offset >= bytes.count || bytes[offset] == UInt8(ascii: "\n")
            || bytes[offset] == UInt8(ascii: "\r")
    }

    private func replace(_ range: Range<Int>, _ text: String = "") -> TextEdit {
        TextEdit(
            range: SourceRange(
                source: file.file.source, start: range.lowerBound, end: range.upperBound),
            replacement: text)
    }

    // MARK: Edits

    func inserting(_ text: String, at offset: Int) -> TextEdit { replace(offset..<offset, text) }

    func replacing(_ range: Range<Int>, with text: String) -> TextEdit { replace(range, text) }

    /// Takes out a clause of the body, with its line or what divides it from its neighbours.
    func removing(clause range: SourceRange) -> TextEdit {
        var (start, end) = (range.start, range.end)
        while start > 0, isBlank(start - 1) { start -= 1 }
        while end < bytes.count, isBlank(end) { end += 1 }
        if isNewline(start - 1), isNewline(end) {
            if end < bytes.count, bytes[end] == UInt8(ascii: "\r") { end += 1 }
            return replace(start..<min(end + 1, bytes.count))
        }
        if end < bytes.count, bytes[end] == UInt8(ascii: ";") {
            end += 1
            while end < bytes.count, isBlank(end) { end += 1 }
            return replace(range.start..<end)
        }
        if start > 0, bytes[start - 1] == UInt8(ascii: ";") {
            return replace(start - 1..<range.end)
        }
        return replace(start..<range.end)
    }

    /// Takes a reference out of what the policy overrides, with the word where it was the last.
    func removing(reference: SourceRange) -> TextEdit? {
        for clause in overriding {
            guard let index = clause.overriding.firstIndex(where: { $0.range == reference }) else {
                continue
            }
            let all = clause.overriding.map(\.range)
            if index > 0 { return replace(all[index - 1].end..<reference.end) }
            if all.count > 1 { return replace(reference.start..<all[1].start) }
            if let action = clause.action {
                return replace(clause.range.start + action.rawValue.utf8.count..<clause.range.end)
            }
            guard clause.range.start < bodyStart else { return removing(clause: clause.range) }
            var start = clause.range.start
            while start > 0, isBlank(start - 1) { start -= 1 }
            return replace(start..<clause.range.end)
        }
        return nil
    }

    /// Where the block or the `=` of an instance begins.
    private var bodyStart: Int {
        let tokens = file.tree.tokens
        var (low, high) = (0, tokens.count)
        while low < high {
            let middle = (low + high) / 2
            if tokens[middle].start < policy.name.range.end {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let opening = tokens[low...].first {
            $0.kind == .punctuation && ["{", "="].contains(file.tree.text($0))
        }
        return opening?.start ?? policy.range.end
    }

    /// Takes the policy out; with its layer's block where nothing else is in it, and without
    /// leaving two empty lines or one at the end of a block.
    func removal() -> TextEdit {
        let inner = block.range.start..<policy.range.start
        let rest = bytes[inner] + bytes[policy.range.end..<block.range.end]
        let isAlone = block.policies.count == 1 && !rest.contains(UInt8(ascii: "#"))
        return SyntaxEdits(file).removingTidily(isAlone ? block.range : policy.range)
    }

    // MARK: Layout

    /// One edit for several inside of the policy, which keeps the canonical layout where the
    /// policy has it.
    func joined(_ edits: [TextEdit]) -> TextEdit {
        let unit = startsItsLine ? policy.range : block.range
        let old = source.text(in: unit.bytes)
        var new = ""
        var position = unit.start
        for edit in edits.sorted(by: { $0.range.start < $1.range.start }) {
            // Two clauses that go may both take what divides them.
            if edit.range.start > position {
                new += source.text(in: position..<edit.range.start)
            }
            new += edit.replacement
            position = max(position, edit.range.end)
        }
        new += source.text(in: position..<unit.end)
        if canonical(old) == old, let better = canonical(new) { new = better }
        return difference(from: old, to: new, at: unit.start)
    }

    private var startsItsLine: Bool {
        var start = policy.range.start
        while start > 0, isBlank(start - 1) { start -= 1 }
        return isNewline(start - 1)
    }

    /// A policy or a layer's block in canonical layout; nil where it does not parse.
    private func canonical(_ text: String) -> String? {
        let (head, tail) = startsItsLine ? ("layer l {\n    ", "\n}\n") : ("", "\n")
        let parsed = parse(
            SourceText(name: "policy", head + text + tail), id: SourceID(index: 0))
        guard let formatted = format(parsed), formatted.hasPrefix(head), formatted.hasSuffix(tail)
        else { return nil }
        return String(formatted.dropFirst(head.count).dropLast(tail.count))
    }

    private func difference(from old: String, to new: String, at start: Int) -> TextEdit {
        let (a, b) = (Array(old.utf8), Array(new.utf8))
        var head = 0
        while head < min(a.count, b.count), a[head] == b[head] { head += 1 }
        // A character is not divided.
        func isInside(_ bytes: [UInt8], _ index: Int) -> Bool {
            index < bytes.count && bytes[index] & 0xC0 == 0x80
        }
        while head > 0, isInside(a, head) || isInside(b, head) { head -= 1 }
        var tail = 0
        while tail < min(a.count, b.count) - head, a[a.count - 1 - tail] == b[b.count - 1 - tail] {
            tail += 1
        }
        while tail > 0, isInside(a, a.count - tail) || isInside(b, b.count - tail) { tail -= 1 }
        return replace(
            start + head..<start + a.count - tail,
            String(decoding: b[head..<b.count - tail], as: UTF8.self))
    }
}

extension SyntaxEdits {
    /// Takes a declaration out without leaving two empty lines, or one at the end of a block.
    func removingTidily(_ range: SourceRange) -> TextEdit {
        let bytes = parsed.tree.source.bytes
        func isNewline(_ offset: Int) -> Bool {
            offset < 0 || offset >= bytes.count || bytes[offset] == UInt8(ascii: "\n")
        }
        let edit = removing(range)
        var (start, end) = (edit.range.start, edit.range.end)
        guard edit.replacement.isEmpty, isNewline(start - 1), isNewline(end - 1) else {
            return edit
        }
        let isFirst = start == 0 || start > 1 && bytes[start - 2] == UInt8(ascii: "{")
        let isBlankBefore = start > 1 && isNewline(start - 2)
        if end < bytes.count, isNewline(end) {
            if isFirst || isBlankBefore { end += 1 }
        } else if isBlankBefore {
            let next = bytes[end...].first { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
            if next == nil || next == UInt8(ascii: "}") { start -= 1 }
        }
        return TextEdit(
            range: SourceRange(source: range.source, start: start, end: end), replacement: "")
    }
}
