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
    /// Packets that triggers count.
    var watched: [StagePlan] = []
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
    mutating func effectPlans(_ matching: [PolicyID]) -> EffectPlans {
        memory.otherObjects = []
        var plans = EffectPlans()
        seen(matching, &plans)
        staged(matching, &plans)
        priorities(matching, &plans)
        watched(matching, &plans)
        return plans
    }

    private mutating func seen(_ enabled: [PolicyID], _ plans: inout EffectPlans) {
        let byRate = policySet.policies(watchedFor: [.rate])
        let watching = enabled.filter { id in
            records[id.index].policy.effects.contains { $0.kind.watches } || byRate.contains(id)
        }
        let names = watching.map { "\(records[$0.index].kernelName).seen" }
        let numbers = assignNumbers(names, in: IdentifierRange.seen)
        var items: [SlotItem] = []
        for ((id, name), number) in zip(zip(watching, names), numbers) {
            let comment = records[id.index].comment
            count(name, number, comment, in: ProgramName.seen)
            memory.otherObjects.append(name)
            items.append(
                SlotItem(
                    entry: entry(id, number), name: name, policy: id,
                    shape: records[id.index].shape,
                    prefix: ProgramName.seenStage))
            for case .log(let text, let sample) in records[id.index].policy.effects.map(\.kind) {
                plans.logs.append(
                    LoggedPolicy(
                        number: number, prefix: "weir \(policySet.qualifiedName(id)): \(text) ",
                        sampleOneIn: sample, comment: comment))
            }
        }
        plans.seen = slots(items, of: ProgramName.seenStage)
    }

    private mutating func staged(_ enabled: [PolicyID], _ plans: inout EffectPlans) {
        let deciding = enabled.filter {
            let policy = records[$0.index].policy
            return policy.activation.staged && policy.decision != nil
        }
        let names = deciding.map { id in
            "\(records[id.index].kernelName).would-\(records[id.index].policy.decision?.action.rawValue ?? "")"
        }
        let numbers = assignNumbers(names, in: IdentifierRange.staged)
        var items: [SlotItem] = []
        for ((id, name), number) in zip(zip(deciding, names), numbers) {
            count(name, number, records[id.index].comment, in: ProgramName.staged)
            memory.otherObjects.append(name)
            let layer = records[id.index].policy.layer
            let layerName = escapedIdentifier(policySet.layers[layer].name)
            items.append(
                SlotItem(
                    entry: entry(id, number), name: name, policy: id,
                    shape: records[id.index].shape,
                    prefix: "\(ProgramName.stagedStage)\(layerName).", layer: layer))
        }
        let compiled = slots(items, of: ProgramName.stagedStage)
        plans.staged = policySet.layers.indices.map { layer in
            compiled.filter { $0.layer == layer }
        }
    }

    private mutating func priorities(_ enabled: [PolicyID], _ plans: inout EffectPlans) {
        var items: [SlotItem] = []
        for id in enabled where !records[id.index].policy.activation.staged {
            for case .priority(let priority) in records[id.index].policy.effects.map(\.kind) {
                let layer = records[id.index].policy.layer
                let position = String(repeating: "0", count: layer < 10 ? 1 : 0) + "\(layer)"
                items.append(
                    SlotItem(
                        entry: entry(id, IdentifierRange.priorities.lowerBound + priority.level),
                        name: records[id.index].kernelName, policy: id,
                        shape: records[id.index].shape,
                        prefix: "\(ProgramName.priorityStage)\(position)", layer: layer))
            }
        }
        plans.priorities = slots(items, of: ProgramName.priorityStage)
    }

    /// Every packet of policies whose packets or bytes a trigger compares with something.
    private mutating func watched(_ enabled: [PolicyID], _ plans: inout EffectPlans) {
        let metered = policySet.policies(watchedFor: [.bytes, .packets])
        let watching = enabled.filter(metered.contains)
        let names = watching.map { "\(records[$0.index].kernelName).watched" }
        let numbers = assignNumbers(names, in: IdentifierRange.watched)
        var items: [SlotItem] = []
        for ((id, name), number) in zip(zip(watching, names), numbers) {
            count(name, number, records[id.index].comment, in: ProgramName.watched)
            memory.otherObjects.append(name)
            items.append(
                SlotItem(
                    entry: entry(id, number), name: name, policy: id,
                    shape: records[id.index].shape, prefix: ProgramName.watchStage))
        }
        plans.watched = slots(items, of: ProgramName.watchStage)
    }
}

extension PolicySet {
    /// Policies of which a trigger watches one of some signals.
    func policies(watchedFor signals: Set<Trigger.Signal>) -> Set<PolicyID> {
        Set(triggers.filter { signals.contains($0.signal) }.map(\.policy))
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
