// SPDX-License-Identifier: GPL-3.0-or-later
//
// The words of a finding. The blocker is always named with its layer, the witness is always
// printed, and the state is said whenever it is not "always".

public import WeirDiagnostics
public import WeirModel

extension Finding {
    /// The finding as an operator reads it; places and names are the policy set's.
    /// - Parameter names: kept by whoever words many findings of one landscape.
    public func diagnostic(
        in policySet: PolicySet, names: ServiceNames? = nil
    ) -> Diagnostic {
        let words = FindingWords(
            finding: self, policySet: policySet,
            serviceNames: names ?? ServiceNames(policySet.landscape))
        return Diagnostic(
            severity, code.rawValue, words.message, at: words.range, related: words.related,
            notes: words.notes, help: words.help)
    }

    /// Its first line.
    public func message(in policySet: PolicySet) -> String {
        FindingWords(
            finding: self, policySet: policySet, serviceNames: ServiceNames(policySet.landscape)
        ).message
    }
}

/// A finding beside the policy set that it speaks of.
struct FindingWords {
    let finding: Finding
    let policySet: PolicySet
    let serviceNames: ServiceNames

    func name(_ id: PolicyID) -> String { "`\(policySet.qualifiedName(id))`" }

    func policies(_ role: Finding.Role) -> [Finding.Involved] {
        finding.policies.filter { $0.role == role }
    }

    /// "`a.b`, `c.d` and 3 more".
    func names(_ involved: [Finding.Involved], atMost count: Int = 3) -> String {
        var seen: Set<PolicyID> = []
        let all = involved.map(\.policy).filter { seen.insert($0).inserted }.map(name)
        guard all.count > count + 1 else {
            return all.count > 1
                ? all.dropLast().joined(separator: ", ") + " and " + (all.last ?? "")
                : all.joined()
        }
        return all.prefix(count).joined(separator: ", ") + " and \(all.count - count) more"
    }

    /// The policy that the finding is about.
    var first: String { finding.policies.first.map { name($0.policy) } ?? "" }
    var second: String {
        finding.policies.dropFirst().first.map { name($0.policy) } ?? ""
    }

    private func action(_ id: PolicyID) -> String {
        switch policySet[id].decision?.action {
        case .allow: "allows"
        case .reject: "rejects"
        case .drop: "drops"
        case nil: "matches"
        }
    }

    private func action(_ index: Int) -> String {
        index < finding.policies.count ? action(finding.policies[index].policy) : "matches"
    }

    var message: String {
        let text = plainMessage
        return finding.certainty == .undecided
            ? "cannot tell within the search budget whether \(text)" : text
    }

    private var plainMessage: String {
        switch finding.code {
        case .ambiguousDecision:
            "\(first) \(action(0)) what \(second) of the same layer \(action(1))"
        case .undeclaredOverride: "\(first) \(action(0)) what \(second) \(action(1))"
        case .narrowed:
            "\(first) \(action(0)) what \(names(policies(.allows))) "
                + (policies(.allows).count > 1 ? "allow" : "allows")
        case .overrideCycle: "\(names(finding.policies)) override each other in a loop"
        case .overrideUnused: "\(first) overrides \(second) but never meets it"
        case .shadowedPolicy: "everything \(first) decides is decided above it by \(deciders)"
        case .redundantPolicy: "removing \(first) changes nothing"
        case .deadConstraint: "the constraints of \(first) are on flows that are denied anyway"
        case .maskedLimit:
            "\(part(0)) of \(first) can never bind, since \(part(1)) of \(second) is tighter"
        case .brokenReservation: reservationMessage
        case .overcommittedCapacity: capacityMessage
        case .assertionFailed: assertionMessage
        case .lockout: lockoutMessage
        case .emptySet: emptyMessage
        case .expiredPolicy: expiredMessage
        }
    }

    /// Who decides above: policies, or a layer's default.
    private var deciders: String {
        let above = policies(.decidesAbove)
        if !above.isEmpty { return names(above) }
        return finding.witness?.defaultLayer.map { defaultName($0) } ?? "nothing"
    }

    func defaultName(_ layer: Int) -> String {
        let action = policySet.layers[layer].defaultAction.map(\.rawValue) ?? "pass"
        return "`default \(action)` of layer `\(policySet.layers[layer].name)`"
    }

    private var reservationMessage: String {
        let reserves = policies(.reserves)
        if !reserves.isEmpty {
            let whose = Set(reserves.map(\.policy)).count > 1 ? names(reserves) : first
            return "\(whose) reserve\(Set(reserves.map(\.policy)).count > 1 ? "" : "s") more than "
                + "\(part(0)) of \(first) has"
        }
        let denying = policies(.denies)
        if !denying.isEmpty {
            return "\(part(0)) of \(first) cannot be used, since its flows are denied by "
                + names(denying)
        }
        if let layer = finding.witness?.defaultLayer {
            return "\(part(0)) of \(first) cannot be used, since its flows are denied by "
                + defaultName(layer)
        }
        return "\(part(0)) of \(first) cannot be honoured, since \(partsOf(.tighter)) "
            + (policies(.tighter).count > 1 ? "leave" : "leaves") + " less"
    }

    private var capacityMessage: String {
        guard case .service(let index) = finding.subject else { return "capacity is exceeded" }
        let service = policySet.landscape.services[index].name
        return "\(partsOf(.admits)) admit\(policies(.admits).count > 1 ? "" : "s") more to "
            + "`\(service)` than its declared capacity"
    }

    private var assertionMessage: String {
        guard case .assertion(let index, _) = finding.subject else { return "an assertion fails" }
        let assertion = policySet.assertions[index]
        let text = assertion.text.map { "assertion \"\($0)\"" } ?? "assertion"
        if !policies(.tighter).isEmpty {
            return "\(text) fails: \(partsOf(.tighter)) "
                + (policies(.tighter).count > 1 ? "leave" : "leaves") + " fewer connections"
        }
        return "\(text) fails: \(verdict)"
    }

    private var lockoutMessage: String {
        let denied = policies(.denies).isEmpty ? "nothing admits" : verdict
        if case .channel = finding.subject {
            return "a protected connection would be cut: \(denied)"
        }
        return denied
    }

    /// Who decides the witness flow, and how.
    private var verdict: String {
        if let decider = finding.policies.first(where: { $0.role == .allows || $0.role == .denies })
        {
            let id = decider.policy
            return "\(name(id)) \(action(id)) such a flow"
        }
        if let layer = finding.witness?.defaultLayer {
            let verb = policySet.layers[layer].defaultAction == .allow ? "admits" : "denies"
            return "\(defaultName(layer)) \(verb) such a flow"
        }
        return "no policy decides such a flow, so it is allowed"
    }

    private var emptyMessage: String {
        if case .assertion = finding.subject { return "an assertion matches no flow" }
        guard let involved = finding.policies.first else { return "it matches no flow" }
        switch involved.part {
        case .reservation: return "\(part(0)) of \(first) matches none of its flows"
        case .interaction where policySet[involved.policy].interactions.count > 1:
            return "an interaction of \(first) matches no flow"
        default: return "\(first) matches no flow"
        }
    }

    private var expiredMessage: String {
        guard let until = finding.policies.first.flatMap({ policySet[$0.policy].activation.until })
        else { return "\(first) will never be in force again" }
        return "\(first) is over since \(describeInstant(until))"
    }
}
