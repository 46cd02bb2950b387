// SPDX-License-Identifier: GPL-3.0-or-later
//
// Set expressions to address sets: names looked up among groups, services and zones (and a
// pattern's parameters), selectors and addresses checked.

import WeirDiagnostics
import WeirModel
import WeirSyntax

/// A set with its names resolved, and what it costs to walk through it.
struct ResolvedSet {
    let set: AddressSet
    /// Levels of the expression, groups expanded.
    let depth: Int
    /// Parts of the expression, groups expanded.
    let size: Int
    /// How many groups lead to each other in it.
    let groupLevels: Int
    /// Whether something has already been said about its emptiness.
    let isReported: Bool

    init(
        _ set: AddressSet, depth: Int = 1, size: Int = 1, groupLevels: Int = 0,
        isReported: Bool = false
    ) {
        self.set = set
        self.groupLevels = groupLevels
        self.depth = depth
        self.size = size
        self.isReported = isReported
    }
}

extension Resolver {
    /// Deeper sets would overflow the stack of whoever walks through them, larger ones are what
    /// groups of groups of groups multiply to.
    static let setDepthLimit = 256
    static let setSizeLimit = 65_536

    /// The set that an expression means; nil where something in it is wrong, which is reported.
    mutating func resolvedSet(_ expression: SetExpression) -> ResolvedSet? {
        switch expression {
        case .name(let name): return namedSet(name)
        case .qualified(let qualifier, let name, _): return qualifiedSet(qualifier, name)
        case .labels(let requirements, let range): return selector(requirements, range)
        case .address(let text): return addressSet(text)
        case .any: return ResolvedSet(.any)
        case .internal: return ResolvedSet(.internal)
        case .external: return ResolvedSet(.external)
        case .parenthesized(let inner, _): return resolvedSet(inner)
        case .and(let a, let b, let range):
            return combined(a, b, range) { .intersection($0, $1) }
        case .or(let a, let b, let range): return combined(a, b, range) { .union($0, $1) }
        case .except(let a, let b, let range):
            return combined(a, b, range) { .difference($0, $1) }
        case .inZone(let inner, let name, let range):
            let set = resolvedSet(inner)
            guard let zone = zoneIndex(name), let set else { return nil }
            return joined(set, ResolvedSet(.zone(zone)), range) { .intersection($0, $1) }
        }
    }

    /// The set of a clause; a warning where no address is in it.
    mutating func checkedSet(_ expression: SetExpression) -> ResolvedSet? {
        guard let resolved = resolvedSet(expression) else { return nil }
        if !resolved.isReported, extents.isEmpty(resolved.set) {
            findings.warning(
                "empty-set", "\(shown(expression.range)) matches no address",
                at: expression.range, help: emptyHelp(expression))
        }
        return resolved
    }

    private func emptyHelp(_ expression: SetExpression) -> String {
        switch expression {
        case .name, .qualified: "it has no endpoint now; the clause will hold once it has one"
        default: "what is left after `and`, `except` or `in zone` is nothing: check the operands"
        }
    }

    private mutating func combined(
        _ a: SetExpression, _ b: SetExpression, _ range: SourceRange,
        _ operation: (AddressSet, AddressSet) -> AddressSet
    ) -> ResolvedSet? {
        // Both sides, so that both sides' errors are said.
        let (left, right) = (resolvedSet(a), resolvedSet(b))
        guard let left, let right else { return nil }
        return joined(left, right, range, operation)
    }

    private mutating func joined(
        _ a: ResolvedSet, _ b: ResolvedSet, _ range: SourceRange,
        _ operation: (AddressSet, AddressSet) -> AddressSet
    ) -> ResolvedSet? {
        let depth = max(a.depth, b.depth) + 1
        let size = a.size + b.size + 1
        guard depth <= Self.setDepthLimit, size <= Self.setSizeLimit else {
            let much =
                depth > Self.setDepthLimit
                ? "\(Self.setDepthLimit) levels" : "\(Self.setSizeLimit) parts"
            findings.error(
                "set-too-large", "groups expanded, this set has more than \(much)", at: range,
                help: "give the services a label and select by it")
            return nil
        }
        return ResolvedSet(
            operation(a.set, b.set), depth: depth, size: size,
            groupLevels: max(a.groupLevels, b.groupLevels),
            isReported: a.isReported || b.isReported)
    }

    // MARK: names

    private mutating func namedSet(_ name: Name) -> ResolvedSet? {
        if let argument = scope?.arguments[name.text] { return setArgument(argument, name) }
        let service = services[name.text]
        let zone = zones[name.text]
        let isGroup = groups[name.text] != nil
        let kinds = [
            isGroup ? "group" : nil, service != nil ? "service" : nil, zone != nil ? "zone" : nil,
        ].compactMap { $0 }
        guard kinds.count <= 1 else {
            findings.error(
                "ambiguous-name",
                "\(quoted(name.text)) is a \(kinds.joined(separator: " and a "))", at: name.range,
                related: origins(of: name.text),
                help: "write "
                    + kinds.map { "`\($0) \(spelling(of: name.text))`" }.joined(separator: " or "))
            return nil
        }
        if isGroup { return groupSet(name) }
        if let service { return ResolvedSet(.service(service)) }
        if let zone { return ResolvedSet(.zone(zone)) }
        unknownSet(name, kinds: ["service", "zone", "group"])
        return nil
    }

    private func origins(of name: String) -> [RelatedPlace] {
        var places: [RelatedPlace] = []
        if let group = groups[name] {
            places.append(
                RelatedPlace(range: group.declaration.name.range, message: "the group"))
        }
        if let index = services[name], let origin = landscape.services[index].origin {
            places.append(RelatedPlace(range: origin, message: "the service"))
        }
        if let index = zones[name], let origin = landscape.zones[index].origin {
            places.append(RelatedPlace(range: origin, message: "the zone"))
        }
        return places
    }

    private mutating func qualifiedSet(
        _ qualifier: SetExpression.Qualifier, _ name: Name
    ) -> ResolvedSet? {
        switch qualifier {
        case .group where groups[name.text] != nil: return groupSet(name)
        case .service:
            if let index = services[name.text] { return ResolvedSet(.service(index)) }
        case .zone:
            if let index = zones[name.text] { return ResolvedSet(.zone(index)) }
        case .group: break
        }
        unknownSet(name, kinds: [qualifier.rawValue])
        return nil
    }

    /// The zone of `in zone Z`, where a pattern's parameter may stand too.
    private mutating func zoneIndex(_ name: Name) -> Int? {
        if let argument = scope?.arguments[name.text] {
            switch argument.argument {
            case .set(.name(let zone)), .set(.qualified(.zone, let zone, _)):
                return outside { $0.zoneIndex(zone) }
            default:
                wrongArgument(argument, name, wanted: "a zone")
                return nil
            }
        }
        if let index = zones[name.text] { return index }
        unknownSet(name, kinds: ["zone"])
        return nil
    }

    private mutating func unknownSet(_ name: Name, kinds: [String]) {
        guard !damagedNames.contains(name.text) else { return }
        var candidates: [String] = []
        if findings.canSuggest {
            if kinds.contains("service") { candidates += services.keys }
            if kinds.contains("zone") { candidates += zones.keys }
            if kinds.contains("group") { candidates += groups.keys }
            if kinds.count > 1, let scope { candidates += scope.arguments.keys }
        }
        let list = kinds.count == 1 ? kinds[0] : "service, zone or group"
        let near = findings.nearest(to: name.text, among: candidates)
        let help: String
        if let near {
            help = "did you mean `\(near)`?"
        } else if ports[name.text] != nil {
            help = "it is a port: ports stand after `on`"
        } else if kinds.count == 1, !origins(of: name.text).isEmpty {
            help = "there is something else of that name: \(otherKinds(name.text))"
        } else {
            help = "declare it in an inventory, or as `group \(spelling(of: name.text)) = …`"
        }
        findings.error(
            "unknown-name", "there is no \(list) \(quoted(name.text))", at: name.range,
            help: help, fixIts: near.map { [spellingFix(of: name, as: $0)] } ?? [])
    }

    private func otherKinds(_ name: String) -> String {
        let kinds = [
            groups[name] != nil ? "group" : nil, services[name] != nil ? "service" : nil,
            zones[name] != nil ? "zone" : nil,
        ].compactMap { $0 }
        return kinds.map { "`\($0) \(spelling(of: name))`" }.joined(separator: ", ")
    }

    // MARK: addresses and selectors

    private mutating func addressSet(_ text: Name) -> ResolvedSet? {
        switch AddressRange.parse(text.text) {
        case .success(let range): return ResolvedSet(.range(range))
        case .failure(let error):
            reportAddress(text, error)
            return nil
        }
    }

    mutating func reportAddress(_ text: Name, _ error: AddressRange.ParseError) {
        let (message, help, replacement) =
            switch error {
            case .notAnAddress(let part):
                (
                    "\(quoted(part)) is no IPv4 or IPv6 address",
                    "write `10.1.3.10` or `2001:db8::10`", String?.none
                )
            case .badPrefixLength(let length):
                (
                    "\(quoted(length)) is no prefix length of \(quoted(text.text))",
                    "a prefix has 0 to 32 bits for IPv4 and 0 to 128 for IPv6", nil
                )
            case .hostBitsSet(let block):
                (
                    "\(quoted(text.text)) has bits set below its prefix",
                    "did you mean `\(block)`?", block
                )
            case .mixedFamilies:
                (
                    "\(quoted(text.text)) mixes IPv4 and IPv6",
                    "write one range for each family, joined by `or`", nil
                )
            case .reversed:
                ("\(quoted(text.text)) runs backwards", "write the lower address first", nil)
            }
        findings.error(
            "bad-address", message, at: text.range, help: help,
            fixIts: replacement.map {
                [
                    FixIt(
                        message: "write `\($0)`",
                        edits: [TextEdit(range: text.range, replacement: $0)])
                ]
            } ?? [])
    }

    private mutating func selector(
        _ requirements: [LabelRequirement], _ range: SourceRange
    ) -> ResolvedSet {
        let tests = requirements.map { requirement -> LabelTest in
            let key = requirement.key.text
            return switch requirement.test {
            case .equals(let value): .isIn(key: key, values: [value.text])
            case .isIn(let values): .isIn(key: key, values: Set(values.map(\.text)).sorted())
            case .exists: .exists(key: key)
            case .absent: .absent(key: key)
            }
        }
        let set = AddressSet.labels(tests)
        guard extents.isEmpty(set) else { return ResolvedSet(set) }
        let hasServices = !extents.services(passing: tests).isEmpty
        findings.warning(
            "empty-set",
            "\(shown(range)) matches no \(hasServices ? "address" : "service")", at: range,
            help: hasServices
                ? "its services have no endpoint now; the clause will hold once they have one"
                : selectorHelp(requirements))
        return ResolvedSet(set, isReported: true)
    }

    private mutating func selectorHelp(_ requirements: [LabelRequirement]) -> String {
        let postings = extents.labelPostings()
        for requirement in requirements {
            let key = requirement.key.text
            let values: [Name]
            switch requirement.test {
            case .absent: continue
            case .exists: values = []
            case .equals(let value): values = [value]
            case .isIn(let list): values = list
            }
            guard let known = postings[key] else {
                let near = findings.nearest(to: key, among: postings.keys)
                return "no service has a label \(quoted(key))"
                    + (near.map { ": did you mean `\($0)`?" } ?? "")
            }
            if let value = values.first, values.allSatisfy({ known[$0.text] == nil }) {
                let near = findings.nearest(to: value.text, among: known.keys)
                return "no service has \(quoted("\(key)=\(value.text)"))"
                    + (near.map { ": did you mean `\($0)`?" } ?? "")
            }
        }
        return "each label occurs, but no service has all of them"
    }

    /// The operator's own text in backticks, on one line; for a parameter, that of its argument.
    func shown(_ range: SourceRange) -> String {
        let text = sourceText(range)
        return quoted(scope?.arguments[text].map { sourceText($0.range) } ?? text)
    }

    /// The operator's own text with its white space collapsed.
    func sourceText(_ range: SourceRange) -> String {
        sources[range.source].text(in: range.bytes)
            .split { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r\n" }
            .joined(separator: " ")
    }
}
