// SPDX-License-Identifier: GPL-3.0-or-later
//
// The checker as a value: everything it knows about one policy set, kept so that an edit can be
// examined without starting over. `analyze` is the same thing used once.

public import WeirModel

/// What holds of a policy set, in a fixed order: errors first, then by code and policy.
public func analyze(_ policySet: PolicySet, options: AnalysisOptions) -> [Finding] {
    Analyzer(policySet, options: options).findings
}

/// The findings of a policy set, kept up to date while it is edited.
public struct Analyzer: Sendable {
    public let options: AnalysisOptions
    var landscape: Landscape
    let layers: [Layer]
    let assertions: [Assertion]
    /// The topmost layer with a `default`.
    let defaultingLayer: Int?
    var census: Census
    /// Ranges that policies name, each with how many policies name it; the address classes are
    /// made for these.
    var literals: [AddressRange: Int] = [:]
    var literalsOfSlot: [Set<AddressRange>]
    var space: Space
    var policies: PolicyTable
    var bricks: BrickTable
    /// By slot.
    var facts: [SlotFacts]
    /// By slot: findings about its names and whether it matches anything.
    var nameFindings: [[Finding]]
    var pairs: PairTable
    /// Slots of caps around reservations of other policies.
    var sharing: Set<Int> = []
    /// Sets of slots that override each other in a loop.
    var loops: [[Int]] = []
    var assertionFacts: [AssertionFact] = []
    /// By channel.
    var lockouts: [Finding?] = []
    /// By service; services without policies meant for them are missing.
    var capacities: [Int: CapacityFact] = [:]
    /// Services that a slot's policy is meant for.
    var services: [[Int]]

    public init(_ policySet: PolicySet, options: AnalysisOptions) {
        self.options = options
        landscape = policySet.landscape
        layers = policySet.layers
        assertions = policySet.assertions
        defaultingLayer = layers.firstIndex { $0.defaultAction != nil }
        let times = TimeTable(
            activations: policySet.policies.map(\.activation), now: options.epochSeconds)
        space = Space(table: SetTable(policySet), times: times)
        census = Census(space.table.classes)
        literalsOfSlot = policySet.policies.map(\.literalRanges)
        policies = PolicyTable()
        bricks = BrickTable()
        let count = policySet.policies.count
        facts = [SlotFacts](repeating: SlotFacts(), count: count)
        nameFindings = [[Finding]](repeating: [], count: count)
        services = [[Int]](repeating: [], count: count)
        pairs = PairTable(slots: count)
        for ranges in literalsOfSlot + [policySet.assertedRanges] {
            for range in ranges { literals[range, default: 0] += 1 }
        }
        policies.reserveAll(count)
        for slot in 0..<count {
            let policy = policySet.policies[slot]
            let entry = space.entry(
                policy, slot: slot, overriding: policy.overriding.map(\.policy.index),
                now: options.epochSeconds)
            policies.set(slot, entry)
        }
        policies.triggered = Set(
            policySet.triggers.flatMap { [$0.policy.index, $0.enables.index] })
        for slot in 0..<count {
            policies.connect(slot)
            if policies[slot].matters { bricks.add(policies.bricks[slot], of: slot, space.sides) }
        }
        examineAll()
    }

    private mutating func examineAll() {
        for slot in policies.order {
            nameFindings[slot] = namesAndEmptiness(slot)
            guard policies[slot].matters else { continue }
            let near = overlapping(slot)
            facts[slot].anchorOwners = owners(ofAnchorOf: slot, among: near)
            examine(slot, near)
            addPairs(slot, near, with: near.filter { policies.comesBefore(slot, $0) })
        }
        loops = overrideLoops()
        assertionFacts = assertions.indices.map { assertionFact($0) }
        lockouts = options.channels.indices.map { lockout($0) }
        var dedicated: [Int: [Int]] = [:]
        for slot in policies.order {
            services[slot] = dedicatedServices(slot)
            for service in services[slot] { dedicated[service, default: []].append(slot) }
        }
        for (service, slots) in dedicated { capacities[service] = capacityFact(service, slots) }
    }

    /// Slots whose policies can be in force and match a flow together with a policy, that one
    /// and those without decision and constraint left out, in the order of policies.
    func overlapping(_ slot: Int) -> [Int] {
        policies.distinct(bricks.owners(meeting: policies.bricks[slot], space))
            .filter { $0 != slot }
    }

    /// The slots among some whose policies match the first point of a policy.
    func owners(ofAnchorOf slot: Int, among slots: [Int]) -> [Int] {
        guard let anchor = policies[slot].anchor else { return [] }
        return slots.filter { contains($0, anchor) }
    }

    /// Whether a policy matches a point.
    func contains(_ slot: Int, _ point: Point) -> Bool {
        policies.bricks[slot].contains { space.contains($0, point) }
    }

    /// What two policies have in common.
    func common(_ a: Int, _ b: Int) -> [Cell] {
        policies.bricks[a].flatMap { left in
            policies.bricks[b].compactMap { space.intersection(left, $0) }
        }
    }

    /// What a policy matches.
    func region(_ slot: Int) -> [Cell] { policies.bricks[slot].map(space.cell) }

    /// How findings name a policy while they are kept.
    func handle(_ slot: Int) -> PolicyID { PolicyID(index: slot) }

    /// The state of a point with some standby policies enabled.
    func state(at point: Point, enabling slots: [Int]) -> PolicyState {
        PolicyState(
            epochSeconds: space.times.instants[point.instant],
            enabled: Set(slots.filter { policies[$0].standby }.map(handle)))
    }
}

extension PolicySet {
    /// Every address range that an assertion names.
    fileprivate var assertedRanges: Set<AddressRange> {
        PolicySet(landscape: Landscape(), layers: [], policies: [], assertions: assertions)
            .literalRanges
    }
}

extension Policy {
    /// Every address range that the policy names.
    var literalRanges: Set<AddressRange> {
        PolicySet(landscape: Landscape(), layers: [], policies: [self]).literalRanges
    }
}
