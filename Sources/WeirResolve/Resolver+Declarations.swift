// SPDX-License-Identifier: GPL-3.0-or-later
//
// Collecting what the files declare into tables by name, and refusing what is declared twice.
// After this the order of files and declarations is forgotten.

import WeirDiagnostics
import WeirModel
import WeirSyntax

extension Resolver {
    /// The longest `layer.policy` in bytes: it stands in kernel comments of at most 128.
    static let qualifiedNameLimit = 100

    mutating func collect(_ files: [PolicyFile]) {
        let declarations = files.flatMap(\.declarations)
        collectLayers(
            declarations.compactMap { if case .layers(let block) = $0 { block } else { nil } },
            files)
        var opened: [LayerDeclaration] = []
        for declaration in declarations {
            switch declaration {
            case .landscape, .layers: break
            case .group(let group): add(group)
            case .port(let port): add(port)
            case .pattern(let pattern): add(pattern)
            case .layer(let layer): opened.append(layer)
            case .assertion(let assertion): assertionDeclarations.append(assertion)
            case .trigger(let trigger): triggerDeclarations.append(trigger)
            }
        }
        collectPolicies(opened)
    }

    private mutating func collectLayers(_ blocks: [LayersDeclaration], _ files: [PolicyFile]) {
        guard let block = blocks.first else {
            let place = files.first.map { SourceRange(source: $0.source, start: 0, end: 0) }
            findings.error(
                "no-layers", "no `layers` block says which layers there are, from the top",
                at: place, help: "write `layers { emergency; baseline default reject }` once")
            return
        }
        for other in blocks.dropFirst() {
            findings.error(
                "several-layers", "the layers are declared twice", at: head(other.range),
                related: [RelatedPlace(range: head(block.range), message: "first here")],
                help: "keep one `layers` block: its order is the order of precedence")
        }
        for entry in block.entries {
            if let known = layerIndex[entry.name.text] {
                duplicate("layer", entry.name, first: layers[known].origin)
                continue
            }
            layerIndex[entry.name.text] = layers.count
            let action: Action? =
                switch entry.defaultAction {
                case nil, .pass: nil
                case .allow: .allow
                case .reject: .reject
                case .drop: .drop
                }
            layers.append(
                Layer(
                    name: entry.name.text, defaultAction: action, origin: entry.name.range))
        }
    }

    /// The keyword that a declaration begins with.
    private func head(_ range: SourceRange) -> SourceRange {
        let word = sources[range.source].text(in: range.bytes).utf8
            .prefix { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
        return SourceRange(
            source: range.source, start: range.start, end: range.start + max(1, word.count))
    }

    private mutating func duplicate(_ kind: String, _ name: Name, first: SourceRange?) {
        findings.error(
            "duplicate-\(kind)", "\(kind) \(quoted(name.text)) is declared twice", at: name.range,
            related: first.map { [RelatedPlace(range: $0, message: "first here")] } ?? [],
            help: "rename or remove one of them")
    }

    private mutating func add(_ group: GroupDeclaration) {
        if let first = groups[group.name.text] {
            return duplicate("group", group.name, first: first.declaration.name.range)
        }
        groups[group.name.text] = Group(declaration: group)
    }

    private mutating func add(_ port: PortDeclaration) {
        if let first = ports[port.name.text] {
            return duplicate("port", port.name, first: first.declaration.name.range)
        }
        ports[port.name.text] = DeclaredPort(declaration: port)
    }

    private mutating func add(_ pattern: PatternDeclaration) {
        if let first = patterns[pattern.name.text] {
            return duplicate("pattern", pattern.name, first: first.declaration.name.range)
        }
        patterns[pattern.name.text] = Pattern(declaration: pattern)
    }

    /// Adds the library's patterns where the policy set has none of that name, not even a damaged
    /// one: an instance means what its author declared.
    mutating func collectLibrary(_ library: PolicyFile?) {
        for case .pattern(let pattern) in library?.declarations ?? []
        where patterns[pattern.name.text] == nil && !damagedNames.contains(pattern.name.text) {
            patterns[pattern.name.text] = Pattern(declaration: pattern, isLibrary: true)
        }
    }

    private mutating func collectPolicies(_ opened: [LayerDeclaration]) {
        var firsts = [[String: SourceRange]](repeating: [:], count: layers.count)
        for declaration in opened {
            guard let layer = layerIndex[declaration.name.text] else {
                // Without any layers, one message is enough.
                if !layers.isEmpty { unknownLayer(declaration.name) }
                damagedNames.formUnion(declaration.policies.map(\.name.text))
                continue
            }
            for policy in declaration.policies {
                let name = policy.name
                if let first = firsts[layer].updateValue(name.range, forKey: name.text) {
                    findings.error(
                        "duplicate-policy",
                        "layer \(quoted(layers[layer].name)) has two policies named"
                            + " \(quoted(name.text))",
                        at: name.range,
                        related: [RelatedPlace(range: first, message: "first here")],
                        help: "rename or remove one of them")
                    firsts[layer][name.text] = first
                    continue
                }
                checkLength(of: name, layer: layers[layer].name)
                drafts.append(Draft(layer: layer, declaration: policy))
            }
        }
        drafts.sort { ($0.layer, $0.name) < ($1.layer, $1.name) }
    }

    /// The policy of a layer by its name.
    func policy(named name: String, inLayer layer: Int) -> PolicyID? {
        var (low, high) = (0, drafts.count)
        while low < high {
            let middle = (low + high) / 2
            if (drafts[middle].layer, drafts[middle].name) < (layer, name) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        guard low < drafts.count, drafts[low].layer == layer, drafts[low].name == name else {
            return nil
        }
        return PolicyID(index: low)
    }

    private mutating func policiesByName() -> [String: [PolicyID]] {
        if let namedPolicies { return namedPolicies }
        var found: [String: [PolicyID]] = [:]
        for (index, draft) in drafts.enumerated() {
            found[draft.name, default: []].append(PolicyID(index: index))
        }
        namedPolicies = found
        return found
    }

    private mutating func checkLength(of name: Name, layer: String) {
        let length = name.text.utf8.count + 1 + layer.utf8.count
        guard length > Self.qualifiedNameLimit else { return }
        findings.error(
            "name-too-long", "\(quoted("\(layer).\(name.text)")) has \(length) bytes",
            at: name.range,
            help: "shorten it: layer and policy together have at most"
                + " \(Self.qualifiedNameLimit) bytes")
    }

    mutating func unknownLayer(_ name: Name) {
        guard !damagedNames.contains(name.text) else { return }
        let known = layers.map(\.name)
        let near = findings.nearest(to: name.text, among: known)
        findings.error(
            "unknown-layer", "there is no layer \(quoted(name.text))", at: name.range,
            help: near.map { "did you mean `\($0)`?" }
                ?? "layers are \(known.map { "`\($0)`" }.joined(separator: ", "))",
            fixIts: near.map { [spellingFix(of: name, as: $0)] } ?? [])
    }

    func spellingFix(of name: Name, as replacement: String) -> FixIt {
        FixIt(
            message: "write `\(replacement)`",
            edits: [TextEdit(range: name.range, replacement: spelling(of: replacement))])
    }

    // MARK: policy references

    /// The policy that is meant; says so where there is none.
    mutating func policyID(_ reference: PolicyReference) -> PolicyID? {
        let name = reference.policy.text
        if let layer = reference.layer {
            guard let index = layerIndex[layer.text] else {
                unknownLayer(layer)
                return nil
            }
            if let id = policy(named: name, inLayer: index) { return id }
            guard !damagedNames.contains(name) else { return nil }
            unknownPolicy(reference, in: index)
            return nil
        }
        guard let candidates = policiesByName()[name] else {
            if !damagedNames.contains(name) { unknownPolicy(reference, in: nil) }
            return nil
        }
        guard candidates.count == 1 else {
            let names = candidates.map { "`\(qualifiedName($0))`" }
            findings.error(
                "ambiguous-policy", "\(quoted(name)) may be \(names.joined(separator: " or "))",
                at: reference.range,
                related: candidates.map {
                    RelatedPlace(range: drafts[$0.index].head, message: "one of them")
                }, help: "write the layer before the name: \(names[0])")
            return nil
        }
        return candidates[0]
    }

    func qualifiedName(_ id: PolicyID) -> String {
        let draft = drafts[id.index]
        return "\(layers[draft.layer].name).\(draft.name)"
    }

    private mutating func unknownPolicy(_ reference: PolicyReference, in layer: Int?) {
        let name = reference.policy.text
        var help = "declare it, or remove the reference"
        var fixIts: [FixIt] = []
        if let layer {
            let names = drafts.filter { $0.layer == layer }.map(\.name)
            if let other = policiesByName()[name]?.first {
                help = "did you mean `\(qualifiedName(other))`?"
            } else if let near = findings.nearest(to: name, among: names) {
                help = "did you mean `\(layers[layer].name).\(near)`?"
                fixIts = [spellingFix(of: reference.policy, as: near)]
            }
        } else if let near = findings.nearest(to: name, among: policiesByName().keys) {
            help = "did you mean `\(near)`?"
            fixIts = [spellingFix(of: reference.policy, as: near)]
        }
        let place = layer.map { " in layer \(quoted(layers[$0].name))" } ?? ""
        findings.error(
            "unknown-policy", "there is no policy \(quoted(name))\(place)", at: reference.range,
            help: help, fixIts: fixIts)
    }
}
