// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar of a file and of its declarations; policies and what is in them stand elsewhere.

import WeirDiagnostics

extension Parser {
    mutating func policyFile() {
        let node = open(.policyFile)
        while current.kind != .end {
            if hasGivenUp {
                skipRest()
                break
            }
            let before = takenCount
            switch current.kind {
            case .semicolon: take(.punctuation)
            case .closeBrace:
                error(
                    "extra-brace", "this `}` closes nothing", at: range(current),
                    help: "remove it, or look above for a block that was closed too early",
                    fixIts: [replacement(of: range(current), by: "")])
                skipToken()
            default:
                declaration()
                if takenCount == before { skipToken() }
                var starters = KeywordSet.declarations
                starters.insert(.policy)
                endItem(starters: starters)
            }
        }
        take(.end)
        close(node)
    }

    /// One declaration, also where it is misplaced or its keyword misspelt.
    mutating func declaration() {
        if let keyword = current.keyword, KeywordSet.starters.contains(keyword) {
            errorMisplaced(keyword)
            return declaration(keyword)
        }
        var known = KeywordSet.declarations
        known.insert(.policy)
        let meant = suggestion(among: known) ?? suggestion(among: .clauses)
        let place = range(current)
        let help = "a file holds \(alternatives(KeywordSet.declarations.keywords.map(\.text)))"
        guard current.kind == .word || current.kind == .string else {
            errorExpected("a declaration", isFirst: true, help: help)
            current.kind == .openBrace ? skipUnexpectedBraces() : skipToken()
            return skipClause()
        }
        error(
            "unknown-declaration", "unknown declaration \(quoted(bytes(current)))", at: place,
            help: meant.map { "did you mean `\($0.text)`?" } ?? help,
            fixIts: meant.map { [replacement(of: place, by: $0.text)] } ?? [])
        if let meant { return declaration(meant) }
        skipToken()
        skipClause()
        if current.kind == .openBrace { skipUnexpectedBraces() }
    }

    private mutating func declaration(_ keyword: Keyword) {
        switch keyword {
        case .landscape: add(landscape().map(Declaration.landscape))
        case .layers: add(layers().map(Declaration.layers))
        case .group: add(group().map(Declaration.group))
        case .port: add(port().map(Declaration.port))
        case .layer: add(layer().map(Declaration.layer))
        case .assert: add(assertion().map(Declaration.assertion))
        case .when: add(trigger().map(Declaration.trigger))
        case .pattern: add(pattern().map(Declaration.pattern))
        case .policy: _ = policy()
        default: _ = clause(as: keyword)
        }
    }

    private mutating func errorMisplaced(_ keyword: Keyword) {
        let place = range(current)
        if keyword == .policy {
            error(
                "misplaced-policy", "a policy stands in a layer", at: place,
                help: "write `layer NAME { policy … }`")
        } else if KeywordSet.clauses.contains(keyword) {
            error(
                "misplaced-clause", "`\(keyword.text)` stands in a policy", at: place,
                help: "write `layer NAME { policy NAME { … } }`")
        }
    }

    /// A declaration that is not where it belongs, inside of a block.
    mutating func misplacedDeclaration(in owner: BlockOwner) {
        guard let keyword = current.keyword else { return }
        if keyword == .policy {
            error(
                "misplaced-policy", "policies do not nest", at: range(current),
                help: "close \(owner) first")
            _ = policy()
        } else {
            error(
                "misplaced-declaration", "`\(keyword.text)` cannot stand inside of \(owner)",
                at: range(current), help: "move it out of all braces")
            declaration(keyword)
        }
    }

    private mutating func add(_ declaration: Declaration?) {
        if let declaration { declarations.append(declaration) } else { skipClause() }
    }

    mutating func landscape() -> LandscapeDeclaration? {
        let node = open(.landscape)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        guard let path = string("the inventory's path in quotes") else { return nil }
        guard !path.text.isEmpty else {
            error(
                "empty-name", "the path is empty", at: path.range,
                help: "name an inventory, such as `\"inventory.yaml\"`")
            return nil
        }
        return LandscapeDeclaration(path: path, range: range(from: start))
    }

    mutating func layers() -> LayersDeclaration? {
        let node = open(.layers)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        let indentation = lineIndentation
        var entries: [LayersDeclaration.Entry] = []
        let hasBlock = block(
            .layers, of: BlockOwner(keyword: .layers, name: nil), indentation: indentation,
            isSound: true
        ) {
            parser in
            repeat {
                if let entry = parser.layerEntry() { entries.append(entry) }
            } while parser.skipComma()
        }
        guard hasBlock else { return nil }
        return LayersDeclaration(entries: entries, range: range(from: start))
    }

    mutating func layerEntry() -> LayersDeclaration.Entry? {
        let node = open(.layerEntry)
        defer { close(node) }
        let start = current.start
        guard let name = firstName("a layer's name") else { return nil }
        var defaultAction: LayerDefault?
        if at(.default) {
            guard let action = layerDefault() else {
                skipClause()
                return nil
            }
            defaultAction = action
        }
        return LayersDeclaration.Entry(
            name: name, defaultAction: defaultAction, range: range(from: start))
    }

    /// A comma where a newline or `;` belongs; true if one was there.
    private mutating func skipComma() -> Bool {
        guard at(.comma) else { return false }
        error(
            "missing-separator", "layers are divided by newlines or `;`", at: range(current),
            help: "write `;`", fixIts: [replacement(of: range(current), by: ";")])
        skipToken()
        return !atClauseEnd
    }

    mutating func layerDefault() -> LayerDefault? {
        let node = open(.layerDefault)
        defer { close(node) }
        take(.keyword)
        return expect(
            anyOf: [.pass, .allow, .reject, .drop], "`pass`, `allow`, `reject` or `drop`"
        ).flatMap { LayerDefault(rawValue: $0.text) }
    }

    mutating func group() -> GroupDeclaration? {
        let node = open(.group)
        defer { close(node) }
        let start = current.start
        let errorsBefore = errorCount
        take(.keyword)
        guard let name = name("the group's name") else { return nil }
        guard expect(.equals, "`=` and a set"), let set = setExpression("a set"),
            errorCount == errorsBefore
        else {
            damagedNames.append(name)
            return nil
        }
        return GroupDeclaration(name: name, set: set, range: range(from: start))
    }

    mutating func port() -> PortDeclaration? {
        let node = open(.port)
        defer { close(node) }
        let start = current.start
        let errorsBefore = errorCount
        take(.keyword)
        guard let name = name("the port's name") else { return nil }
        guard expect(.equals, "`=` and ports"), let ports = portList(),
            errorCount == errorsBefore
        else {
            damagedNames.append(name)
            return nil
        }
        return PortDeclaration(name: name, ports: ports, range: range(from: start))
    }

    mutating func layer() -> LayerDeclaration? {
        let node = open(.layer)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        let indentation = lineIndentation
        let errorsBefore = errorCount
        let name = name("the layer's name")
        let owner = BlockOwner(keyword: .layer, name: name)
        var policies: [PolicyDeclaration] = []
        let hasBlock = block(
            .layer, of: owner, indentation: indentation, isSound: errorCount == errorsBefore
        ) { parser in
            if let policy = parser.layerItem(owner: owner) { policies.append(policy) }
        }
        guard hasBlock, let name else { return nil }
        return LayerDeclaration(name: name, policies: policies, range: range(from: start))
    }

    /// What stands in a layer: policies, or something that is reported.
    private mutating func layerItem(owner: BlockOwner) -> PolicyDeclaration? {
        if current.keyword == .policy { return policy() }
        if KeywordSet.declarations.contains(current.keyword) {
            misplacedDeclaration(in: owner)
            return nil
        }
        let place = range(current)
        if KeywordSet.clauses.contains(current.keyword) {
            error(
                "misplaced-clause", "\(quoted(bytes(current))) stands in a policy", at: place,
                help: "write `policy NAME { … }` around it")
            _ = clause(as: current.keyword)
            return nil
        }
        let isMeant = suggestion(among: [.policy]) != nil
        error(
            "unexpected-token", "expected `policy`, found \(quoted(bytes(current)))", at: place,
            help: isMeant ? "did you mean `policy`?" : "a layer holds policies only",
            fixIts: isMeant ? [replacement(of: place, by: "policy")] : [])
        if isMeant { return policy() }
        skipToken()
        skipClause()
        return nil
    }

    mutating func assertion() -> AssertionDeclaration? {
        let node = open(.assertion)
        defer { close(node) }
        let start = current.start
        let errorsBefore = errorCount
        take(.keyword)
        let text = at(.string) ? string("what is asserted") : nil
        guard let modality = expect(anyOf: [.never, .always], "`never` or `always`") else {
            return nil
        }
        guard let head = recognize(anyOf: [.from, .between], "`from` or `between`"),
            let interaction = interaction(as: head)
        else { return nil }
        var connections: Amount?
        if take(.with) {
            guard let amount = amount("a number of connections", counting: .connections) else {
                return nil
            }
            connections = amount
        }
        guard errorCount == errorsBefore,
            let modality = AssertionDeclaration.Modality(rawValue: modality.text)
        else { return nil }
        return AssertionDeclaration(
            text: text, modality: modality, interaction: interaction, connections: connections,
            range: range(from: start))
    }

    mutating func pattern() -> PatternDeclaration? {
        let node = open(.pattern)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        let indentation = lineIndentation
        let errorsBefore = errorCount
        let name = name("the pattern's name")
        let parameters = name == nil ? nil : parameterList()
        let owner = BlockOwner(keyword: .pattern, name: name)
        isInPattern = true
        defer { isInPattern = false }
        let (clauses, hasBlock) = clauseBlock(
            of: owner, indentation: indentation, isSound: errorCount == errorsBefore)
        if let name, errorCount != errorsBefore { damagedNames.append(name) }
        guard let name, let parameters, hasBlock else { return nil }
        return PatternDeclaration(
            name: name, parameters: parameters, clauses: clauses, range: range(from: start))
    }

    mutating func parameterList() -> [Name]? {
        let node = open(.parameterList)
        defer { close(node) }
        return list("a parameter's name", of: "`(` and the pattern's parameters") { parser in
            parser.name("a parameter's name")
        }
    }

    /// `( item, item … )`, possibly over several lines; the list may be empty.
    mutating func list<Item>(
        _ what: String, of whole: String, item: (inout Parser) -> Item?
    ) -> [Item]? {
        let opening = range(current)
        guard expect(.openParenthesis, whole) else { return nil }
        bracketDepth += 1
        var items: [Item] = []
        while !at(.closeParenthesis) {
            guard let item = item(&self) else { return nil }
            items.append(item)
            guard at(.comma) else { break }
            take(.punctuation)
        }
        guard closeBracket(.closeParenthesis, ")", opening) else { return nil }
        return items
    }

    /// The closing counterpart of `(` or `[`; leaves the brackets.
    mutating func closeBracket(
        _ kind: RawToken.Kind, _ text: String, _ opening: SourceRange
    ) -> Bool {
        guard at(kind) else {
            errorExpected(
                "`\(text)`", code: "missing-bracket",
                related: [RelatedPlace(range: opening, message: "opened here")],
                help: "close it with `\(text)`",
                fixIts: [insertion(text, at: previousEnd, "add `\(text)`")])
            return false
        }
        take(.punctuation)
        bracketDepth -= 1
        return true
    }
}
