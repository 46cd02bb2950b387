// SPDX-License-Identifier: GPL-3.0-or-later
//
// The fixed program: the chains and rules around the stages. A packet of a known connection takes
// one rule. A new one has its mark and priority saved, is asked layer by layer, then constraint by
// constraint, and leaves with mark and priority as they were.

import WeirModel

/// Begins the comment of the counter of a layer's default; no policy's name begins so.
public let defaultCounterPrefix = "default of layer "

/// What the program is built around.
struct ProgramParts {
    let layers: [Layer]
    /// Groups of each layer, in the order in which they are asked.
    let admission: [[CompiledStage]]
    let limits: [CompiledStage]
    let caps: [CompiledStage]
    let meters: [CompiledStage]
    let seen: [CompiledStage]
    let staged: [[CompiledStage]]
    let priorities: [CompiledStage]
    let watched: [CompiledStage]
    let logs: [LoggedPolicy]
    let counting: Counting
    let vantage: Vantage
    /// The number of the commit that this program becomes.
    let commitNumber: UInt32

    /// Whether packets of known connections have more to pass than one rule.
    var metersPackets: Bool { !meters.isEmpty || !priorities.isEmpty || !watched.isEmpty }
}

/// Chains, and the sets and objects that belong to no policy.
struct Program {
    var chains: [String: Chain] = [:]
    var sets: [String: NamedSet] = [:]
    var objects: [String: NamedObject] = [:]
    let parts: ProgramParts

    init(_ parts: ProgramParts) {
        self.parts = parts
        addEntry()
        addExits()
        addAdmission()
        addConstraints()
        addMeters()
        addEffects()
    }

    /// The rules of a stage and those that act on its answer, in a chain of their own if the stage
    /// holds at certain hours only.
    mutating func rules(
        _ stage: CompiledStage, _ direction: ConnectionDirection = .original,
        then dispatch: [Rule]
    ) -> [Rule] {
        let rules = stage.rules(direction) + dispatch
        guard !stage.plan.hours.isEmpty else { return rules }
        let suffix = direction == .reply ? ".reply" : ""
        let (gate, body) = ("\(stage.name.text)\(suffix).hours", "\(stage.name.text)\(suffix).body")
        chains[gate] = Chain(rules: stage.plan.hours.rules(goto: body))
        chains[body] = Chain(rules: rules)
        return [Rule([.verdict(.jump(gate))])]
    }

    static func dispatch(_ range: ClosedRange<UInt32>, _ verdict: Verdict) -> Rule {
        Rule([.inRange(.priority, range.lowerBound, range.upperBound), .verdict(verdict)])
    }

    // MARK: Entry and exits

    mutating func addEntry() {
        sets[ProgramName.marks] = NamedSet(
            key: [.ctID], kind: .map(.mark), flags: [.dynamic, .timeout], size: 65_536,
            timeoutMilliseconds: 5_000)
        objects[ProgramName.marksFull] = NamedObject(
            kind: .counter, comment: "foreign marks that could not be kept")
        for point in parts.vantage.hooks {
            chains[point.rawValue] = Chain(
                hook: Chain.Hook(point: point, priority: -160),
                rules: point == .forward
                    ? known + unasked(point) + Self.keepingMark(then: "admit")
                    : unasked(point) + known + Self.keepingMark(then: "admit"))
        }
        if parts.metersPackets {
            chains["known"] = Chain(rules: Self.keepingMark(then: "metered"))
        }
    }

    /// The first rules: what becomes of packets of known connections.
    private var known: [Rule] {
        guard parts.metersPackets else {
            return [Rule([.connectionState([.established, .related]), .verdict(.accept)])]
        }
        return [
            Rule([.connectionState([.established]), .verdict(.goto("known"))]),
            Rule([.connectionState([.related]), .verdict(.accept)]),
        ]
    }

    /// What no policy may take: from a host its loopback, from hosts and through bridges the ICMPv6
    /// messages by which neighbours and routers are found (RFC 4890, section 4.4.1).
    private mutating func unasked(_ point: Chain.Hook.Point) -> [Rule] {
        let types: [UInt128] = [
            130, 131, 132, 133, 134, 135, 136, 141, 142, 143, 148, 149, 151, 152, 153,
        ]
        sets[ProgramName.neighbours] = NamedSet(
            key: [.icmpv6Type], size: 64,
            elements: Dictionary(
                uniqueKeysWithValues: types.map { (ElementKey($0), Element()) }))
        guard point != .forward else {
            // A router has taken at least one from the limit, and these are worth nothing with
            // less (RFC 4861, section 7.1): whoever has 255 here came over a bridge.
            return [
                Rule(
                    [
                        .hopLimit(255), .lookup([.icmpv6Type], set: ProgramName.neighbours),
                        .verdict(.accept),
                    ], comment: "neighbour discovery over a bridge")
            ]
        }
        let loopback: Statement =
            point == .input ? .inputInterface("lo") : .outputInterface("lo")
        return [
            Rule([loopback, .verdict(.accept)]),
            Rule(
                [.lookup([.icmpv6Type], set: ProgramName.neighbours), .verdict(.accept)],
                comment: "neighbour discovery and multicast listeners"),
        ]
    }

    private static func keepingMark(then chain: String) -> [Rule] {
        [
            Rule([.equals(.mark, 0), .verdict(.goto(chain))]),
            Rule(
                [.learn([.ctID], data: .mark, map: ProgramName.marks), .verdict(.goto(chain))],
                comment: "keep a foreign mark"),
            Rule(
                [.counter(ProgramName.marksFull), .verdict(.drop)],
                comment: "no room to keep a foreign mark"),
        ]
    }

    static let restoreMark = [
        Rule([.set(.mark, 0)]),
        Rule([.setFromMap(.mark, [.ctID], map: ProgramName.marks)]),
    ]

    mutating func addExits() {
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
        addCommitCheck()
        chains["refuse"] = Chain(
            rules: Self.checkingCommit + Self.restoreMark + [
                Rule([.l4proto(IPProtocol.tcp), .rejectWithReset]),
                Rule([.rejectProhibited]),
            ])
        chains["verdict"] = Chain(rules: [
            Self.dispatch(IdentifierRange.allowed, .goto("allowed")),
            Self.dispatch(IdentifierRange.rejected, .goto("rejected")),
            Self.dispatch(IdentifierRange.dropped, .goto("dropped")),
        ])
        chains["allowed"] = Chain(
            rules: Self.counted(in: ProgramName.admitted, .goto("constrain")))
        chains["rejected"] = Chain(
            rules: Self.counted(in: ProgramName.rejected, .goto("refuse")))
        chains["dropped"] = Chain(rules: [
            Rule([.object(.counter, [.priority], map: ProgramName.dropped)]),
            Rule([.verdict(.drop)]),
        ])
    }

    /// Counts what was found, and goes on. A number that nobody counts is one that a commit has
    /// just taken away.
    static func counted(in map: String, _ verdict: Verdict) -> [Rule] {
        [
            Rule([.object(.counter, [.priority], map: map), .verdict(verdict)]),
            Rule([.verdict(.goto("torn"))]),
        ]
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

    // MARK: Layers

    mutating func addAdmission() {
        var admit: [Rule] = []
        if !parts.seen.isEmpty { admit.append(Rule([.verdict(.jump("ask_seen"))])) }
        for (index, layer) in parts.layers.enumerated() {
            let (stages, staged) = (parts.admission[index], parts.staged[index])
            let name = escapedIdentifier(layer.name)
            let comment = kernelComment("layer \(layer.name)")
            if !stages.isEmpty || !staged.isEmpty {
                let chain = "layer.\(name)"
                var own = staged.flatMap { rules($0, then: [Self.countStaged]) }
                own += stages.flatMap { rules($0, then: [Rule([.verdict(.jump("verdict"))])]) }
                chains[chain] = Chain(rules: own)
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
}
