// SPDX-License-Identifier: GPL-3.0-or-later
//
// One policy: its clauses, of its own or of a pattern, put together and checked as a whole.

import WeirDiagnostics
import WeirModel
import WeirSyntax

extension Resolver {
    mutating func policy(at index: Int) -> Policy {
        let draft = drafts[index]
        let declaration = draft.declaration
        var policy = Policy(
            name: declaration.name.text, layer: draft.layer,
            description: declaration.description?.text, interactions: [],
            activation: activation(declaration), origin: draft.head)
        switch declaration.body {
        case .clauses(let clauses): resolve(clauses, into: &policy, PolicyID(index: index))
        case .instance(let instance):
            guard let (clauses, scope) = expand(instance) else { return policy }
            let isLibrary = patterns[scope.pattern.name.text]?.isLibrary ?? false
            self.scope = scope
            findings.context = ResolveFindings.Context(
                pattern: scope.pattern.range, instance: instance.range, isLibrary: isLibrary)
            resolve(
                instance.overriding.map(Clause.decision) + clauses, into: &policy,
                PolicyID(index: index))
            self.scope = nil
            findings.context = nil
            if isLibrary { policy.move(from: scope.pattern.range, to: instance.range) }
        }
        return policy
    }

    private mutating func resolve(
        _ clauses: [Clause], into policy: inout Policy, _ id: PolicyID
    ) {
        var hasInteraction = false
        var doesSomething = false
        for clause in clauses {
            switch clause {
            case .interaction(let interaction):
                hasInteraction = true
                policy.interactions += interactions(interaction) ?? []
            case .decision(let decision):
                doesSomething = true
                add(decision, to: &policy, id)
            case .cap(let cap):
                doesSomething = true
                if let cap = self.cap(cap) { policy.caps.append(cap) }
            case .limit(let limit):
                doesSomething = true
                if let limit = self.limit(limit) { policy.limits.append(limit) }
            case .effect(let effect):
                doesSomething = true
                if let effect = self.effect(effect) { add(effect, to: &policy) }
            }
        }
        // What did not parse may have been what is missing here.
        guard !damagedNames.contains(policy.name) else { return }
        let shown = quoted(policy.name)
        if !hasInteraction {
            findings.error(
                "no-interaction", "policy \(shown) does not say which connections it is about",
                at: policy.origin, help: "add `from … to …`")
        } else if !doesSomething {
            findings.warning(
                "no-effect", "policy \(shown) does nothing", at: policy.origin,
                help: "add a decision (`allow`), a constraint (`cap`, `limit`) or an effect"
                    + " (`observe`)")
        }
        if policy.decision == nil, let override = policy.overriding.first {
            findings.error(
                "override-without-decision",
                "policy \(shown) says `overriding` but decides nothing", at: override.origin,
                help: "add `allow`, `reject` or `drop`, or remove it")
        }
    }

    private mutating func add(_ clause: DecisionClause, to policy: inout Policy, _ id: PolicyID) {
        if let written = clause.action {
            let action: Action =
                switch written {
                case .allow: .allow
                case .reject: .reject
                case .drop: .drop
                }
            if let first = policy.decision {
                let isSame = first.action == action
                findings.error(
                    isSame ? "duplicate-decision" : "contradictory-decision",
                    "policy \(quoted(policy.name)) decides "
                        + (isSame
                            ? "twice" : "both `\(first.action.rawValue)` and `\(action.rawValue)`"),
                    at: clause.range,
                    related: first.origin.map {
                        [RelatedPlace(range: $0, message: "first here")]
                    } ?? [], help: "keep one of them, or make two policies")
            } else {
                policy.decision = Decision(action: action, origin: clause.range)
            }
        }
        for reference in clause.overriding { add(reference, to: &policy, id) }
    }

    private mutating func add(
        _ reference: PolicyReference, to policy: inout Policy, _ id: PolicyID
    ) {
        guard let target = policyID(reference) else { return }
        let name = quoted(qualifiedName(target))
        if target == id {
            findings.error(
                "override-self", "policy \(quoted(policy.name)) overrides itself",
                at: reference.range, help: "name the policy whose decision is set aside")
            return
        }
        let layer = drafts[target.index].layer
        guard layer >= policy.layer else {
            findings.error(
                "override-upwards",
                "\(quoted(qualifiedName(id))) cannot override \(name) of a higher layer",
                at: reference.range,
                related: [RelatedPlace(range: drafts[target.index].head, message: "the policy")],
                help: "higher layers decide first: move the exception to"
                    + " \(quoted(layers[layer].name)) or above")
            return
        }
        if let first = policy.overriding.first(where: { $0.policy == target }) {
            findings.warning(
                "duplicate-override", "\(name) is overridden twice", at: reference.range,
                related: first.origin.map {
                    [RelatedPlace(range: $0, message: "first here")]
                } ?? [], help: "remove one of them")
            return
        }
        policy.overriding.append(Override(policy: target, origin: reference.range))
    }

    private mutating func add(_ effect: Effect, to policy: inout Policy) {
        let kind = effect.kind.name
        if kind != "mirror", let first = policy.effects.first(where: { $0.kind.name == kind }) {
            findings.error(
                "duplicate-effect", "policy \(quoted(policy.name)) has `\(kind)` twice",
                at: effect.origin,
                related: first.origin.map {
                    [RelatedPlace(range: $0, message: "first here")]
                } ?? [], help: "keep one of them")
            return
        }
        policy.effects.append(effect)
    }

    // MARK: activation

    private mutating func activation(_ declaration: PolicyDeclaration) -> PolicyActivation {
        var result = PolicyActivation()
        var seen: [(word: String, range: SourceRange)] = []
        for activation in declaration.activations {
            let word = activation.kind.word
            // Any number of windows: it is in force during each of them.
            if case .during(let window) = activation.kind {
                let hours = WeeklyHours(
                    days: window.days, startMinute: window.startMinute,
                    endMinute: window.endMinute)
                if result.during.contains(hours), let first = seen.first(where: { $0.word == word })
                {
                    contradiction(declaration, activation, "says `during` the same hours", first)
                    continue
                }
                result.during.append(hours)
                seen.append((word, activation.range))
                continue
            }
            if let first = seen.first(where: { $0.word == word }) {
                contradiction(declaration, activation, "says `\(word)` twice", first)
                continue
            }
            if let other = Self.contradicting[word],
                let first = seen.first(where: { $0.word == other })
            {
                contradiction(declaration, activation, "is both `\(other)` and `\(word)`", first)
                continue
            }
            seen.append((word, activation.range))
            switch activation.kind {
            case .until(let seconds): result.until = seconds
            case .forDuration(let seconds): result.forSeconds = seconds
            case .standby: result.standby = true
            case .staged: result.staged = true
            case .during: break
            }
        }
        return result
    }

    private static let contradicting = [
        "until": "for", "for": "until", "standby": "staged", "staged": "standby",
    ]

    private mutating func contradiction(
        _ declaration: PolicyDeclaration, _ activation: Activation, _ what: String,
        _ first: (word: String, range: SourceRange)
    ) {
        findings.error(
            "contradictory-activation", "policy \(quoted(declaration.name.text)) \(what)",
            at: activation.range,
            related: [RelatedPlace(range: first.range, message: "first here")],
            help: "keep one of them")
    }
}

extension Policy {
    /// Says of every part that stands in a pattern of the library that it stands in the instance:
    /// that is the line which its author can change.
    fileprivate mutating func move(from pattern: SourceRange, to instance: SourceRange) {
        func moved(_ origin: SourceRange?) -> SourceRange? {
            origin.map { $0.source == pattern.source ? instance : $0 }
        }
        for index in interactions.indices {
            interactions[index].origin = moved(interactions[index].origin)
        }
        decision = decision.map { Decision(action: $0.action, origin: moved($0.origin)) }
        for index in caps.indices {
            caps[index].origin = moved(caps[index].origin)
            for number in caps[index].reservations.indices {
                caps[index].reservations[number].origin = moved(
                    caps[index].reservations[number].origin)
            }
        }
        for index in limits.indices { limits[index].origin = moved(limits[index].origin) }
        effects = effects.map { Effect(kind: $0.kind, origin: moved($0.origin)) }
    }
}

extension Effect.Kind {
    fileprivate var name: String {
        switch self {
        case .observe: "observe"
        case .log: "log"
        case .priority: "priority"
        case .mirror: "mirror"
        }
    }
}

extension Activation.Kind {
    fileprivate var word: String {
        switch self {
        case .until: "until"
        case .forDuration: "for"
        case .during: "during"
        case .standby: "standby"
        case .staged: "staged"
        }
    }
}
