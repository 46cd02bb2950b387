// SPDX-License-Identifier: GPL-3.0-or-later
//
// Patterns: clauses with parameters. An instance resolves the pattern's clauses in a scope in
// which each parameter stands for its argument; an argument itself is resolved outside of it, so
// that no name of the pattern can capture one of the instance. Patterns cannot contain instances,
// so they cannot recurse.

import WeirDiagnostics
import WeirModel
import WeirSyntax

extension Resolver {
    func unusedParameters(of pattern: PatternDeclaration) -> [Name] {
        var used: Set<String> = []
        for clause in pattern.clauses { clause.visitNames { used.insert($0.text) } }
        return pattern.parameters.filter { !used.contains($0.text) }
    }

    /// What is wrong with a pattern without any instance of it.
    mutating func checkPatterns() {
        for name in patterns.keys.sorted() {
            guard let pattern = patterns[name]?.declaration else { continue }
            var seen: [String: SourceRange] = [:]
            for parameter in pattern.parameters {
                if let first = seen[parameter.text] {
                    findings.error(
                        "duplicate-parameter",
                        "pattern \(quoted(name)) has two parameters \(quoted(parameter.text))",
                        at: parameter.range,
                        related: [RelatedPlace(range: first, message: "first here")],
                        help: "rename one of them")
                    continue
                }
                seen[parameter.text] = parameter.range
            }
        }
    }

    /// The pattern's clauses and the scope to resolve them in; nil where the instance is wrong.
    mutating func expand(_ instance: PatternInstance) -> (clauses: [Clause], scope: Scope)? {
        let name = instance.pattern
        guard let pattern = patterns[name.text]?.declaration else {
            if !damagedNames.contains(name.text) {
                let near = findings.nearest(to: name.text, among: patterns.keys)
                findings.error(
                    "unknown-pattern", "there is no pattern \(quoted(name.text))", at: name.range,
                    help: near.map { "did you mean `\($0)`?" }
                        ?? "declare it: `pattern \(spelling(of: name.text))(…) { … }`",
                    fixIts: near.map { [spellingFix(of: name, as: $0)] } ?? [])
            }
            return nil
        }
        uses.insert(.pattern(name.text))
        let (wanted, given) = (pattern.parameters.count, instance.arguments.count)
        guard wanted == given else {
            let list = pattern.parameters.map(\.text).joined(separator: ", ")
            findings.error(
                "wrong-argument-count",
                "pattern \(quoted(name.text)) has \(wanted)"
                    + " parameter\(wanted == 1 ? "" : "s"), not \(given)",
                at: instance.range,
                related: [RelatedPlace(range: pattern.name.range, message: "declared here")],
                help: "write `\(spelling(of: name.text))(\(list))`")
            return nil
        }
        var arguments: [String: (argument: PatternInstance.Argument, range: SourceRange)] = [:]
        for (parameter, argument) in zip(pattern.parameters, instance.arguments) {
            arguments[parameter.text] = argument
        }
        return (pattern.clauses, Scope(pattern: pattern, arguments: arguments))
    }

    /// Resolves something that was not written inside the pattern being expanded.
    mutating func outside<Result>(_ body: (inout Resolver) -> Result) -> Result {
        let saved = scope
        scope = nil
        defer { scope = saved }
        return body(&self)
    }

    /// The set that an argument is, where the pattern uses it as one.
    mutating func setArgument(
        _ argument: (argument: PatternInstance.Argument, range: SourceRange), _ use: Name
    ) -> ResolvedSet? {
        switch argument.argument {
        case .set(let expression):
            // What is wrong with the argument is said once, there, and not at every use.
            return outside { $0.checkedSet(expression) }.map { resolved in
                ResolvedSet(
                    resolved.set, depth: resolved.depth, size: resolved.size,
                    groupLevels: resolved.groupLevels, isReported: true)
            }
        default:
            wrongArgument(argument, use, wanted: "a set")
            return nil
        }
    }

    mutating func wrongArgument(
        _ argument: (argument: PatternInstance.Argument, range: SourceRange), _ use: Name,
        wanted: String
    ) {
        let given =
            switch argument.argument {
            case .set: "a set"
            case .ports: "a port"
            case .amount: "an amount"
            case .rate: "a rate"
            }
        findings.error(
            "wrong-argument",
            "parameter \(quoted(use.text)) is used as \(wanted), but its argument is \(given)",
            at: argument.range, related: [RelatedPlace(range: use.range, message: "used here")],
            help: "give \(wanted), or another pattern")
    }
}

extension Clause {
    /// Every name in it that may be a parameter.
    func visitNames(_ visit: (Name) -> Void) {
        switch self {
        case .interaction(let interaction):
            interaction.source.visitNames(visit)
            interaction.destination.visitNames(visit)
            for port in interaction.ports ?? [] {
                if case .name(let name) = port.kind { visit(name) }
            }
        case .cap(let cap):
            cap.amount.visitNames(visit)
            for reservation in cap.reservations {
                reservation.amount.visitNames(visit)
                reservation.beneficiary.visitNames(visit)
            }
        case .limit(let limit):
            limit.rate.amount.visitNames(visit)
            limit.burst?.visitNames(visit)
        case .decision, .effect: break
        }
    }
}

extension Amount {
    func visitNames(_ visit: (Name) -> Void) {
        switch value {
        case .fixed: break
        case .parameter(let name): visit(name)
        case .perEndpoint(_, let set), .percentOfCapacity(_, let set): set.visitNames(visit)
        }
    }
}
