// SPDX-License-Identifier: GPL-3.0-or-later
//
// Effects without a decision, and staged policies: they see a flow and count, log or mark it.

import WeirModel

/// Stages that see packets without deciding.
struct EffectPlans {
    /// New connections that `observe` and `log` see, before any layer is asked.
    var seen: [StagePlan] = []
    var logs: [LoggedPolicy] = []
    /// Of each layer: new connections that its staged policies would decide.
    var staged: [[StagePlan]] = []
    /// Packets that get a priority; the topmost layer's slot comes first.
    var priorities: [StagePlan] = []
}

/// A policy that logs: its number and how.
struct LoggedPolicy {
    let number: UInt32
    let prefix: String
    let sampleOneIn: UInt32
    let comment: String
}

/// The nflog group that `log` writes to.
let logGroup: UInt16 = 0

extension Lowering {
    mutating func effectPlans(_ enabled: [PolicyID], _ boxes: [PolicyID: [Box]]) -> EffectPlans {
        var plans = EffectPlans()
        let matching = enabled.filter { boxes[$0]?.isEmpty == false }
        seen(matching, boxes, &plans)
        staged(matching, boxes, &plans)
        priorities(matching, boxes, &plans)
        return plans
    }

    private mutating func seen(
        _ enabled: [PolicyID], _ boxes: [PolicyID: [Box]], _ plans: inout EffectPlans
    ) {
        let watching = enabled.filter { id in
            policySet[id].effects.contains { $0.kind.watches }
        }
        let names = watching.map { "\(kernelName($0)).seen" }
        let numbers = assignNumbers(names, in: IdentifierRange.seen)
        var items: [SlotItem] = []
        for ((id, name), number) in zip(zip(watching, names), numbers) {
            let comment = kernelComment(policySet.qualifiedName(id))
            count(name, number, comment, in: ProgramName.seen)
            items.append(
                SlotItem(
                    entry: entry(boxes[id] ?? [], number, id), name: name, policy: id,
                    prefix: ProgramName.seenStage))
            for case .log(let text, let sample) in policySet[id].effects.map(\.kind) {
                plans.logs.append(
                    LoggedPolicy(
                        number: number, prefix: "weir \(policySet.qualifiedName(id)): \(text) ",
                        sampleOneIn: sample, comment: comment))
            }
        }
        plans.seen = slots(items)
    }

    private mutating func staged(
        _ enabled: [PolicyID], _ boxes: [PolicyID: [Box]], _ plans: inout EffectPlans
    ) {
        let deciding = enabled.filter {
            policySet[$0].activation.staged && policySet[$0].decision != nil
        }
        let names = deciding.map { id in
            "\(kernelName(id)).would-\(policySet[id].decision?.action.rawValue ?? "")"
        }
        let numbers = assignNumbers(names, in: IdentifierRange.staged)
        var items: [SlotItem] = []
        for ((id, name), number) in zip(zip(deciding, names), numbers) {
            count(name, number, kernelComment(policySet.qualifiedName(id)), in: ProgramName.staged)
            let layer = policySet[id].layer
            let layerName = escapedIdentifier(policySet.layers[layer].name)
            items.append(
                SlotItem(
                    entry: entry(boxes[id] ?? [], number, id), name: name, policy: id,
                    prefix: "\(ProgramName.stagedStage)\(layerName).", layer: layer))
        }
        let compiled = slots(items)
        plans.staged = policySet.layers.indices.map { layer in
            compiled.filter { $0.layer == layer }
        }
    }

    private func priorities(
        _ enabled: [PolicyID], _ boxes: [PolicyID: [Box]], _ plans: inout EffectPlans
    ) {
        var items: [SlotItem] = []
        for id in enabled where !policySet[id].activation.staged {
            for case .priority(let priority) in policySet[id].effects.map(\.kind) {
                let layer = policySet[id].layer
                let position = String(repeating: "0", count: layer < 10 ? 1 : 0) + "\(layer)"
                items.append(
                    SlotItem(
                        entry: entry(
                            boxes[id] ?? [], IdentifierRange.priorities.lowerBound + priority.level,
                            id), name: kernelName(id), policy: id,
                        prefix: "\(ProgramName.priorityStage)\(position)", layer: layer))
            }
        }
        plans.priorities = slots(items)
    }

    private func entry(_ boxes: [Box], _ number: UInt32, _ id: PolicyID) -> StageEntry {
        StageEntry(
            boxes: boxes, value: number, comment: kernelComment(policySet.qualifiedName(id)),
            expiresAtMilliseconds: expiry(id))
    }
}

extension Effect.Kind {
    /// Whether it sees new connections.
    var watches: Bool {
        switch self {
        case .observe, .log: true
        case .priority, .mirror: false
        }
    }
}

extension Effect.Priority {
    /// 1 is critical.
    var level: UInt32 {
        switch self {
        case .critical: 1
        case .high: 2
        case .normal: 3
        case .low: 4
        }
    }

    /// The code point: EF (RFC 3246), AF41 (RFC 2597), default, LE (RFC 8622).
    var codePoint: UInt8 {
        switch self {
        case .critical: 46
        case .high: 34
        case .normal: 0
        case .low: 1
        }
    }

    /// The packet priority for queueing disciplines: TC_PRIO_INTERACTIVE, _INTERACTIVE_BULK,
    /// _BESTEFFORT, _BULK.
    var packetPriority: UInt32 {
        switch self {
        case .critical: 6
        case .high: 4
        case .normal: 0
        case .low: 2
        }
    }

    static let all: [Effect.Priority] = [.critical, .high, .normal, .low]
}
