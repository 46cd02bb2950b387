// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar of sets. Operators have no precedence: mixing two without parentheses is refused,
// since readers disagree on it, and the message offers the left-to-right reading.

import WeirDiagnostics

extension Parser {
    /// Operands joined by one kind of operator. With `andEnds`, an `and` outside of parentheses
    /// does not belong to the set but to `between A and B`.
    mutating func setExpression(_ what: String, andEnds: Bool = false) -> SetExpression? {
        let node = open(.setExpression)
        defer { close(node) }
        let start = current.start
        guard let first = setOperand(what) else { return nil }
        var operands = [first]
        var operators: [Keyword] = []
        let accepted: KeywordSet = andEnds ? [.or, .except] : [.and, .or, .except]
        while let keyword = at(anyOf: accepted) {
            take(.keyword)
            operators.append(keyword)
            guard let next = setOperand("a set after `\(keyword.text)`") else { return nil }
            operands.append(next)
        }
        guard let firstOperator = operators.first else { return first }
        guard operators.allSatisfy({ $0 == firstOperator }) else {
            errorMixed(operands, operators, range(from: start))
            return first
        }
        return joined(operands[...], firstOperator)
    }

    private mutating func errorMixed(
        _ operands: [SetExpression], _ operators: [Keyword], _ place: SourceRange
    ) {
        var edits: [TextEdit] = []
        var depth = 0
        for index in 1..<operators.count where operators[index] != operators[index - 1] {
            let end = operands[index].range.end
            edits.append(TextEdit(range: range(end, end), replacement: ")"))
            depth += 1
        }
        let opening = TextEdit(
            range: range(place.start, place.start),
            replacement: String(repeating: "(", count: depth))
        let used = [.and, .or, .except].filter(operators.contains).map { (keyword: Keyword) in
            "`\(keyword.text)`"
        }
        let names =
            used.dropLast().joined(separator: ", ") + " and " + used[used.count - 1]
        error(
            "mixed-operators", "\(names) are mixed without parentheses", at: place,
            help: "add parentheses to say which goes first",
            fixIts: depth > Self.nestingLimit
                ? []
                : [FixIt(message: "read it from left to right", edits: [opening] + edits)])
    }

    /// Left to right where the chain is short. A long chain is split in the middle instead, which
    /// means the same and keeps the recursive type shallow, however long the file.
    private func joined(_ operands: ArraySlice<SetExpression>, _ keyword: Keyword) -> SetExpression
    {
        guard operands.count > Self.nestingLimit else {
            return operands.dropFirst().reduce(operands[operands.startIndex]) {
                combination($0, $1, keyword)
            }
        }
        if keyword == .except {
            return combination(
                operands[operands.startIndex], joined(operands.dropFirst(), .or), .except)
        }
        let middle = operands.startIndex + operands.count / 2
        return combination(
            joined(operands[..<middle], keyword), joined(operands[middle...], keyword), keyword)
    }

    private func combination(
        _ left: SetExpression, _ right: SetExpression, _ keyword: Keyword
    ) -> SetExpression {
        let range = left.range.union(right.range)
        return switch keyword {
        case .and: .and(left, right, range)
        case .or: .or(left, right, range)
        default: .except(left, right, range)
        }
    }

    /// A set without operators, possibly restricted to a zone.
    mutating func setOperand(_ what: String) -> SetExpression? {
        let node = open(.setOperand)
        defer { close(node) }
        let start = current.start
        guard let set = unrestrictedSet(what) else { return nil }
        guard take(.in) else { return set }
        if !at(.zone), atName {
            errorExpected(
                "`zone` and its name",
                fixIts: [insertion("zone ", at: current.start, "add `zone`")])
            return nil
        }
        guard expect(.zone), let zone = name("the zone's name") else { return nil }
        return .inZone(set, zone, range(from: start))
    }

    private mutating func unrestrictedSet(_ what: String) -> SetExpression? {
        guard !atClauseEnd else {
            errorExpected(what)
            return nil
        }
        switch current.kind {
        case .openParenthesis: return parenthesizedSet()
        case .openBracket: return labelSelector()
        case .word: break
        default: return firstName(what, isOperand: true).map { .name($0) }
        }
        let place = range(current)
        switch current.keyword {
        case .any: take(.keyword); return .any(place)
        case .internal: take(.keyword); return .internal(place)
        case .external: take(.keyword); return .external(place)
        case .service, .zone, .group:
            if let next = lookahead, startsName(next) { return qualifiedName() }
        default: break
        }
        let word = bytes(current)
        if word.elementsEqual("not".utf8), let next = lookahead, startsOperand(next) {
            errorNegation()
            return nil
        }
        if isName(word) { return firstName(what, isOperand: true).map { .name($0) } }
        if isAddressLike(word) { return .address(address()) }
        errorNotASet()
        take(.unexpected)
        return .name(Name(text: source.text(in: place.bytes), range: place))
    }

    private func startsName(_ token: RawToken) -> Bool {
        token.kind == .string
            || token.kind == .word && isName(bytes(token))
                && !KeywordSet.reserved.contains(token.keyword)
    }

    private func startsOperand(_ token: RawToken) -> Bool {
        startsName(token) || token.kind == .openParenthesis || token.kind == .openBracket
    }

    private mutating func errorNotASet() {
        let word = bytes(current)
        let isNumeric = isDigit(word.first ?? 0) && word.contains(UInt8(ascii: "."))
        if isNumeric || word.contains(UInt8(ascii: "/")) || word.contains(UInt8(ascii: ":")) {
            error(
                "bad-address", "\(quoted(word)) is neither a name nor an address",
                at: range(current),
                help: isNumeric
                    ? "write an address such as `10.0.0.1`, `10.0.0.0/8` or `10.0.0.1-10.0.0.9`"
                    : "ports stand after `on`: `on tcp/80`")
        } else {
            errorNotAName()
        }
    }

    /// `not S` is how other languages say `any except S`.
    private mutating func errorNegation() {
        error(
            "unexpected-token", "there is no `not`", at: range(current),
            help: "write `any except` and the set",
            fixIts: [replacement(of: range(current), by: "any except")])
    }

    mutating func address() -> Name {
        let node = open(.address)
        defer { close(node) }
        let name = Name(text: text(current), range: range(current))
        take(.address)
        return name
    }

    mutating func qualifiedName() -> SetExpression? {
        let node = open(.qualifiedName)
        defer { close(node) }
        let start = current.start
        let qualifier = SetExpression.Qualifier(rawValue: text(current)) ?? .service
        take(.keyword)
        guard let name = name("a name") else { return nil }
        return .qualified(qualifier, name, range(from: start))
    }

    mutating func parenthesizedSet() -> SetExpression? {
        let node = open(.parenthesizedSet)
        defer { close(node) }
        let opening = range(current)
        take(.punctuation)
        bracketDepth += 1
        guard bracketDepth <= Self.nestingLimit else {
            error(
                "nested-too-deep", "more than \(Self.nestingLimit) parentheses in each other",
                at: opening, help: "declare a `group` for a part of this")
            return nil
        }
        guard let set = setExpression("a set in the parentheses"),
            closeBracket(.closeParenthesis, ")", opening)
        else { return nil }
        return .parenthesized(set, range(from: opening.start))
    }

    mutating func labelSelector() -> SetExpression? {
        let node = open(.labelSelector)
        defer { close(node) }
        let opening = range(current)
        take(.punctuation)
        bracketDepth += 1
        var requirements: [LabelRequirement] = []
        repeat {
            if at(.comma) { take(.punctuation) }
            if at(.closeBracket), !requirements.isEmpty { break }
            guard let requirement = labelRequirement() else { return nil }
            requirements.append(requirement)
        } while at(.comma)
        guard closeBracket(.closeBracket, "]", opening) else { return nil }
        return .labels(requirements, range(from: opening.start))
    }

    mutating func labelRequirement() -> LabelRequirement? {
        let node = open(.labelRequirement)
        defer { close(node) }
        let start = current.start
        if at(.exclamation) {
            take(.punctuation)
            guard let key = name("a label's key after `!`") else { return nil }
            return LabelRequirement(key: key, test: .absent, range: range(from: start))
        }
        guard let key = name("a label, such as `tier=data`") else { return nil }
        if at(.equals) {
            take(.punctuation)
            guard let value = name("the label's value") else { return nil }
            return LabelRequirement(key: key, test: .equals(value), range: range(from: start))
        }
        if take(.in) {
            guard
                let values = list(
                    "a value", of: "`(` and the label's values",
                    item: { parser in
                        parser.name("a value")
                    })
            else { return nil }
            if values.isEmpty {
                error(
                    "empty-list", "a label is never in an empty list", at: range(from: start),
                    help: "list values, or write `!\(key.text)` for its absence")
            }
            return LabelRequirement(key: key, test: .isIn(values), range: range(from: start))
        }
        if at(.stray) {
            let isNegation = source.bytes[current.start] == UInt8(ascii: "!")
            error(
                "unexpected-token", "\(quoted(bytes(current))) is not an operator of labels",
                at: range(current),
                help: isNegation
                    ? "write `S except [\(key.text)=…]`" : "write `=`",
                fixIts: isNegation ? [] : [replacement(of: range(current), by: "=")])
            return nil
        }
        return LabelRequirement(key: key, test: .exists, range: range(from: start))
    }
}
