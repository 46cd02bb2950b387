// SPDX-License-Identifier: GPL-3.0-or-later
//
// The part of the program that counts: slots find a constraint's number, the number's class leads
// to a chain that asks a bucket or a place, and what is too much goes to that class's excess.

import WeirModel

extension Program {
    /// Where an admitted new connection is counted.
    mutating func addConstraints() {
        var constrain: [Rule] = []
        if !parts.limits.isEmpty {
            var asking = [
                Rule(
                    [.connectionConfirmed, .verdict(.return)],
                    comment: "charged when the connection began")
            ]
            for stage in parts.limits { asking += rules(stage, then: Self.asking(stage)) }
            chains["ask_limits"] = Chain(rules: asking)
            constrain.append(Rule([.verdict(.jump("ask_limits"))]))
        }
        for stage in parts.caps { constrain += rules(stage, then: Self.asking(stage)) }
        let next = parts.metersPackets ? "metered" : "give_back"
        chains["constrain"] = Chain(rules: constrain + [Rule([.verdict(.goto(next))])])
        for kind in parts.counting.classes.sorted() { addClass(kind) }
    }

    /// Where every packet of an admitted connection is metered, in both directions.
    mutating func addMeters() {
        guard parts.metersPackets else { return }
        var metered: [Rule] = []
        for (list, name, act) in [
            (parts.watched, "watch", Self.counting),
            (parts.meters, "meter", Self.asking),
            (parts.priorities, "prioritise", Self.prioritising),
        ] where !list.isEmpty {
            for direction in [ConnectionDirection.original, .reply] {
                let chain = name + "_\(direction.rawValue)"
                chains[chain] = Chain(
                    rules: list.flatMap { stage in
                        rules(stage, direction, then: act(stage, direction))
                    })
                metered.append(
                    Rule([.connectionDirection(direction), .verdict(.jump(chain))]))
            }
        }
        chains["metered"] = Chain(rules: metered + [Rule([.verdict(.goto("give_back"))])])
    }

    private static func asking(_ stage: CompiledStage) -> [Rule] { asking(stage, .original) }

    private static func asking(
        _ stage: CompiledStage, _ direction: ConnectionDirection
    ) -> [Rule] {
        stage.plan.constraintClasses.sorted().map { kind in
            dispatch(kind.range, .jump(kind.chain(direction)))
        }
    }

    /// Chains that ask a constraint of one class.
    private mutating func addClass(_ kind: ConstraintClass) {
        let directions: [ConnectionDirection] = kind.isMeter ? [.original, .reply] : [.original]
        for direction in directions {
            let suffix = direction == .reply ? ".reply" : ""
            var rules: [Rule] = []
            for keyed in parts.counting.keyedKinds where keyed.constraintClass == kind {
                let chain = "each.\(keyed.name)\(suffix)"
                rules.append(
                    Rule([.lookup([.priority], set: keyed.name), .verdict(.goto(chain))]))
                addKeyed(keyed, chain, direction)
            }
            if parts.counting.totals.contains(kind) {
                let ask: Statement =
                    kind.isCap
                    ? .lookup([.priority], set: ProgramName.caps)
                    : .object(.limit, [.priority], map: ProgramName.limits)
                rules.append(Rule([ask, .verdict(.return)]))
            }
            rules.append(Rule([.verdict(.goto(kind.excessChain))]))
            chains[kind.chain(direction)] = Chain(rules: rules)
        }
        chains[kind.excessChain] = Chain(rules: Self.excess(kind))
    }

    private static func excess(_ kind: ConstraintClass) -> [Rule] {
        let counting = Rule([.object(.counter, [.priority], map: kind.counterMap)])
        switch kind {
        case .limitReject, .capReject, .meterReject:
            return counted(in: kind.counterMap, .goto("refuse"))
        default: return [counting] + unrefused(kind)
        }
    }

    /// What becomes of excess that nobody is told of.
    private static func unrefused(_ kind: ConstraintClass) -> [Rule] {
        switch kind {
        case .limitReject, .capReject, .meterReject: []
        case .limitDrop, .meterDrop: [Rule([.verdict(.drop)])]
        case .limitCount, .capCount, .meterCount: [Rule([.verdict(.return)])]
        case .meterMark:
            [
                Rule([.ecnCapable(.ipv4), .markECN(.ipv4), .verdict(.return)]),
                Rule([.ecnCapable(.ipv6), .markECN(.ipv6), .verdict(.return)]),
                Rule([.verdict(.drop)], comment: "who cannot be told is dropped (RFC 3168)"),
            ]
        }
    }

    /// A chain and two dynamic sets that count per key; a full set refuses.
    private mutating func addKeyed(
        _ kind: KeyedKind, _ chain: String, _ direction: ConnectionDirection
    ) {
        var rules: [Rule] = []
        for (family, suffix) in [(NetworkFamily.ipv4, "4"), (.ipv6, "6")] {
            let set = "\(kind.name).\(suffix)"
            let key = [Selector.priority] + kind.selectors(family, direction)
            let field: FieldType = family == .ipv4 ? .ipv4Address : .ipv6Address
            var flags: NamedSet.Flags = [.dynamic]
            var timeout: UInt64?
            let learn: Statement
            switch kind.measure {
            case .limit(let rate):
                flags.insert(.timeout)
                // Idle for as long as the bucket needs to fill: forgetting it then changes nothing.
                let refill = UInt64(rate.burst) * rate.intervalSeconds / max(rate.rate, 1)
                timeout = max(60, 2 * refill + 1) * 1000
                learn = .learnLimit(key, rate, set: set)
            case .cap(let count): learn = .learnConnectionCount(key, count, set: set)
            }
            sets[set] = NamedSet(
                key: [.classid] + key.dropFirst().map { _ in field }, flags: flags, size: 65_535,
                timeoutMilliseconds: timeout)
            rules.append(Rule([.networkFamily(family), learn, .verdict(.return)]))
        }
        rules.append(Rule([.verdict(.goto(kind.constraintClass.excessChain))]))
        chains[chain] = Chain(rules: rules)
    }
}

extension KeyedKind {
    /// The address fields that the key consists of: those of who opened the connection and of who
    /// was called, whichever way the packet goes.
    func selectors(_ family: NetworkFamily, _ direction: ConnectionDirection) -> [Selector] {
        let fields: [Selector] =
            family == .ipv4 ? [.ipSource, .ipDestination] : [.ip6Source, .ip6Destination]
        let (source, destination) =
            direction == .original ? (fields[0], fields[1]) : (fields[1], fields[0])
        return switch scope {
        case .source: [source]
        case .destination: [destination]
        case .pair: [source, destination]
        case .total: []
        }
    }
}
