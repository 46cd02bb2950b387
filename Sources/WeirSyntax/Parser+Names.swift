// SPDX-License-Identifier: GPL-3.0-or-later
//
// Names, strings and references: the leaves that occur everywhere in the grammar.

import WeirDiagnostics

extension Parser {
    /// A name, bare or quoted. `isOperand` where reserved words cannot stand bare. A thing that was
    /// meant as a name and is none is reported and taken for one.
    mutating func name(_ what: String, isOperand: Bool = false) -> Name? {
        guard !atClauseEnd else {
            errorExpected(what)
            return nil
        }
        return firstName(what, isOperand: isOperand)
    }

    /// A name that may be the first token of its line.
    mutating func firstName(_ what: String, isOperand: Bool = false) -> Name? {
        let place = range(current)
        switch current.kind {
        case .string: return quotedName(what)
        case .word:
            let spelt = bytes(current)
            if isOperand, KeywordSet.reserved.contains(current.keyword) {
                errorReserved(what)
                return nil
            }
            guard isName(spelt) else {
                errorNotAName()
                take(.unexpected)
                return Name(text: source.text(in: place.bytes), range: place)
            }
            take(.name)
            return Name(text: source.text(in: place.bytes), range: place)
        default:
            errorExpected(what, isFirst: true)
            return nil
        }
    }

    private mutating func quotedName(_ what: String) -> Name? {
        let place = range(current)
        let text = unquoted(bytes(current))
        if text.isEmpty {
            error("empty-name", "the name is empty", at: place, help: "put \(what) in the quotes")
        }
        take(.string)
        return Name(text: text, range: place)
    }

    private mutating func errorReserved(_ what: String) {
        let word = text(current)
        error(
            "unexpected-token", "expected \(what), found the reserved word `\(word)`",
            at: range(current), help: "if something is called so, quote it: `\"\(word)\"`")
    }

    mutating func errorNotAName() {
        let text = text(current)
        error(
            "bad-name", "\(quoted(bytes(current))) is not a name", at: range(current),
            help: "a name is a letter or `_`, then letters, digits, `_` and `-`; quote any other",
            fixIts: [replacement(of: range(current), by: quotedSpelling(of: text))])
    }

    /// A text in quotes.
    mutating func string(_ what: String) -> Name? {
        guard at(.string) else {
            if at(.word) {
                let word = text(current)
                errorExpected(
                    what, help: "put it in quotes",
                    fixIts: [replacement(of: range(current), by: quotedSpelling(of: word))])
            } else if at(.stray), source.bytes[current.start] == UInt8(ascii: "'") {
                let inner = source.text(
                    in: current.start + 1..<max(current.start + 1, current.end - 1))
                errorExpected(
                    what, help: "strings stand in double quotes",
                    fixIts: [replacement(of: range(current), by: quotedSpelling(of: inner))])
            } else {
                errorExpected(what)
            }
            return nil
        }
        let name = Name(text: unquoted(bytes(current)), range: range(current))
        take(.string)
        return name
    }

    /// `policy` or `layer.policy`.
    mutating func policyReference() -> PolicyReference? {
        let node = open(.policyReference)
        defer { close(node) }
        let start = current.start
        guard let names = dottedNames("a policy, as `policy` or `layer.policy`") else { return nil }
        let place = range(from: start)
        guard names.count <= 2 else {
            errorTooManyDots(place, "a policy is `policy` or `layer.policy`")
            return PolicyReference(layer: names[0], policy: names[1], range: place)
        }
        return PolicyReference(
            layer: names.count == 2 ? names[0] : nil, policy: names[names.count - 1],
            range: place)
    }

    mutating func errorTooManyDots(_ place: SourceRange, _ help: String) {
        error(
            "bad-reference", "\(quoted(source.bytes[place.bytes])) has too many dots", at: place,
            help: help)
    }

    /// Names joined by dots without spaces, each bare or quoted; at least one.
    mutating func dottedNames(_ what: String) -> [Name]? {
        var names: [Name] = []
        guard !atClauseEnd else {
            errorExpected(what)
            return nil
        }
        while true {
            guard let name = dottedPart(what) else { return nil }
            names.append(name)
            guard current.kind == .word, isAdjacent, !current.afterNewline,
                source.bytes[current.start] == UInt8(ascii: ".")
            else { return names }
            take(prefix: 1, .punctuation)
            guard isAdjacent, !atClauseEnd else {
                error(
                    "bad-reference", "expected a name right after the dot", at: gap,
                    help: "write `layer.policy` without spaces")
                return nil
            }
        }
    }

    private mutating func dottedPart(_ what: String) -> Name? {
        guard current.kind == .word else { return firstName(what) }
        let word = bytes(current)
        let part = word.prefix { $0 != UInt8(ascii: ".") }
        guard isName(part) else {
            errorNotAName()
            take(.unexpected)
            return nil
        }
        let place = range(part.startIndex, part.endIndex)
        take(prefix: part.count, .name)
        return Name(text: source.text(in: place.bytes), range: place)
    }
}
