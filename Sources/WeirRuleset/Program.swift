// SPDX-License-Identifier: GPL-3.0-or-later
//
// The fixed program: the chains and rules around the stages. A packet of a known connection takes
// one rule. A new one has its mark and priority saved, is asked layer by layer, then constraint by
// constraint, and leaves with mark and priority as they were.

import WeirModel

/// Begins the comment of the counter of a layer's default; no policy's name begins so.
public let defaultCounterPrefix = "default of layer "

/// Chains, and the sets and objects that belong to no policy.
struct Program {
    private(set) var chains: [String: Chain] = [:]
    private(set) var sets: [String: NamedSet] = [:]
    private(set) var objects: [String: NamedObject] = [:]

    private let layers: [Layer]
    private let admission: [[CompiledStage]]
    private let limits: [CompiledStage]
    private let caps: [CompiledStage]
    private let counting: Counting

    init(
        layers: [Layer], admission: [[CompiledStage]], limits: [CompiledStage],
        caps: [CompiledStage], counting: Counting
    ) {
        self.layers = layers
        self.admission = admission
        self.limits = limits
        self.caps = caps
        self.counting = counting
        addEntry()
        addExits()
        addAdmission()
        addConstraints()
    }

    // MARK: Entry and exits

    private mutating func addEntry() {
        sets[ProgramName.marks] = NamedSet(
            key: [.ctID], kind: .map(.mark), flags: [.dynamic, .timeout], size: 65_536,
            timeoutMilliseconds: 5_000)
        objects[ProgramName.marksFull] = NamedObject(
            kind: .counter, comment: "foreign marks that could not be kept")
        chains["forward"] = Chain(
            hook: Chain.Hook(point: .forward, priority: -160),
            rules: [
                Rule([.connectionState([.established, .related]), .verdict(.accept)]),
                Rule([.equals(.mark, 0), .verdict(.goto("admit"))]),
                Rule(
                    [
                        .learn([.ctID], data: .mark, map: ProgramName.marks),
                        .verdict(.goto("admit")),
                    ], comment: "keep a foreign mark"),
                Rule(
                    [.counter(ProgramName.marksFull), .verdict(.drop)],
                    comment: "no room to keep a foreign mark"),
            ])
    }

    private static let restoreMark = [
        Rule([.set(.mark, 0)]),
        Rule([.setFromMap(.mark, [.ctID], map: ProgramName.marks)]),
    ]

    private mutating func addExits() {
        for priority in Self.tosPriorities.dropFirst() {
            sets[ProgramName.tos(priority)] = NamedSet(
                key: [.dscp], size: 64, elements: Self.codePoints(of: priority))
        }
        chains["give_back"] = Chain(
            rules: Self.restoreMark + [
                Rule([.set(.priority, 0)], comment: "as the kernel derives it from TOS")
            ]
                + Self.tosPriorities.dropFirst().map { priority in
                    Rule([
                        .lookup([.dscp], set: ProgramName.tos(priority)), .set(.priority, priority),
                    ])
                } + [Rule([.verdict(.accept)])])
        chains["refuse"] = Chain(
            rules: Self.restoreMark + [
                Rule([.l4proto(IPProtocol.tcp), .rejectWithReset]),
                Rule([.rejectProhibited]),
            ])
        chains["verdict"] = Chain(rules: [
            Self.dispatch(IdentifierRange.allowed, .goto("allowed")),
            Self.dispatch(IdentifierRange.rejected, .goto("rejected")),
            Self.dispatch(IdentifierRange.dropped, .goto("dropped")),
        ])
        chains["allowed"] = Chain(rules: [
            Rule([.object(.counter, [.priority], map: ProgramName.admitted)]),
            Rule([.verdict(.goto("constrain"))]),
        ])
        chains["rejected"] = Chain(rules: [
            Rule([.object(.counter, [.priority], map: ProgramName.rejected)]),
            Rule([.verdict(.goto("refuse"))]),
        ])
        chains["dropped"] = Chain(rules: [
            Rule([.object(.counter, [.priority], map: ProgramName.dropped)]),
            Rule([.verdict(.drop)]),
        ])
    }

    /// What `rt_tos2priority` gives for bits 3–4 of the TOS field. (A map from the code point
    /// would say it in one rule, but nft 1.0.6 cannot load its own listing of that.)
    private static let tosPriorities: [UInt32] = [0, 2, 6, 4]

    private static func codePoints(of priority: UInt32) -> [ElementKey: Element] {
        var elements: [ElementKey: Element] = [:]
        for dscp in 0..<64 where tosPriorities[dscp >> 1 & 3] == priority {
            elements[ElementKey(UInt128(dscp))] = Element()
        }
        return elements
    }

    private static func dispatch(_ range: ClosedRange<UInt32>, _ verdict: Verdict) -> Rule {
        Rule([.inRange(.priority, range.lowerBound, range.upperBound), .verdict(verdict)])
    }

    // MARK: Layers

    private mutating func addAdmission() {
        var admit: [Rule] = []
        for (layer, stages) in zip(layers, admission) {
            let name = escapedIdentifier(layer.name)
            let comment = kernelComment("layer \(layer.name)")
            if !stages.isEmpty {
                let chain = "layer.\(name)"
                chains[chain] = Chain(
                    rules: stages.flatMap { $0.rules + [Rule([.verdict(.jump("verdict"))])] })
                admit.append(Rule([.verdict(.jump(chain))], comment: comment))
            }
            guard let action = layer.defaultAction else { continue }
            let (word, verdict): (String, Verdict) =
                switch action {
                case .allow: ("allowed", .goto("constrain"))
                case .reject: ("rejected", .goto("refuse"))
                case .drop: ("dropped", .drop)
                }
            let counter = "\(name).\(word)"
            objects[counter] = NamedObject(
                kind: .counter, comment: kernelComment("\(defaultCounterPrefix)\(layer.name)"))
            admit.append(
                Rule(
                    [.counter(counter), .verdict(verdict)],
                    comment: kernelComment("\(defaultCounterPrefix)\(layer.name)")))
            break
        }
        if admit.last?.statements.last.map(Self.ends) != true {
            admit.append(Rule([.verdict(.goto("constrain"))], comment: "no layer decided"))
        }
        chains["admit"] = Chain(rules: admit)
    }

    private static func ends(_ statement: Statement) -> Bool {
        switch statement {
        case .verdict(.drop), .verdict(.goto), .verdict(.accept): true
        default: false
        }
    }

    // MARK: Constraints

    private mutating func addConstraints() {
        var asking: [Rule] = [
            Rule(
                [.connectionConfirmed, .verdict(.return)],
                comment: "charged when the connection began")
        ]
        for stage in limits {
            asking += stage.rules
            asking.append(Self.dispatch(IdentifierRange.limits, .jump("ask_limit")))
            asking.append(Self.dispatch(IdentifierRange.droppingLimits, .jump("ask_limit_drop")))
        }
        var rules: [Rule] = []
        if !limits.isEmpty {
            chains["ask_limits"] = Chain(rules: asking)
            rules.append(Rule([.verdict(.jump("ask_limits"))]))
        }
        for stage in caps {
            rules += stage.rules
            rules.append(Self.dispatch(IdentifierRange.caps, .jump("ask_cap")))
        }
        rules.append(Rule([.verdict(.goto("give_back"))]))
        chains["constrain"] = Chain(rules: rules)
        if !limits.isEmpty {
            let over = Rule([.object(.counter, [.priority], map: ProgramName.refusedByLimit)])
            chains["over_limit"] = Chain(rules: [over, Rule([.verdict(.goto("refuse"))])])
            chains["over_limit_drop"] = Chain(rules: [over, Rule([.verdict(.drop)])])
            chains["ask_limit"] = Chain(rules: limitRules(over: "over_limit", dropping: false))
            chains["ask_limit_drop"] = Chain(
                rules: limitRules(over: "over_limit_drop", dropping: true))
        }
        if !caps.isEmpty {
            chains["over_cap"] = Chain(rules: [
                Rule([.object(.counter, [.priority], map: ProgramName.refusedByCap)]),
                Rule([.verdict(.goto("refuse"))]),
            ])
            var cap = counting.keyedKinds.filter(\.isCap).map(Self.dispatch)
            if counting.hasTotalCaps {
                cap.append(
                    Rule([.lookup([.priority], set: ProgramName.caps), .verdict(.return)]))
            }
            cap.append(Rule([.verdict(.goto("over_cap"))]))
            chains["ask_cap"] = Chain(rules: cap)
        }
        for kind in counting.keyedKinds { addKeyed(kind) }
    }

    private func limitRules(over: String, dropping: Bool) -> [Rule] {
        var rules = counting.keyedKinds
            .filter { !$0.isCap && ($0.excess == .drop) == dropping }.map(Self.dispatch)
        if counting.hasTotalLimits {
            rules.append(
                Rule([
                    .object(.limit, [.priority], map: ProgramName.limits), .verdict(.return),
                ]))
        }
        rules.append(Rule([.verdict(.goto(over))]))
        return rules
    }

    private static func dispatch(_ kind: KeyedKind) -> Rule {
        Rule([.lookup([.priority], set: kind.name), .verdict(.goto("each.\(kind.name)"))])
    }

    /// A chain and two dynamic sets that count per key; a full set refuses.
    private mutating func addKeyed(_ kind: KeyedKind) {
        var rules: [Rule] = []
        for (family, suffix) in [(NetworkFamily.ipv4, "4"), (.ipv6, "6")] {
            let set = "\(kind.name).\(suffix)"
            let addresses = kind.selectors(family)
            let key = [Selector.priority] + addresses
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
                key: [.classid] + addresses.map { _ in field }, flags: flags, size: 65_535,
                timeoutMilliseconds: timeout)
            rules.append(Rule([.networkFamily(family), learn, .verdict(.return)]))
        }
        let over = kind.isCap ? "over_cap" : kind.excess == .drop ? "over_limit_drop" : "over_limit"
        rules.append(Rule([.verdict(.goto(over))]))
        chains["each.\(kind.name)"] = Chain(rules: rules)
    }
}

extension KeyedKind {
    var isCap: Bool { if case .cap = measure { true } else { false } }

    /// The address fields that the key consists of.
    func selectors(_ family: NetworkFamily) -> [Selector] {
        let (source, destination): (Selector, Selector) =
            family == .ipv4 ? (.ipSource, .ipDestination) : (.ip6Source, .ip6Destination)
        return switch scope {
        case .source: [source]
        case .destination: [destination]
        case .pair: [source, destination]
        case .total: []
        }
    }
}
