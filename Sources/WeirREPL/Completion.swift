// SPDX-License-Identifier: GPL-3.0-or-later
//
// What could stand where the operator presses Tab, each with what it is: a list of names alone
// makes one guess.

import WeirModel
import WeirResolve
import WeirSession
import WeirSyntax

/// One way to go on.
public struct Suggestion: Hashable, Sendable {
    public let text: String
    /// One line.
    public let meaning: String
}

extension Interpreter {
    /// Ways to complete a word.
    /// - Parameters:
    ///   - word: what is typed of it; may be empty.
    ///   - line: everything before the word.
    public func suggestions(for word: String, after line: String) -> [Suggestion] {
        let before = line.split(whereSeparator: \.isWhitespace).map(String.init)
        let candidates: [Suggestion]
        if let first = before.first, first.hasPrefix("\\") {
            candidates = arguments(of: String(first.dropFirst()), before)
        } else if before.isEmpty, word.hasPrefix("\\") {
            candidates = PromptCommand.allCases.map {
                Suggestion(text: "\\" + $0.rawValue, meaning: $0.summary)
            }
        } else {
            candidates = ofLanguage(before, line)
        }
        var seen: Set<String> = []
        return candidates.filter { $0.text.hasPrefix(word) && seen.insert($0.text).inserted }
            .sorted { $0.text < $1.text }
    }

    private func arguments(of command: String, _ before: [String]) -> [Suggestion] {
        switch PromptCommand(rawValue: command) {
        case .help:
            return PromptCommand.allCases.map {
                Suggestion(text: $0.rawValue, meaning: $0.summary)
            }
        case .commit:
            return [
                Suggestion(text: "-m", meaning: "the message, in quotes"),
                Suggestion(text: "--confirm", meaning: "taken back unless \\confirm comes in time"),
                Suggestion(text: "--no-git", meaning: "leave git alone"),
                Suggestion(text: "-y", meaning: "do not ask"),
            ]
        case .stage:
            return [
                Suggestion(text: "-p", meaning: "choose one by one"),
                Suggestion(text: "--all", meaning: "take everything again"),
            ]
        case .enable, .disable:
            return policies { $0.activation.standby }
                + [Suggestion(text: "--for", meaning: "a duration: 5m")]
        case .edit: return policies { _ in true }
        case .explain: return services + addresses
        case .layer: return layers
        case .file:
            return session.work.draft.files.keys.sorted().map {
                Suggestion(
                    text: relativePath($0, to: session.root), meaning: "file of the policy set")
            }
        case .merge:
            return [
                Suggestion(text: "mine", meaning: "my edits over theirs"),
                Suggestion(text: "theirs", meaning: "drop my edits where they differ"),
            ]
        default: return []
        }
    }

    private func ofLanguage(_ before: [String], _ line: String) -> [Suggestion] {
        if isInSelector(line) { return labels(line) }
        guard let last = before.last else {
            return editing == nil ? Self.starters : Self.clauses
        }
        switch last {
        case "policy" where ["drop", "rename"].contains(before[0]):
            return policies { _ in true }
        case "edit", "overriding", "enable": return policies { _ in true }
        case "drop":
            return Self.words(["policy", "group", "port", "pattern"], "kind")
                + policies { _ in true }
        case "layer": return layers
        case "zone": return zones
        case "on": return ports
        case "from", "to", "between", "and", "or", "except", "of": return services + addresses
        case "{", ";": return Self.clauses
        case "=": return Self.library + services + addresses
        case "per": return Self.words(["source", "destination", "pair"], "counted apart for each")
        case "then": return Self.words(["drop", "reject", "mark-ecn"], "what becomes of the rest")
        default: return Self.clauses + Self.keywords + services + addresses
        }
    }

    // MARK: Names in scope

    private var policySet: PolicySet? { session.checked.policySet }

    private func policies(_ isWanted: (Policy) -> Bool) -> [Suggestion] {
        guard let set = policySet else { return [] }
        return set.policyIDs.filter { isWanted(set[$0]) }.map { id in
            let policy = set[id]
            let kind = policy.decision?.action.rawValue ?? "constraint"
            return Suggestion(
                text: set.qualifiedName(id),
                meaning: policy.description ?? (policy.activation.standby ? "standby, " : "") + kind
            )
        }
    }

    private var services: [Suggestion] {
        (policySet?.landscape.services ?? []).map { service in
            let labels = service.labels.sorted { $0.key < $1.key }
                .map { "\($0.key)=\($0.value)" }.joined(separator: " ")
            return Suggestion(
                text: spelling(of: service.name),
                meaning: "service, \(service.endpoints.count) endpoints"
                    + (labels.isEmpty ? "" : ", \(labels)"))
        }
    }

    private var addresses: [Suggestion] {
        let groups = session.work.draft.declarations.compactMap { item -> Suggestion? in
            guard case .group(let name) = item.name else { return nil }
            return Suggestion(text: spelling(of: name), meaning: "group")
        }
        return groups + zones + [
            Suggestion(text: "any", meaning: "every address"),
            Suggestion(text: "internal", meaning: "every endpoint of the inventory"),
            Suggestion(text: "external", meaning: "every other address"),
        ]
    }

    private var zones: [Suggestion] {
        (policySet?.landscape.zones ?? []).map {
            Suggestion(text: spelling(of: $0.name), meaning: "zone")
        }
    }

    private var ports: [Suggestion] {
        let declared = session.work.draft.declarations.compactMap { item -> Suggestion? in
            guard case .port(let name) = item.name else { return nil }
            return Suggestion(text: spelling(of: name), meaning: "declared port")
        }
        let named = (policySet?.landscape.services ?? []).flatMap { service in
            service.ports.keys.sorted().map {
                Suggestion(text: spelling(of: $0), meaning: "port of \(service.name)")
            }
        }
        return declared + named
            + Self.words(["tcp/", "udp/", "sctp/", "icmp", "icmpv6"], "protocol")
    }

    private var layers: [Suggestion] {
        session.work.draft.layerNames.enumerated().map { index, name in
            Suggestion(
                text: spelling(of: name),
                meaning: index == 0 ? "the top layer" : "layer \(index + 1)")
        }
    }

    private func isInSelector(_ line: String) -> Bool {
        guard let open = line.lastIndex(of: "[") else { return false }
        return line.lastIndex(of: "]").map { $0 < open } ?? true
    }

    /// Label keys, or the values of the key that stands before.
    private func labels(_ line: String) -> [Suggestion] {
        let services = policySet?.landscape.services ?? []
        let inner = line[(line.lastIndex(of: "[") ?? line.startIndex)...].dropFirst()
        let part = inner.split(separator: ",", omittingEmptySubsequences: false).last ?? ""
        if let equals = part.firstIndex(of: "=") {
            let key = Self.trimmed(String(part[..<equals]))
            let values = Set(services.compactMap { $0.labels[key] })
            return values.map { value in
                let count = services.count { $0.labels[key] == value }
                return Suggestion(text: spelling(of: value), meaning: "\(count) services")
            }
        }
        return Set(services.flatMap(\.labels.keys)).map { key in
            let count = services.count { $0.labels[key] != nil }
            return Suggestion(text: spelling(of: key), meaning: "label of \(count) services")
        }
    }

    // MARK: Words of the language

    private static func words(_ words: [String], _ meaning: String) -> [Suggestion] {
        words.map { Suggestion(text: $0, meaning: meaning) }
    }

    /// weir's own patterns.
    private static let library: [Suggestion] = PatternLibrary.entries.map {
        Suggestion(
            text: $0.name, meaning: "pattern(\($0.parameters.joined(separator: ", ")))")
    }

    private static let starters: [Suggestion] =
        PromptCommand.language.compactMap { item in
            let word = item.usage.prefix { $0 != " " }
            return word == "DECLARATION"
                ? nil : Suggestion(text: String(word), meaning: item.summary)
        } + [
            Suggestion(text: "policy", meaning: "who may talk to whom, how fast, how many"),
            Suggestion(text: "layer", meaning: "policies of a layer"),
            Suggestion(text: "group", meaning: "a name for a set of addresses"),
            Suggestion(text: "port", meaning: "a name for ports"),
            Suggestion(text: "pattern", meaning: "a policy with parameters"),
            Suggestion(text: "assert", meaning: "what must never or always be possible"),
            Suggestion(text: "when", meaning: "enable a standby policy by a signal"),
            Suggestion(text: "layers", meaning: "the layers from the top"),
            Suggestion(text: "landscape", meaning: "the inventory's file"),
        ]

    private static let clauses: [Suggestion] = [
        Suggestion(text: "from", meaning: "from S to D on P: whom it is about"),
        Suggestion(text: "between", meaning: "both directions"),
        Suggestion(text: "allow", meaning: "let it through"),
        Suggestion(text: "reject", meaning: "refuse at once: clients fail fast"),
        Suggestion(text: "drop", meaning: "refuse silently"),
        Suggestion(text: "overriding", meaning: "a policy that this one may contradict"),
        Suggestion(text: "cap", meaning: "at most N connections at once"),
        Suggestion(text: "limit", meaning: "at most N connections, packets or bytes a second"),
        Suggestion(text: "observe", meaning: "count only"),
        Suggestion(text: "log", meaning: "write to the kernel's log"),
        Suggestion(text: "priority", meaning: "critical, high, normal or low"),
        Suggestion(text: "mirror", meaning: "send copies to an address"),
    ]

    private static let keywords: [Suggestion] = [
        ("to", "the destination"), ("on", "the ports"), ("across", "across zones only"),
        ("within", "within zones only"), ("zones", "across or within"), ("in", "in zone Z"),
        ("zone", "a zone's name"), ("service", "a service's name"), ("and", "both sets"),
        ("or", "either set"), ("except", "without a set"), ("per", "counted apart"),
        ("burst", "what may come at once"), ("then", "what becomes of the rest"),
        ("reserve", "places of a cap kept for somebody"), ("until", "ends at a time"),
        ("for", "ends so long after its commit"), ("during", "hours of the week, UTC"),
        ("standby", "only once enabled"), ("staged", "never enforced, counts only"),
        ("default", "what a layer says by itself"), ("never", "must not be possible"),
        ("always", "must be possible"), ("with", "so many connections at once"),
        ("connections", "unit"), ("packets", "unit"), ("MB", "unit"), ("Mbit", "unit"),
    ].map { Suggestion(text: $0.0, meaning: $0.1) }
}
