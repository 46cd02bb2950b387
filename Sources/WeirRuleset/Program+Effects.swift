// SPDX-License-Identifier: GPL-3.0-or-later
//
// The part of the program that sees without deciding: what is observed and logged, what staged
// policies would have done, and priorities.

import WeirModel

extension Program {
    /// Counts what a staged policy would have decided, had it been asked.
    static let countStaged = Rule([
        .inRange(
            .priority, IdentifierRange.staged.lowerBound, IdentifierRange.staged.upperBound),
        .object(.counter, [.priority], map: ProgramName.staged),
    ])

    /// Counts a packet for the triggers that watch its policies.
    static func counting(_ stage: CompiledStage, _ direction: ConnectionDirection) -> [Rule] {
        [
            Rule([
                .inRange(
                    .priority, IdentifierRange.watched.lowerBound,
                    IdentifierRange.watched.upperBound),
                .object(.counter, [.priority], map: ProgramName.watched),
            ])
        ]
    }

    mutating func addEffects() {
        if !parts.seen.isEmpty {
            let act = Self.dispatch(IdentifierRange.seen, .jump("seen"))
            var asking = [
                Rule([.connectionConfirmed, .verdict(.return)], comment: "seen when it began")
            ]
            for stage in parts.seen { asking += rules(stage, then: [act]) }
            chains["ask_seen"] = Chain(rules: asking)
            chains["seen"] = Chain(
                rules: [Rule([.object(.counter, [.priority], map: ProgramName.seen)])]
                    + parts.logs.map(Self.logging))
        }
        guard !parts.priorities.isEmpty else { return }
        for priority in Effect.Priority.all { addPriority(priority) }
    }

    private static func logging(_ policy: LoggedPolicy) -> Rule {
        var statements: [Statement] = [.equals(.priority, policy.number)]
        if policy.sampleOneIn > 1 { statements.append(.sample(oneIn: policy.sampleOneIn)) }
        statements.append(.log(prefix: policy.prefix, group: logGroup))
        return Rule(statements, comment: policy.comment)
    }

    static func prioritising(_ stage: CompiledStage, _ direction: ConnectionDirection) -> [Rule] {
        Effect.Priority.all.map { priority in
            let number = IdentifierRange.priorities.lowerBound + priority.level
            return Rule([
                .equals(.priority, number), .verdict(.goto("priority_\(priority.rawValue)")),
            ])
        }
    }

    /// Marks the packet and lets it go with its priority.
    private mutating func addPriority(_ priority: Effect.Priority) {
        chains["priority_\(priority.rawValue)"] = Chain(
            rules: Self.restoreMark + [
                Rule([.setDSCP(.ipv4, priority.codePoint)]),
                Rule([.setDSCP(.ipv6, priority.codePoint)]),
                Rule([.set(.priority, priority.packetPriority)]),
                Rule([.verdict(.accept)]),
            ])
    }
}
