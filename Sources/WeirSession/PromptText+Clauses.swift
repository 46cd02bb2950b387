// SPDX-License-Identifier: GPL-3.0-or-later
//
// Editing a policy by its clauses: a clause replaces the one of its kind, or is added before the
// closing brace. The rest of the declaration, comments included, keeps every byte.

import WeirDiagnostics
import WeirSyntax

extension PromptReader {
    /// A clause typed for a policy: added, put in the place of the one of its kind, or with
    /// `remove` before it taken out.
    public func clause(_ text: String, layer: String, policy: String) -> PromptText {
        let key = DeclarationName.policy(layer: layer, name: policy)
        guard let (file, range) = draft.find(key),
            let declaration = file.parsed.policy(layer: layer, policy),
            case .clauses(let clauses) = declaration.body
        else {
            return .failed(
                StagingError(
                    "\(quoted("\(layer).\(policy)")) has no clauses: it is an instance of a pattern",
                    help: "type the whole policy to replace it"))
        }
        let isRemoval = text.hasPrefix("remove ")
        let typed = isRemoval ? String(text.dropFirst("remove ".count)) : text
        let own = file.text
        if isRemoval {
            let wanted = normalized(typed)
            let hits = clauses.filter { normalized(own.text(in: $0.range.bytes)) == wanted }
            let byWord = clauses.filter { $0.word == wanted }
            guard let clause = hits.first ?? (byWord.count == 1 ? byWord.first : nil) else {
                return .failed(
                    StagingError(
                        "\(quoted(policy)) has no clause \(quoted(typed))",
                        help: "repeat the clause as it stands: "
                            + clauses.map { "`\(normalized(own.text(in: $0.range.bytes)))`" }
                            .joined(separator: ", ")))
            }
            let edit = SyntaxEdits(file.parsed).removing(clause.range)
            return replaced(key, file, range, edit)
        }
        // Errors are shown at the clause: it is parsed as the only one of a policy.
        let head = "layer x { policy x { from any to any; "
        let trial = SourceText(name: "typed", "\(head)\n\(typed)\n} }")
        let parsed = parse(trial, id: SourceID(index: 0))
        guard !parsed.diagnostics.hasErrors, let trialPolicy = parsed.policy(layer: "x", "x"),
            case .clauses(let found) = trialPolicy.body, found.count >= 2
        else {
            var sources = SourceMap()
            _ = sources.add(trial)
            return .wrong(parsed.diagnostics, sources)
        }
        var edits: [TextEdit] = []
        var additions: [String] = []
        for clause in found.dropFirst() {
            let words = trial.text(in: clause.range.bytes)
            if let old = clauses.first(where: { $0.isReplaced(by: clause) }) {
                edits.append(TextEdit(range: old.range, replacement: words))
            } else {
                additions.append(words)
            }
        }
        if let addition = addition(additions, to: declaration, clauses, in: own) {
            edits.append(addition)
        }
        return replaced(key, file, range, edits)
    }

    private func replaced(
        _ key: DeclarationName, _ file: DraftFile, _ range: SourceRange, _ edits: TextEdit...
    ) -> PromptText {
        replaced(key, file, range, edits)
    }

    /// The declaration's text with edits inside it.
    private func replaced(
        _ key: DeclarationName, _ file: DraftFile, _ range: SourceRange, _ edits: [TextEdit]
    ) -> PromptText {
        let bytes = SyntaxEdits(file.parsed).applying(edits)
        let end = range.end + bytes.count - file.bytes.count
        let text = String(decoding: bytes[range.start..<end], as: UTF8.self)
        return .edits([StagedEdit(.put(key, text: text, isVerbatim: true))])
    }

    /// New clauses before the closing brace, as the policy lays its own out.
    private func addition(
        _ words: [String], to policy: PolicyDeclaration, _ clauses: [Clause], in text: SourceText
    ) -> TextEdit? {
        guard !words.isEmpty else { return nil }
        let brace = policy.range.end - 1
        let isOneLine = !text.bytes[policy.range.start..<brace].contains(UInt8(ascii: "\n"))
        var place = brace
        while place > policy.range.start, [0x20, 0x09].contains(text.bytes[place - 1]) {
            place -= 1
        }
        let source = policy.range.source
        if isOneLine {
            let last = clauses.last?.range.end ?? place
            let range = SourceRange(source: source, start: last, end: last)
            return TextEdit(range: range, replacement: words.map { "; " + $0 }.joined())
        }
        let lineEnd = place > 1 && text.bytes[place - 2] == UInt8(ascii: "\r") ? "\r\n" : "\n"
        let indentation =
            clauses.last.map { text.indentation(at: $0.range.start) }
            ?? text.indentation(at: policy.range.start) + "    "
        let range = SourceRange(source: source, start: place, end: place)
        let isAfterNewline = text.bytes[place - 1] == UInt8(ascii: "\n")
        return TextEdit(
            range: range,
            replacement: (isAfterNewline ? "" : lineEnd)
                + words.map { indentation + $0 + lineEnd }.joined()
                + (isAfterNewline ? "" : text.indentation(at: policy.range.start)))
    }
}

extension SourceText {
    /// The white space that the line of an offset begins with.
    fileprivate func indentation(at offset: Int) -> String {
        let line = self.line(position(at: offset).line)
        return String(line.prefix { $0 == " " || $0 == "\t" })
    }
}

extension ParsedFile {
    /// A policy's declaration.
    func policy(layer: String, _ name: String) -> PolicyDeclaration? {
        for case .layer(let block) in file.declarations where block.name.text == layer {
            if let policy = block.policies.first(where: { $0.name.text == name }) { return policy }
        }
        return nil
    }
}

extension Clause {
    var range: SourceRange {
        switch self {
        case .interaction(let clause): clause.range
        case .decision(let clause): clause.range
        case .cap(let clause): clause.range
        case .limit(let clause): clause.range
        case .effect(let clause): clause.range
        }
    }

    /// The word it begins with, as far as that tells its kind.
    fileprivate var word: String {
        switch self {
        case .interaction(let clause): clause.direction == .fromTo ? "from" : "between"
        case .decision(let clause): clause.action?.rawValue ?? "overriding"
        case .cap: "cap"
        case .limit: "limit"
        case .effect(let clause):
            switch clause.kind {
            case .observe: "observe"
            case .log: "log"
            case .priority: "priority"
            case .mirror: "mirror"
            }
        }
    }

    /// Whether the other says the same thing anew: a decision, a cap or limit of the same scope,
    /// an effect of the same kind. Interactions only ever add up.
    fileprivate func isReplaced(by other: Clause) -> Bool {
        switch (self, other) {
        case (.decision(let own), .decision(let new)):
            (own.action == nil) == (new.action == nil)
        case (.cap(let own), .cap(let new)): own.per == new.per
        case (.limit(let own), .limit(let new)):
            own.per == new.per && own.rate.counted == new.rate.counted
        case (.effect, .effect): word == other.word
        default: false
        }
    }
}

extension Rate {
    /// What is counted, whatever the size of the unit.
    fileprivate var counted: String {
        switch amount.unit?.text {
        case "connections": "connections"
        case "packets": "packets"
        case nil: ""
        default: "bytes"
        }
    }
}
