// SPDX-License-Identifier: GPL-3.0-or-later
//
// One real packet's way through the tables, in the policies' own words: the kernel says which chains
// it passed, the reference implementation which policies speak there.

import WeirDiagnostics
public import WeirKernel
public import WeirModel
import WeirRuleset

/// The steps of one packet.
public struct PacketJourney: Sendable {
    public private(set) var steps: [TraceStep] = []

    public init() {}

    public mutating func append(_ step: TraceStep) { steps.append(step) }

    public var flow: Flow? { steps.lazy.compactMap(\.flow).first }

    /// What became of it in weir's table.
    public enum End: String, Sendable, Equatable {
        case passes, refused, dropped
        /// It belongs to a connection that was let through before.
        case known
        /// Nothing of weir's was seen of it.
        case unseen
    }

    private var own: [TraceStep] { steps.filter { $0.table == "weir" } }

    private var passed: [ChainMeaning] {
        own.compactMap { step in
            ChainMeaning(chain: step.chain)
        }
    }

    public var end: End {
        if own.isEmpty { return .unseen }
        if passed.contains(.refused) { return .refused }
        if passed.contains(.dropped) || own.contains(where: { $0.verdict == .drop }) {
            return .dropped
        }
        let isNew = own.contains { $0.chain == "admit" }
        return isNew ? .passes : .known
    }

    /// The layer that decided; nil where none did, or a layer's default.
    public var decidingLayer: String? {
        var last: String?
        for meaning in passed {
            switch meaning {
            case .layer(let name): last = name
            case .allowed, .rejected, .dropped: return last
            default: break
            }
        }
        return nil
    }

    // MARK: Words

    /// A line for the packet, then one for each thing that was said of it.
    public func lines(_ inForce: PoliciesInForce, number: Int, nowEpochSeconds now: Int64)
        -> [String]
    {
        var lines = ["packet \(number)  \(flow?.description ?? "?"): \(end.rawValue)"]
        let isNew = end != .known && end != .unseen
        if isNew, let flow {
            let verdict = inForce.policySet.decide(flow, in: PolicyState(epochSeconds: now))
            lines += decision(verdict, inForce) + constraints(verdict, inForce)
        }
        for step in steps where step.table != "weir" {
            switch step.verdict {
            case .drop: lines.append("  dropped by table \(step.table), chain \(step.chain)")
            case .accept where step.isPolicy || step.verdict == .accept:
                lines.append("  passes table \(step.table), chain \(step.chain)")
            default: break
            }
        }
        return lines
    }

    private func decision(_ verdict: WeirModel.Verdict, _ inForce: PoliciesInForce) -> [String] {
        let set = inForce.policySet
        guard let layer = decidingLayer else {
            guard let index = verdict.decidingLayer,
                case .byDefault(let action) = verdict.layers[index]
            else { return ["  no layer decides: allowed"] }
            return ["  \(action.rawValue) by the default of layer \(set.layers[index].name)"]
        }
        guard let index = set.layers.firstIndex(where: { $0.name == layer }),
            case .decided(let action, let policies) = verdict.layers[index],
            verdict.decidingLayer == index
        else { return ["  layer \(layer) decides, which the policies as known here do not say"] }
        return policies.map { id in
            "  \(action.rawValue) by \(set.qualifiedName(id))\(place(id, inForce))"
        }
    }

    private func constraints(_ verdict: WeirModel.Verdict, _ inForce: PoliciesInForce) -> [String] {
        let isOverCap = passed.contains(.overCap)
        guard end != .passes, isOverCap || passed.contains(.overLimit) else { return [] }
        let set = inForce.policySet
        let candidates = verdict.constraints.filter { constraint in
            if case .cap = constraint.kind { isOverCap } else { !isOverCap }
        }.map { "\(set.qualifiedName($0.policy))\(place($0.policy, inForce))" }
        let what = isOverCap ? "cap" : "limit"
        let names = Set(candidates).sorted().joined(separator: ", or ")
        return ["  over a \(what) of \(names.isEmpty ? "a policy" : names)"]
    }

    private func place(_ id: PolicyID, _ inForce: PoliciesInForce) -> String {
        guard let origin = inForce.policySet[id].origin else { return "" }
        return "  " + relativePath(inForce.sources.location(origin), to: inForce.entry.root)
    }
}
