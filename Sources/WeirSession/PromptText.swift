// SPDX-License-Identifier: GPL-3.0-or-later
//
// From what is typed at the prompt to edits. Anything that may stand in a file may be typed; a
// policy may be typed without its layer around it. What is not the policy language (`drop`,
// `rename`, `edit`) is the prompt's own and read here too.

public import WeirDiagnostics
import WeirSyntax

/// What a typed text asks for.
public enum PromptText: Sendable {
    case edits([StagedEdit])
    /// `edit X`: clauses for a policy follow.
    case open(layer: String, policy: String)
    /// The text has errors: they stand in ``PromptText/source`` of it.
    case wrong([Diagnostic], SourceMap)
    case failed(StagingError)
}

/// Reads typed text against a draft.
public struct PromptReader: Sendable {
    let draft: PolicyDraft
    /// The layer of a new policy that is typed without one.
    let layer: String
    /// The file for new declarations; nil for `live.weir`.
    let file: String?

    public init(draft: PolicyDraft, layer: String, file: String? = nil) {
        self.draft = draft
        self.layer = layer
        self.file = file
    }

    public func read(_ text: String) -> PromptText {
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        do throws(StagingError) {
            switch words.first {
            case "drop" where words.count > 1: return try drop(Array(words.dropFirst()), text)
            case "rename": return try rename(Array(words.dropFirst()))
            case "edit": return try edit(text)
            default: return declarations(text)
            }
        } catch {
            return .failed(error)
        }
    }

    // MARK: Declarations

    private func declarations(_ text: String) -> PromptText {
        let isPolicy = text.split(whereSeparator: \.isWhitespace).first == "policy"
        guard isPolicy else { return parsed(text) }
        if let (layer, rest) = qualified(text) { return parsed(wrapped(rest, in: layer)) }
        // The name decides the layer: a policy that exists is replaced where it is.
        let trial = parse(wrapped(text, in: layer))
        let names = trial.file.declarations.flatMap { declaration -> [String] in
            guard case .layer(let block) = declaration else { return [] }
            return block.policies.map(\.name.text)
        }
        var home = layer
        if let name = names.first, names.count == 1 {
            let homes = layers(ofPolicy: name)
            if homes.count == 1 { home = homes[0] }
            if homes.count > 1, !homes.contains(layer) {
                return .failed(ambiguous(name, homes))
            }
        }
        guard !home.isEmpty else {
            return .failed(
                StagingError(
                    "no layer is declared that a policy could go to",
                    help: "write `layers { … }` first"))
        }
        return parsed(wrapped(text, in: home))
    }

    /// `policy LAYER.NAME …`, as everything else calls a policy: the layer, and the text without it.
    private func qualified(_ text: String) -> (layer: String, text: String)? {
        // The caller has seen that the first word is `policy`.
        guard let word = text.firstIndex(where: { !$0.isWhitespace }),
            let end = text[word...].firstIndex(where: \.isWhitespace),
            let start = text[end...].firstIndex(where: { !$0.isWhitespace })
        else { return nil }
        for layer in draft.layerNames {
            let prefix = spelling(of: layer) + "."
            guard text[start...].hasPrefix(prefix) else { continue }
            return (layer, String(text[..<start]) + text[start...].dropFirst(prefix.count))
        }
        return nil
    }

    private func wrapped(_ text: String, in layer: String) -> String {
        "layer \(spelling(of: layer)) {\n\(text)\n}"
    }

    private func parse(_ text: String) -> ParsedFile {
        WeirSyntax.parse(SourceText(name: "typed", text), id: SourceID(index: 0))
    }

    private func parsed(_ text: String) -> PromptText {
        let source = SourceText(name: "typed", text)
        let file = parse(text)
        guard !file.diagnostics.hasErrors else {
            var sources = SourceMap()
            _ = sources.add(source)
            return .wrong(file.diagnostics, sources)
        }
        let edits = file.namedDeclarations.map { item in
            StagedEdit(
                .put(item.name, text: source.text(in: item.range.bytes), isVerbatim: false),
                file: self.file)
        }
        guard !edits.isEmpty else {
            return .failed(
                StagingError(
                    "\(quoted(text)) declares nothing",
                    help: "type a declaration, or `\\help` for what else there is"))
        }
        return .edits(edits)
    }

    // MARK: The prompt's own verbs

    /// Where policies of a name are.
    private func layers(ofPolicy name: String) -> [String] {
        draft.declarations.compactMap {
            if case .policy(let layer, name) = $0.name { layer } else { nil }
        }
    }

    private func ambiguous(_ name: String, _ homes: [String]) -> StagingError {
        StagingError(
            "\(quoted(name)) is in the layers \(homes.map { "`\($0)`" }.joined(separator: ", "))",
            help: "write `\(homes[0]).\(name)`")
    }

    /// A policy as it is referred to: `layer.policy`, or its name alone.
    public func policy(_ text: String) throws(StagingError) -> (layer: String, name: String) {
        let plain = text.filter { $0 != "\"" }
        for item in draft.declarations {
            if case .policy(let layer, let name) = item.name, "\(layer).\(name)" == plain {
                return (layer, name)
            }
        }
        let homes = layers(ofPolicy: plain)
        if homes.count == 1 { return (homes[0], plain) }
        if homes.count > 1 { throw ambiguous(plain, homes) }
        let names = draft.declarations.flatMap { item -> [String] in
            if case .policy(let layer, let name) = item.name {
                [name, "\(layer).\(name)"]
            } else {
                []
            }
        }
        throw StagingError(
            "there is no policy \(quoted(plain))",
            help: nearestName(to: plain, among: names).map { "did you mean \(quoted($0))?" }
                ?? "`\\show` lists what is in force, Tab what is declared")
    }

    private func drop(_ words: [String], _ text: String) throws(StagingError) -> PromptText {
        let plain = words.count > 1 ? words[1].filter { $0 != "\"" } : ""
        let name: DeclarationName
        switch words[0] {
        case "policy" where words.count == 2:
            let (layer, policy) = try policy(words[1])
            name = .policy(layer: layer, name: policy)
        case "group" where words.count == 2: name = .group(plain)
        case "port" where words.count == 2: name = .port(plain)
        case "pattern" where words.count == 2: name = .pattern(plain)
        case "assert", "when", "landscape": name = .unnamed(words.joined(separator: " "))
        default:
            guard words.count == 1, !["policy", "group", "port", "pattern"].contains(words[0])
            else {
                throw StagingError(
                    "\(quoted(text)) names nothing that could be dropped",
                    help: "write `drop policy NAME`, or `drop group|port|pattern NAME`")
            }
            let (layer, policy) = try policy(words[0])
            name = .policy(layer: layer, name: policy)
        }
        return .edits([StagedEdit(.drop(name))])
    }

    private func rename(_ words: [String]) throws(StagingError) -> PromptText {
        guard words.count == 4, words[0] == "policy", words[2] == "to" else {
            throw StagingError(
                "a policy is renamed by its old and its new name",
                help: "write `rename policy OLD to NEW`")
        }
        let (layer, name) = try policy(words[1])
        let new = words[3].split(separator: ".").last.map(String.init) ?? words[3]
        return .edits([StagedEdit(.rename(layer: layer, from: name, to: new))])
    }

    private func edit(_ text: String) throws(StagingError) -> PromptText {
        let rest = text.drop { $0.isWhitespace }.dropFirst("edit".count).drop { $0.isWhitespace }
        let target = rest.prefix { !$0.isWhitespace }
        guard !target.isEmpty else {
            throw StagingError(
                "which policy is to be edited?", help: "write `edit NAME` or `edit NAME CLAUSE`")
        }
        let (layer, name) = try policy(String(target))
        let clause = rest.dropFirst(target.count).drop { $0.isWhitespace }
        guard !clause.isEmpty else { return .open(layer: layer, policy: name) }
        return self.clause(String(clause), layer: layer, policy: name)
    }
}
