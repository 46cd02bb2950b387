// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar of a policy: its header with what puts it in force, and its body, which is a block of
// clauses or an instance of a pattern.

import WeirDiagnostics

extension Parser {
    mutating func policy() -> PolicyDeclaration? {
        let node = open(.policy)
        defer { close(node) }
        let start = current.start
        let errorsBefore = errorCount
        take(.keyword)
        let indentation = lineIndentation
        let name = name("the policy's name")
        defer { if let name, errorCount != errorsBefore { damagedNames.append(name) } }
        var header = PolicyHeader()
        let isSound = name != nil && policyHeader(&header)
        if isSound, at(.equals) {
            take(.punctuation)
            guard var instance = patternInstance() else {
                skipClause()
                return nil
            }
            instance.overriding = header.overriding
            return name.map { name in
                PolicyDeclaration(
                    name: name, description: header.description, activations: header.activations,
                    body: .instance(instance), range: range(from: start))
            }
        }
        let owner = BlockOwner(keyword: .policy, name: name)
        let (clauses, hasBlock) = clauseBlock(of: owner, indentation: indentation, isSound: isSound)
        guard let name, hasBlock else { return nil }
        return PolicyDeclaration(
            name: name, description: header.description, activations: header.activations,
            body: .clauses(header.overriding.map(Clause.decision) + clauses),
            range: range(from: start))
    }

    /// What stands between a policy's name and its body.
    private struct PolicyHeader {
        var description: Name?
        var activations: [Activation] = []
        /// `overriding` in the header means the same as a clause of its own.
        var overriding: [DecisionClause] = []
    }

    /// False if something was wrong that its end cannot be told from.
    private mutating func policyHeader(_ header: inout PolicyHeader) -> Bool {
        if at(.string) { header.description = string("a description") }
        while true {
            if at(.overriding) {
                let start = current.start
                guard let references = overriding() else { return false }
                header.overriding.append(
                    DecisionClause(
                        action: nil, overriding: references, range: range(from: start)))
            } else if at(anyOf: .activations) != nil {
                let errorsBefore = errorCount
                guard let activation = activation() else { return false }
                if errorCount == errorsBefore { header.activations.append(activation) }
            } else if at(.equals) || current.kind == .openBrace || atClauseEnd {
                return true
            } else {
                guard let meant = suggestion(among: expected) else {
                    errorHeader()
                    return false
                }
                errorHeader()
                guard meant != .overriding else { return false }
                guard let activation = activation(as: meant) else { return false }
                header.activations.append(activation)
            }
        }
    }

    private mutating func errorHeader() {
        if at(.string) {
            errorExpected("`{`", help: "a policy has one description, right after its name")
        } else {
            let parts = expected.keywords.map(\.text)
            errorExpected(
                "`{`",
                help: suggestion(among: expected) == nil
                    ? "here may stand \(alternatives(parts)), then `{` or `=`" : nil)
        }
    }

    mutating func activation() -> Activation? {
        activation(as: current.keyword)
    }

    private mutating func activation(as keyword: Keyword?) -> Activation? {
        let node = open(.activation)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        let kind: Activation.Kind
        switch keyword {
        case .until:
            guard let time = time() else { return nil }
            kind = .until(epochSeconds: time)
        case .for:
            guard let seconds = duration("a duration, such as `5m`") else {
                return nil
            }
            kind = .forDuration(seconds: seconds)
        case .during:
            guard let window = weeklyWindow() else { return nil }
            kind = .during(window)
        case .standby: kind = .standby
        default: kind = .staged
        }
        return Activation(kind: kind, range: range(from: start))
    }

    mutating func overriding() -> [PolicyReference]? {
        let node = open(.overriding)
        defer { close(node) }
        take(.keyword)
        var references: [PolicyReference] = []
        repeat {
            if at(.comma) { take(.punctuation) }
            guard let reference = policyReference() else { return nil }
            references.append(reference)
        } while at(.comma)
        return references
    }

    /// `{ clause; clause … }` and whether there was such a block.
    mutating func clauseBlock(
        of owner: BlockOwner, indentation: Int, isSound: Bool
    ) -> ([Clause], Bool) {
        var clauses: [Clause] = []
        let hasBlock = block(
            .clauses, of: owner, indentation: indentation, isSound: isSound
        ) { parser in
            var declarations = KeywordSet.declarations
            declarations.insert(.policy)
            if declarations.contains(parser.current.keyword) {
                parser.misplacedDeclaration(in: owner)
            } else if let clause = parser.clause() {
                clauses.append(clause)
            }
        }
        return (clauses, hasBlock)
    }

    /// One clause, its keyword possibly misspelt; nil if anything was wrong with it.
    mutating func clause() -> Clause? {
        if let keyword = current.keyword, KeywordSet.clauses.contains(keyword) {
            return clause(as: keyword)
        }
        let place = range(current)
        let meant = suggestion(among: .clauses)
        if KeywordSet.continuations.contains(current.keyword), current.afterNewline {
            error(
                "unknown-clause", "no clause begins with \(quoted(bytes(current)))", at: place,
                help: "a clause stands on one line, or in parentheses on many",
                fixIts: joiningFixIts)
        } else {
            let known = alternatives(KeywordSet.clauses.keywords.map(\.text))
            error(
                "unknown-clause",
                current.kind == .word
                    ? "no clause begins with \(quoted(bytes(current)))"
                    : "expected a clause, found \(quoted(bytes(current)))",
                at: place,
                help: meant.map { "did you mean `\($0.text)`?" } ?? "a clause begins with \(known)",
                fixIts: meant.map { [replacement(of: place, by: $0.text)] } ?? [])
        }
        if let meant {
            _ = clause(as: meant)
        } else {
            current.kind == .openBrace ? skipUnexpectedBraces() : skipToken()
            skipClause()
        }
        return nil
    }

    mutating func skipUnexpectedBraces() {
        let node = open(.unexpected)
        skipBraces()
        close(node)
    }

    /// The clause of a keyword, which the current token is or was meant to be.
    mutating func clause(as keyword: Keyword?) -> Clause? {
        let errorsBefore = errorCount
        guard let keyword, let clause = clause(keyword) else {
            skipClause()
            return nil
        }
        return errorCount == errorsBefore ? clause : nil
    }

    private mutating func clause(_ keyword: Keyword) -> Clause? {
        switch keyword {
        case .from, .between: interaction(as: keyword).map(Clause.interaction)
        case .cap: cap().map(Clause.cap)
        case .limit: limit().map(Clause.limit)
        case .observe: observe().map(Clause.effect)
        case .log: log().map(Clause.effect)
        case .priority: priority().map(Clause.effect)
        case .mirror: mirror().map(Clause.effect)
        default: decision(as: keyword).map(Clause.decision)
        }
    }

    mutating func patternInstance() -> PatternInstance? {
        let node = open(.patternInstance)
        defer { close(node) }
        let start = current.start
        guard let pattern = name("a pattern's name"), let arguments = argumentList() else {
            return nil
        }
        return PatternInstance(pattern: pattern, arguments: arguments, range: range(from: start))
    }

    mutating func argumentList() -> [(argument: PatternInstance.Argument, range: SourceRange)]? {
        let node = open(.argumentList)
        defer { close(node) }
        return list("an argument", of: "`(` and the pattern's arguments") { parser in
            let start = parser.current.start
            guard let argument = parser.argument() else { return nil }
            return (argument, parser.range(from: start))
        }
    }

    /// A set, ports, an amount or a rate. A bare name reads as a set; resolution knows better.
    mutating func argument() -> PatternInstance.Argument? {
        let node = open(.argument)
        defer { close(node) }
        if atPortSyntax(current) { return portExpression().map { .ports([$0]) } }
        if current.kind == .openParenthesis, let next = lookahead, atPortSyntax(next) {
            return parenthesizedPorts().map { .ports($0) }
        }
        if at(.word), let first = bytes(current).first, isDigit(first),
            !isAddressLike(bytes(current))
        {
            return quantity("an amount", counting: .anything).map { quantity in
                switch quantity {
                case .amount(let amount): .amount(amount)
                case .rate(let rate): .rate(rate)
                }
            }
        }
        return setExpression("an argument").map { .set($0) }
    }

    private func atPortSyntax(_ token: RawToken) -> Bool {
        guard token.kind == .word else { return false }
        if KeywordSet.transports.contains(token.keyword) { return true }
        let word = bytes(token)
        return !isAddressLike(word) && isLetter(word.first ?? 0) && word.contains(UInt8(ascii: "/"))
    }

    private mutating func parenthesizedPorts() -> [PortExpression]? {
        list("a port", of: "`(` and ports") { parser in parser.portExpression() }
    }
}
