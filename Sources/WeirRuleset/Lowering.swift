// SPDX-License-Identifier: GPL-3.0-or-later
//
// From a policy set to the table that enforces it. The chains and rules depend only on the layers
// and on which stages there are; every policy is elements. See docs/architecture.md for the walk
// of a packet, and shared evidence for why each choice is cheap.

public import WeirDiagnostics
public import WeirModel

/// What lowering needs besides the policies.
public struct LoweringOptions: Sendable {
    public var revision: Revision
    /// The most elements that a policy set may become.
    public var elementBudget: Int
    /// The time that decides what is in force.
    public var state: PolicyState
    public var vantage: Vantage

    public init(
        revision: Revision = Revision(), elementBudget: Int = 4_000_000, state: PolicyState,
        vantage: Vantage = .gateway
    ) {
        self.revision = revision
        self.elementBudget = elementBudget
        self.state = state
        self.vantage = vantage
    }
}

/// A policy set as one nftables table.
public struct LoweredProgram: Sendable {
    public let ruleset: Ruleset
    /// Elements that each policy became, by its index.
    public let elementsByPolicy: [Int]
    /// Stages a new connection may pass through.
    public let stageCount: Int
    /// Every cap, the parts of those with reservations each.
    public let caps: [LoweredCap]
}

/// Compiles a policy set. Pure: the same input gives the same table.
///
/// - Parameter previous: what the kernel holds, so that numbers stay as they are; nil for a fresh
///   table.
/// - Returns: nil with errors where the set cannot be compiled.
public func lower(
    _ policySet: PolicySet, options: LoweringOptions, previous: KernelTable? = nil
) -> (LoweredProgram?, [Diagnostic]) {
    var cache = LoweringCache()
    return lower(policySet, options: options, previous: previous, cache: &cache)
}

/// As ``lower(_:options:previous:)``, with what earlier compilations for the same table left.
public func lower(
    _ policySet: PolicySet, options: LoweringOptions, previous: KernelTable?,
    cache: inout LoweringCache
) -> (LoweredProgram?, [Diagnostic]) {
    var diagnostics = policySet.unsupportedConstructs()
    guard let ranks = policySet.overrideRanks() else {
        diagnostics.append(
            Diagnostic(
                .error, "override-cycle", "policies of one layer override each other in a circle",
                at: nil, help: "run `weir check` to see which, and remove one `overriding`"))
        return (nil, diagnostics)
    }
    guard !diagnostics.hasErrors else { return (nil, diagnostics) }
    var lowering = Lowering(
        policySet, ranks: ranks, options: options, previous: previous, cache: cache)
    cache = LoweringCache()
    let program = lowering.run()
    // A stage that was over the budget has no elements: nothing of a failure is kept.
    if program != nil {
        lowering.cache.keep(lowering.table)
        cache = lowering.cache
    }
    return (program, diagnostics + lowering.diagnostics)
}

struct Lowering {
    let policySet: PolicySet
    let ranks: [Int]
    let options: LoweringOptions
    let previous: KernelTable?
    let recovery: Recovery
    /// By policy.
    let records: [PolicyRecord]
    var table: SetTable
    var diagnostics: [Diagnostic] = []
    var sets: [String: NamedSet] = [:]
    var objects: [String: NamedObject]
    var memory: LoweringMemory
    var elementsByPolicy: [Int]
    var budget: Int
    var caps: [LoweredCap] = []
    var cache: LoweringCache

    init(
        _ policySet: PolicySet, ranks: [Int], options: LoweringOptions, previous: KernelTable?,
        cache: LoweringCache
    ) {
        self.policySet = policySet
        self.cache = cache
        self.ranks = ranks
        self.options = options
        self.previous = previous
        recovery = Recovery(previous)
        (table, records) = self.cache.prepare(policySet, options.vantage)
        memory = self.cache.takeMemory(for: previous)
        objects = memory.objects
        memory.objects = [:]
        for name in memory.otherObjects { objects[name] = nil }
        elementsByPolicy = [Int](repeating: 0, count: policySet.policies.count)
        budget = options.elementBudget
    }

    mutating func run() -> LoweredProgram? {
        let enabled = policySet.policyIDs.filter { policySet.isEnabled($0, in: options.state) }
        let matching = enabled.filter { !records[$0.index].boxes.isEmpty }
        let admission = admissionPlans(enabled)
        let constraints = constraintPlans(matching)
        let effects = effectPlans(matching)
        finishCounterMaps()
        let stages = compile(
            admission.flatMap { $0 } + constraints.limits + constraints.caps + constraints.meters
                + effects.seen + effects.staged.flatMap { $0 } + effects.priorities
                + effects.watched)
        guard !diagnostics.hasErrors else { return nil }
        var rest = stages[...]
        func take(_ count: Int) -> [CompiledStage] {
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        let program = Program(
            ProgramParts(
                layers: policySet.layers, admission: admission.map { take($0.count) },
                limits: take(constraints.limits.count), caps: take(constraints.caps.count),
                meters: take(constraints.meters.count), seen: take(effects.seen.count),
                staged: effects.staged.map { take($0.count) },
                priorities: take(effects.priorities.count),
                watched: take(effects.watched.count), logs: effects.logs,
                counting: constraints.counting, vantage: options.vantage,
                commitNumber: CommitNumber.next(after: previous)))
        for (name, object) in program.objects {
            objects[name] = object
            memory.otherObjects.append(name)
        }
        for (name, set) in program.sets { sets[name] = set }
        let ruleset = Ruleset(
            revision: options.revision, sets: sets, objects: objects, chains: program.chains)
        memory.objects = objects
        memory.settle(from: previous, to: ruleset)
        cache.keep(memory)
        return LoweredProgram(
            ruleset: ruleset, elementsByPolicy: elementsByPolicy,
            stageCount: stages.count, caps: caps)
    }

    // MARK: Admission

    /// Groups of each layer, in the order in which they are asked.
    private mutating func admissionPlans(_ enabled: [PolicyID]) -> [[StagePlan]] {
        let deciding = enabled.filter { id in
            let policy = records[id.index].policy
            return policy.decision != nil && !policy.activation.staged
        }
        let numbers = verdictNumbers(deciding)
        var groups: [AdmissionGroup: [(id: PolicyID, number: UInt32)]] = [:]
        for (id, number) in zip(deciding, numbers) {
            let record = records[id.index]
            guard !record.boxes.isEmpty else { continue }
            let group = AdmissionGroup(
                layer: record.policy.layer, rank: ranks[id.index], timed: record.expiry != nil,
                shape: record.shape, hours: record.policy.activation.during)
            groups[group, default: []].append((id, number))
        }
        return policySet.layers.indices.map { layer in
            let own = groups.filter { $0.key.layer == layer }.sorted { a, b in
                (a.key.rank, a.key.timed ? 0 : 1, a.key.shape, a.key.hours.nameSuffix)
                    < (b.key.rank, b.key.timed ? 0 : 1, b.key.shape, b.key.hours.nameSuffix)
            }
            return own.map { group, members in
                let layerName = escapedIdentifier(policySet.layers[layer].name)
                let suffix =
                    "\(group.rank)\(group.shape.text)\(group.timed ? "t" : "")"
                    + group.hours.nameSuffix
                return StagePlan(
                    name: StageName(text: "layer.\(layerName).\(suffix)", timed: group.timed),
                    shape: group.shape,
                    entries: members.map { entry($0.id, $0.number) },
                    policies: members.map(\.id), hours: group.hours, layer: layer)
            }
        }
    }

    /// What a policy adds to a stage: everything that it matches gives `number`.
    func entry(_ id: PolicyID, _ number: UInt32) -> StageEntry {
        let record = records[id.index]
        return StageEntry(
            boxes: record.boxes, value: number, comment: record.comment,
            expiresAtMilliseconds: record.expiry)
    }

    /// Recovered numbers where the kernel has them, else the lowest that nobody had: a number that
    /// another policy gives up in the same commit would carry its counts over. `names` in order.
    /// - Parameter keeps: whether the name at an index may keep a number that it had.
    func assignNumbers(
        _ names: [String], in range: ClosedRange<UInt32>,
        keeping keeps: (Int, UInt32) -> Bool = { _, _ in true }
    ) -> [UInt32] {
        guard !names.isEmpty else { return [] }
        var numbers = names.enumerated().map { index, name -> UInt32? in
            recovery.number(of: name).flatMap { range.contains($0) && keeps(index, $0) ? $0 : nil }
        }
        guard numbers.contains(nil) else { return numbers.compactMap { $0 } }
        var pool = IdentifierPool(range: range, reserved: recovery.numbers(in: range))
        for index in numbers.indices where numbers[index] == nil {
            numbers[index] = pool.allocate()
        }
        return numbers.map { $0 ?? range.upperBound }
    }

    /// Compiles stages over their class spaces, charges elements to policies, keeps all maps.
    private mutating func compile(_ plans: [StagePlan]) -> [CompiledStage] {
        let broadSources = space(
            "broad", .source,
            plans.filter(\.shape.broadSource).flatMap { $0.boxes.map(\.source) })
        let broadDestinations = space(
            "broad", .destination,
            plans.filter(\.shape.broadDestination).flatMap { $0.boxes.map(\.destination) })
        return plans.map { plan in
            let name = plan.name.text
            let sources =
                plan.shape.broadSource
                ? broadSources : space(name, .source, plan.boxes.map(\.source))
            let destinations =
                plan.shape.broadDestination
                ? broadDestinations : space(name, .destination, plan.boxes.map(\.destination))
            let (left, previous) = (budget, previous)
            let key = StageKey(
                plan: plan, sourceVersion: sources.version,
                destinationVersion: destinations.version)
            let stage = cache.stage(key) {
                CompiledStage(
                    plan, sources: sources, destinations: destinations, previous: previous,
                    budget: left)
            }
            let total = stage.estimates.reduce(0, +)
            if total > budget { reportExplosion(zip(stage.estimates, plan.policies), total) }
            budget -= min(total, budget)
            for (count, policy) in zip(stage.elementsByEntry, plan.policies) {
                elementsByPolicy[policy.index] += count
            }
            sets.merge(stage.sets) { a, _ in a }
            return stage
        }
    }

    /// Classes that tell some sets apart; their maps are kept.
    private mutating func space(
        _ name: String, _ side: StageClasses.Side, _ used: [SetID]
    ) -> StageClasses {
        let (table, previous) = (table, previous)
        let classes = cache.classes(name, side, used: used) {
            StageClasses(side: side, used: used, table: table, space: name, previous: previous)
        }
        sets.merge(classes.maps) { a, _ in a }
        return classes
    }

    private mutating func reportExplosion(
        _ estimates: some Sequence<(Int, PolicyID)>, _ total: Int
    ) {
        let worst = estimates.sorted { $0.0 > $1.0 }.prefix(5)
        let related = worst.compactMap { count, id in
            policySet[id].origin.map {
                RelatedPlace(
                    range: $0, message: "`\(policySet.qualifiedName(id))`: \(count) elements")
            }
        }
        diagnostics.append(
            Diagnostic(
                .error, "too-many-elements",
                "these policies together would become \(total) elements in the kernel, more than"
                    + " the \(budget) left of the budget of \(options.elementBudget)",
                at: worst.first.flatMap { policySet[$0.1].origin }, related: related,
                help: "make their sets equal where they can be, or split off the broadest"))
    }
}
