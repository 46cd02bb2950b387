// SPDX-License-Identifier: GPL-3.0-or-later
//
// Why a flow is let through or not: each layer's word, each constraint, each with its line.

import ArgumentParser
import FoundationEssentials
import WeirAnalysis
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirSession

struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show each layer's decision and each constraint on a flow; or a finding's page.",
        discussion: """
            Examples: weir explain 'checkout -> orders-db tcp/5432' examples/shop
                      weir explain undeclared-override
            """)

    @Argument(
        help: "SOURCE -> DESTINATION PROTOCOL/PORT, by service name or address; or a code.")
    var flow: String
    @OptionGroup var location: PolicyPath
    @OptionGroup var format: JSONFlag

    func run() throws {
        if let page = page(for: flow) {
            Output.write(page)
            return
        }
        let ready = try loadWithoutErrors(location.path)
        let flows: [Flow]
        switch parseFlow(flow, in: ready.policySet) {
        case .success(let found): flows = found
        case .failure(let problem):
            Output.error(problem.message, help: problem.help)
            throw Stop(.unusable)
        }
        let explanations = Self.distinct(flows, ready)
        if format.json {
            Output.write(try json(explanations.map { Explanation($0, ready) }))
        } else {
            Output.write(explanations.map { Self.describe($0, ready) }.joined(separator: "\n\n"))
        }
    }

    /// One flow for each different answer, so that a service with many endpoints stays readable.
    fileprivate static func distinct(_ flows: [Flow], _ ready: ReadyPolicies) -> [ExplainedFlow] {
        var found: [ExplainedFlow] = []
        for flow in flows {
            let verdict = ready.policySet.decide(flow, in: currentState())
            if let index = found.firstIndex(where: { $0.agrees(with: verdict) }) {
                found[index].alike += 1
            } else {
                found.append(ExplainedFlow(flow: flow, verdict: verdict))
            }
        }
        return found
    }

    fileprivate static func describe(_ item: ExplainedFlow, _ ready: ReadyPolicies) -> String {
        let set = ready.policySet
        var lines = [item.flow.description + item.suffix(set), ""]
        let width = set.layers.map(\.name.count).max() ?? 0
        for (index, decision) in item.verdict.layers.enumerated() {
            let name = set.layers[index].name
            let pad = String(repeating: " ", count: width - name.count)
            let decides = index == item.verdict.decidingLayer
            lines += layerLines(decision, ready).map {
                "  \(decides ? paint("▶", "1") : " ") \(name)\(pad)  \($0)"
            }
        }
        lines.append("")
        lines.append("  " + outcome(item.verdict, ready))
        for constraint in item.verdict.constraints {
            lines.append("  subject to " + constraintLine(constraint, ready))
        }
        return lines.joined(separator: "\n")
    }
}

/// The text of `explain` for the prompt, or what is wrong with the flow.
func explanation(of flow: String, _ ready: ReadyPolicies) -> Result<String, StagingError> {
    switch parseFlow(flow, in: ready.policySet) {
    case .success(let flows):
        return .success(
            Explain.distinct(flows, ready).map { Explain.describe($0, ready) }
                .joined(separator: "\n\n"))
    case .failure(let problem):
        return .failure(StagingError(problem.message, help: problem.help))
    }
}

/// A flow with what is decided about it, standing for others with the same answer.
struct ExplainedFlow {
    let flow: Flow
    let verdict: Verdict
    var alike = 0

    func agrees(with other: Verdict) -> Bool {
        verdict.layers == other.layers && verdict.constraints == other.constraints
    }

    /// Who the addresses are, and how many flows are alike.
    func suffix(_ set: PolicySet) -> String {
        func name(_ address: IPAddress) -> String {
            let services = set.landscape.services.filter { $0.endpoints.contains(address) }
                .map(\.name)
            let zone = set.landscape.zone(of: address).map { " in \(set.landscape.zones[$0].name)" }
            return (services.isEmpty ? "external" : services.joined(separator: "+")) + (zone ?? "")
        }
        let others = alike > 0 ? "; \(alike) more pairs of endpoints alike" : ""
        return "   (\(name(flow.source)) -> \(name(flow.destination))\(others))"
    }
}

private func location(_ range: SourceRange?, _ ready: ReadyPolicies) -> String {
    range.map { ready.sources.location($0) } ?? ""
}

private func layerLines(_ decision: Verdict.LayerDecision, _ ready: ReadyPolicies) -> [String] {
    let set = ready.policySet
    switch decision {
    case .pass: return ["pass"]
    case .byDefault(let action): return ["\(action.rawValue)  by the layer's default"]
    case .decided(let action, let policies):
        return policies.map { id in
            let place = location(set[id].decision?.origin ?? set[id].origin, ready)
            return "\(action.rawValue)  by \(set[id].name)  \(place)"
        }
    case .ambiguous(let policies):
        return policies.map { "ambiguous: \(set[$0].name)  \(location(set[$0].origin, ready))" }
    }
}

private func outcome(_ verdict: Verdict, _ ready: ReadyPolicies) -> String {
    guard let action = verdict.action else { return paint("ambiguous", "1;31") }
    let colour = action == .allow ? "1;32" : "1;31"
    let word =
        switch action {
        case .allow: "allowed"
        case .reject: "rejected"
        case .drop: "dropped"
        }
    guard let layer = verdict.decidingLayer else {
        return paint(word, colour) + ": no layer decides"
    }
    return paint(word, colour) + " by layer \(ready.policySet.layers[layer].name)"
}

/// The clause as it is written, its policy and its place.
private func constraintLine(_ item: Verdict.Constraint, _ ready: ReadyPolicies) -> String {
    let policy = ready.policySet[item.policy]
    let origin =
        switch item.kind {
        case .limit(let index): policy.limits[index].origin
        case .cap(let index): policy.caps[index].origin
        }
    let text = origin.map { ready.sources[$0.source].text(in: $0.bytes) } ?? "a constraint"
    return "`\(text)`  \(ready.policySet.qualifiedName(item.policy))  \(location(origin, ready))"
}

/// An explanation for programs.
private struct Explanation: Encodable {
    struct LayerEntry: Encodable {
        let layer: String
        let decision: String
        let policies: [String]
        let places: [String]
    }
    struct ConstraintEntry: Encodable {
        let policy: String
        let clause: String
        let place: String
    }
    let version = 1
    let flow: String
    let action: String
    let decidingLayer: String?
    let layers: [LayerEntry]
    let constraints: [ConstraintEntry]

    init(_ item: ExplainedFlow, _ ready: ReadyPolicies) {
        let set = ready.policySet
        flow = item.flow.description
        action = item.verdict.action?.rawValue ?? "ambiguous"
        decidingLayer = item.verdict.decidingLayer.map { set.layers[$0].name }
        layers = item.verdict.layers.enumerated().map { index, decision in
            let (word, policies): (String, [PolicyID]) =
                switch decision {
                case .pass: ("pass", [])
                case .byDefault(let action): ("default \(action.rawValue)", [])
                case .decided(let action, let policies): (action.rawValue, policies)
                case .ambiguous(let policies): ("ambiguous", policies)
                }
            return LayerEntry(
                layer: set.layers[index].name, decision: word,
                policies: policies.map { set[$0].name },
                places: policies.map { location(set[$0].origin, ready) })
        }
        constraints = item.verdict.constraints.map { constraint in
            let policy = set[constraint.policy]
            let (clause, origin): (String, SourceRange?) =
                switch constraint.kind {
                case .limit(let index): ("limit", policy.limits[index].origin)
                case .cap(let index): ("cap", policy.caps[index].origin)
                }
            return ConstraintEntry(
                policy: set.qualifiedName(constraint.policy), clause: clause,
                place: location(origin, ready))
        }
    }
}
