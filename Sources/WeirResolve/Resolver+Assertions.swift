// SPDX-License-Identifier: GPL-3.0-or-later
//
// What stands beside the policies: assertions about them and triggers that enable them; and, at
// the end, the names that nothing has used.

import WeirDiagnostics
import WeirModel
import WeirSyntax

extension Resolver {
    mutating func assertion(_ declaration: AssertionDeclaration) -> Assertion {
        var connections: UInt64?
        if let amount = declaration.connections {
            if declaration.modality == .never {
                findings.error(
                    "wrong-assertion", "`never` cannot be asserted `with` connections",
                    at: amount.range, help: "leave out `with …`, or assert `always`")
            } else {
                connections = self.connections(amount)?.value
            }
        }
        return Assertion(
            text: declaration.text?.text,
            modality: declaration.modality == .never ? .never : .always,
            interactions: interactions(declaration.interaction) ?? [], connections: connections,
            origin: declaration.range)
    }

    // MARK: triggers

    mutating func trigger(_ declaration: TriggerDeclaration, _ policies: [Policy]) -> Trigger? {
        let watched = policyID(declaration.policy)
        let enabled = policyID(declaration.enables)
        let signal = signal(declaration.signal)
        if let enabled, !policies[enabled.index].activation.standby {
            findings.error(
                "not-standby",
                "\(quoted(qualifiedName(enabled))) is not `standby`, so nothing can enable it",
                at: declaration.enables.range,
                related: [RelatedPlace(range: drafts[enabled.index].head, message: "the policy")],
                help: "write `standby` after its name")
        }
        guard let watched, let enabled, let signal,
            let threshold = threshold(declaration, signal, policies[watched.index])
        else { return nil }
        let comparison: Trigger.Comparison =
            switch declaration.comparison {
            case .greater: .greater
            case .greaterOrEqual: .greaterOrEqual
            case .less: .less
            case .lessOrEqual: .lessOrEqual
            }
        return Trigger(
            policy: watched, signal: signal, comparison: comparison, threshold: threshold,
            holdSeconds: declaration.holdSeconds, enables: enabled,
            enableSeconds: declaration.enableSeconds, origin: declaration.range)
    }

    private mutating func signal(_ name: Name) -> Trigger.Signal? {
        if let signal = Trigger.Signal(rawValue: name.text) { return signal }
        let known = Trigger.Signal.allCases.map(\.rawValue)
        let near = findings.nearest(to: name.text, among: known)
        findings.error(
            "unknown-signal", "there is no signal \(quoted(name.text))", at: name.range,
            help: near.map { "did you mean `\($0)`?" }
                ?? "signals are \(known.map { "`\($0)`" }.joined(separator: ", "))",
            fixIts: near.map { [spellingFix(of: name, as: $0)] } ?? [])
        return nil
    }

    private mutating func threshold(
        _ declaration: TriggerDeclaration, _ signal: Trigger.Signal, _ policy: Policy
    ) -> Double? {
        switch declaration.threshold {
        case .percent(let percent):
            guard let base = percentBase(declaration, signal, policy) else { return nil }
            return base * Double(percent) / 100
        case .amount(let amount):
            guard signal == .connections else {
                return wrongThreshold(amount.range, signal)
            }
            return connections(amount).map { Double($0.value) }
        case .rate(let written):
            guard let wanted = signal.unit else { return wrongThreshold(written.range, signal) }
            guard let rate = rate(written) else { return nil }
            guard rate.unit.counted == wanted else {
                return wrongThreshold(written.range, signal)
            }
            return rate.rate.perSecond
        }
    }

    private mutating func wrongThreshold(
        _ range: SourceRange, _ signal: Trigger.Signal
    ) -> Double? {
        let sample =
            switch signal {
            case .connections: "500 connections"
            case .rate, .rejected: "50 connections/s"
            case .bytes: "20 MB/s"
            case .packets: "1000 packets/s"
            }
        findings.error(
            "wrong-threshold", "`\(signal.rawValue)` cannot be compared with \(shown(range))",
            at: range, help: "write an amount such as `\(sample)`")
        return nil
    }

    /// What 100% is: the least cap or limit in total that the policy has for the signal.
    private mutating func percentBase(
        _ declaration: TriggerDeclaration, _ signal: Trigger.Signal, _ policy: Policy
    ) -> Double? {
        let amounts: [Double]
        let wanted: String
        switch signal {
        case .connections:
            amounts = policy.caps.filter { $0.scope == .total }.map { Double($0.connections) }
            wanted = "cap in total"
        case .rate, .bytes, .packets:
            amounts = policy.limits.filter { $0.scope == .total && $0.unit == signal.unit }
                .map(\.rate.perSecond)
            wanted = "limit in total on \(signal.unit?.rawValue ?? "it")"
        case .rejected:
            findings.error(
                "wrong-threshold", "`rejected` has no percentage", at: declaration.signal.range,
                help: "write a rate such as `50 connections/s`")
            return nil
        }
        if let least = amounts.min() { return least }
        // A cap or limit that did not resolve has been reported.
        guard !findings.diagnostics.contains(where: { isInside($0, policy) }) else { return nil }
        findings.error(
            "wrong-threshold",
            "\(quoted(policy.name)) has no \(wanted) that a percentage could be of",
            at: declaration.signal.range,
            related: policy.origin.map { [RelatedPlace(range: $0, message: "the policy")] } ?? [],
            help: "write an amount, or give the policy a \(wanted)")
        return nil
    }

    private func isInside(_ diagnostic: Diagnostic, _ policy: Policy) -> Bool {
        guard diagnostic.severity == .error, let range = diagnostic.range,
            let origin = policy.origin
        else { return false }
        let body = drafts.first { $0.head == origin }?.declaration.range
        return body.map { $0.source == range.source && $0.bytes.contains(range.start) } ?? false
    }

    // MARK: unused names

    /// Only where nothing is wrong: what is misspelt elsewhere would seem unused here.
    mutating func reportUnused() {
        guard damagedNames.isEmpty, !findings.diagnostics.hasErrors else { return }
        for (name, group) in groups where !uses.contains(.group(name)) {
            unused("group", name, group.declaration.name.range)
        }
        for (name, port) in ports where !uses.contains(.port(name)) {
            unused("port", name, port.declaration.name.range)
        }
        for (name, pattern) in patterns
        where !pattern.isLibrary && !uses.contains(.pattern(name)) {
            unused("pattern", name, pattern.declaration.name.range)
        }
        for (name, pattern) in patterns where !pattern.isLibrary {
            for parameter in unusedParameters(of: pattern.declaration) {
                findings.warning(
                    "unused-parameter",
                    "pattern \(quoted(name)) never uses its parameter \(quoted(parameter.text))",
                    at: parameter.range, help: "use it, or remove it here and in every instance")
            }
        }
    }

    private mutating func unused(_ kind: String, _ name: String, _ range: SourceRange) {
        findings.warning(
            "unused-name", "\(kind) \(quoted(name)) is never used", at: range,
            help: "use it or remove it")
    }
}

extension Trigger.Signal {
    /// What a rate of it counts.
    var unit: Limit.Unit? {
        switch self {
        case .connections: nil
        case .rate, .rejected: .connections
        case .bytes: .bytes
        case .packets: .packets
        }
    }
}
