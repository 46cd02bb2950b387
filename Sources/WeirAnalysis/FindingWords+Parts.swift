// SPDX-License-Identifier: GPL-3.0-or-later
//
// The smaller words of a finding: parts of policies, places, notes with witness, numbers and
// state, and the one line that says what to do.

import WeirDiagnostics
import WeirModel

extension FindingWords {
    /// "`cap 800 connections`": one part of a policy as it was written, more or less.
    func part(_ index: Int) -> String {
        index < finding.policies.count ? part(finding.policies[index]) : "it"
    }

    func part(_ involved: Finding.Involved) -> String {
        let policy = policySet[involved.policy]
        switch involved.part {
        case .cap(let index):
            let cap = policy.caps[index]
            return "`cap \(cap.connections) connections\(scope(cap.scope))`"
        case .limit(let index):
            let limit = policy.limits[index]
            return "`limit \(limit.rate.amount) \(limit.unit.rawValue)"
                + "/\(interval(limit.rate.intervalSeconds))\(scope(limit.scope))`"
        case .reservation(let cap, let index):
            return "`reserve \(policy.caps[cap].reservations[index].connections)`"
        case .interaction, nil: return "a part"
        }
    }

    /// "`cap 10 connections` of `a.b` and …".
    func partsOf(_ role: Finding.Role) -> String {
        policies(role).map { "\(part($0)) of \(name($0.policy))" }.joined(separator: " and ")
    }

    private func scope(_ scope: CountingScope) -> String {
        scope == .total ? "" : " per \(scope.rawValue)"
    }

    private func interval(_ seconds: UInt64) -> String {
        switch seconds {
        case 1: "s"
        case 60: "m"
        case 3600: "h"
        default: "\(seconds)s"
        }
    }

    var range: SourceRange? {
        if case .assertion(let index, let interaction) = finding.subject {
            let assertion = policySet.assertions[index]
            return interaction.flatMap { assertion.interactions[$0].origin } ?? assertion.origin
        }
        return finding.policies.first.flatMap(place)
    }

    /// The most telling place of what is involved.
    private func place(_ involved: Finding.Involved) -> SourceRange? {
        let policy = policySet[involved.policy]
        let part: SourceRange? =
            switch involved.part {
            case .cap(let index): policy.caps[index].origin
            case .limit(let index): policy.limits[index].origin
            case .interaction(let index): policy.interactions[index].origin
            case .reservation(let cap, let index):
                policy.caps[cap].reservations[index].origin ?? policy.caps[cap].origin
            case nil: decisionPlace(involved, policy)
            }
        return part ?? policy.origin
    }

    private func decisionPlace(_ involved: Finding.Involved, _ policy: Policy) -> SourceRange? {
        switch (finding.code, involved.role) {
        case (.overrideUnused, .subject):
            let target = finding.policies.dropFirst().first?.policy
            return policy.overriding.first { $0.policy == target }?.origin
        case (_, .allows), (_, .denies), (_, .decidesAbove): return policy.decision?.origin
        default: return nil
        }
    }

    var related: [RelatedPlace] {
        let hasPolicyInFront: Bool =
            if case .assertion = finding.subject { false } else { true }
        var places = finding.policies.dropFirst(hasPolicyInFront ? 1 : 0).prefix(8).compactMap {
            involved in
            place(involved).map { RelatedPlace(range: $0, message: label(involved)) }
        }
        if let layer = finding.witness?.defaultLayer, let origin = policySet.layers[layer].origin {
            places.append(RelatedPlace(range: origin, message: "the default of this layer"))
        }
        if case .service(let index) = finding.subject,
            let origin = policySet.landscape.services[index].origin
        {
            places.append(RelatedPlace(range: origin, message: "the capacity is declared here"))
        }
        return places
    }

    private func label(_ involved: Finding.Involved) -> String {
        let name = name(involved.policy)
        return switch involved.role {
        case .subject: name
        case .allows: "\(name) allows it here"
        case .denies: "\(name) denies it here"
        case .decidesAbove: "\(name) decides above it"
        case .tighter: "\(name) is tighter"
        case .reserves: "reserved here"
        case .admits: "\(name) admits this much"
        case .overridden: "\(name) is overridden"
        case .ended: "\(name) has ended by then"
        }
    }

    var notes: [String] {
        guard let witness = finding.witness else { return [] }
        var notes: [String] = []
        if let flow = witness.flow { notes.append("witness: \(flow)\(services(flow))") }
        if let numbers = witness.arithmetic { notes.append(describe(numbers)) }
        if let state = describe(witness) { notes.append(state) }
        return notes
    }

    /// " (checkout to orders-db)": the services that a flow runs between, where there are any.
    private func services(_ flow: Flow) -> String {
        let (source, destination) = (serviceNames[flow.source], serviceNames[flow.destination])
        guard source != nil || destination != nil else { return "" }
        return " (\(source ?? "external") to \(destination ?? "external"))"
    }

    func describe(_ numbers: Finding.Arithmetic) -> String {
        let sum = numbers.terms.map { term($0, numbers.unit) }.joined(separator: " + ")
        let isPlain = numbers.terms.count == 1 && numbers.terms[0].counters == 1
        let total = isPlain ? "" : " = \(amount(numbers.total, numbers.terms.first?.perSeconds))"
        return "\(sum)\(total) \(numbers.relation.rawValue) \(term(numbers.bound, numbers.unit))"
            + " \(numbers.unit.rawValue)"
    }

    private func term(_ term: Finding.Arithmetic.Term, _ unit: Limit.Unit) -> String {
        let each = amount(term.each, term.perSeconds)
        guard term.counters != 1 else { return each }
        let count = term.counters == .max ? "unbounded" : "\(term.counters)"
        return "\(count) \(term.scope.rawValue)s × \(each)"
    }

    private func amount(_ value: UInt64, _ seconds: UInt64?) -> String {
        let text = value == .max ? "unbounded" : "\(value)"
        return seconds.map { "\(text)/\(interval($0))" } ?? text
    }

    /// When the witness holds; nil for always.
    private func describe(_ witness: Finding.Witness) -> String? {
        var parts: [String] = []
        let enabled = witness.state.enabled.sorted().map(name)
        if !enabled.isEmpty {
            parts.append(
                "\(enabled.joined(separator: " and ")) "
                    + (enabled.count > 1 ? "are enabled" : "is enabled"))
        }
        if witness.timeDependent {
            parts.append("the time is \(describeInstant(witness.state.epochSeconds))")
        }
        let ended = policies(.ended)
        if !ended.isEmpty { parts.append("\(names(ended)) has ended") }
        return parts.isEmpty ? nil : "holds when " + parts.joined(separator: ", ")
    }

    var help: String? {
        switch finding.code {
        case .ambiguousDecision:
            if case .addOverriding(let policy, let other)? = finding.fix {
                return "add `overriding \(policySet[other].name)` to \(name(policy)), the narrower"
            }
            return "let one say `overriding` the other, or take the common flows out of one"
        case .undeclaredOverride:
            return "if this is meant, add `overriding \(second.filter { $0 != "`" })` to \(first)"
        case .overrideCycle: return "take one `overriding` out of the loop"
        case .overrideUnused: return "remove the `overriding`, or correct what \(first) matches"
        case .shadowedPolicy: return "remove it, or narrow what decides above it"
        case .redundantPolicy: return "remove it, unless it is there for the reader"
        case .deadConstraint: return "remove the constraints, or allow the flows"
        case .maskedLimit: return "remove it, or set it below the other"
        case .brokenReservation: return "reserve less, raise what is tighter, or allow the flows"
        case .overcommittedCapacity: return "lower the caps, or correct the declared capacity"
        case .assertionFailed: return "change the policies until it holds, or drop the assertion"
        case .lockout: return "allow the connection in a layer above what denies it"
        case .emptySet: return "correct the names and labels, or remove it"
        case .expiredPolicy: return "remove it, or give it a new end"
        case .narrowed: return nil
        }
    }
}

/// RFC 3339 in UTC, to the minute where the seconds are 0: `2026-12-01T18:00Z`.
func describeInstant(_ epochSeconds: Int64) -> String {
    let days = epochSeconds >= 0 ? epochSeconds / 86_400 : (epochSeconds - 86_399) / 86_400
    let second = epochSeconds - days * 86_400
    // Days to a civil date; Howard Hinnant, "chrono-compatible low-level date algorithms".
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
        (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
    func pad(_ value: Int64, _ width: Int = 2) -> String {
        let text = "\(value)"
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    let date = "\(pad(year, 4))-\(pad(month < 10 ? month + 3 : month - 9))-\(pad(day))"
    let seconds = second % 60 == 0 ? "" : ":\(pad(second % 60))"
    return "\(date)T\(pad(second / 3_600)):\(pad(second % 3_600 / 60))\(seconds)Z"
}
