// SPDX-License-Identifier: GPL-3.0-or-later
//
// The checker as a value: everything it knows about one policy set, kept so that an edit can be
// examined without starting over. `analyze` is the same thing used once.

public import WeirModel

/// What holds of a policy set, in a fixed order: errors first, then by code and policy.
public func analyze(_ policySet: PolicySet, options: AnalysisOptions) -> [Finding] {
    Analyzer(policySet, options: options).findings
}

/// One edit of a policy set.
public enum PolicyEdit: Sendable {
    /// The policy has this identifier in the new policy set; those behind it moved up by one.
    case added(PolicyID)
    /// The policy had this identifier in the old policy set; those behind it moved down by one.
    case removed(PolicyID)
    /// The policy keeps its name, its layer and its identifier.
    case replaced(PolicyID)
    /// Anything else: services, zones, layers, assertions, triggers, several policies.
    case other
}

/// The findings of a policy set, kept up to date while it is edited.
public struct Analyzer: Sendable {
    public private(set) var policySet: PolicySet
    public let options: AnalysisOptions
    var space: Space
    var policies: PolicyTable
    let census: Census

    public init(_ policySet: PolicySet, options: AnalysisOptions) {
        self.policySet = policySet
        self.options = options
        let times = TimeTable(
            activations: policySet.policies.map(\.activation), now: options.epochSeconds)
        space = Space(table: SetTable(policySet), times: times)
        policies = PolicyTable(policySet, &space, now: options.epochSeconds)
        census = Census(space.table.classes)
        cachedFindings = ordered(computeFindings())
    }

    private var cachedFindings: [Finding] = []

    /// All findings, in a fixed order.
    public var findings: [Finding] { cachedFindings }

    /// Takes over an edited policy set; ``findings`` are then what ``analyze`` gives for it.
    public mutating func apply(_ edit: PolicyEdit, giving policySet: PolicySet) {
        self = Analyzer(policySet, options: options)
    }

    private mutating func computeFindings() -> [Finding] {
        var found = overrideFindings() + emptinessFindings()
        for slot in policies.order where policies[slot].isLive {
            let near = overlapping(slot)
            found += decisionFindings(slot, near)
            found += uselessnessFindings(slot, near)
            found += deadFindings(slot, near)
            found += maskedFindings(slot, near)
            found += reservationFindings(slot, near)
        }
        found += assertionFindings() + lockoutFindings() + capacityFindings()
        // While policies override each other in a loop nobody stands, and what depends on who
        // stands has no meaning.
        guard found.contains(where: { $0.code == .overrideCycle }) else { return found }
        return found.filter { Self.meaningfulInLoops.contains($0.code) }
    }

    private static let meaningfulInLoops: Set<FindingCode> = [
        .overrideCycle, .overrideUnused, .emptySet, .expiredPolicy,
    ]

    private func ordered(_ findings: [Finding]) -> [Finding] {
        findings.sorted { a, b in
            if a.severity != b.severity { return a.severity > b.severity }
            if a.code != b.code { return a.code.rank < b.code.rank }
            return a.sortKey.lexicographicallyPrecedes(b.sortKey)
        }
    }

    /// Slots whose policies can be in force and match a flow together with a policy, that one
    /// left out, in the order of policies.
    func overlapping(_ slot: Int) -> [Int] {
        let own = policies[slot].bricks
        return policies.order.filter { other in
            guard other != slot, policies[other].isLive else { return false }
            return policies[other].bricks.contains { brick in
                own.contains { space.meets($0, brick) }
            }
        }
    }

    /// What two policies have in common.
    func common(_ a: Int, _ b: Int) -> [Cell] {
        policies[a].bricks.flatMap { left in
            policies[b].bricks.compactMap { space.intersection(left, $0) }
        }
    }

    /// The state of a point with some standby policies enabled.
    func state(at point: Point, enabling slots: [Int]) -> PolicyState {
        PolicyState(
            epochSeconds: space.times.instants[point.instant],
            enabled: Set(slots.filter { policies[$0].standby }.map { policies[$0].id }))
    }
}

extension Finding {
    /// Tells findings of one code apart.
    var sortKey: [Int] {
        var key: [Int] =
            switch subject {
            case .policies: []
            case .assertion(let index, let interaction): [index, interaction ?? -1]
            case .service(let index), .channel(let index): [index]
            }
        key.append(-1)
        for involved in policies {
            key.append(involved.policy.index)
            switch involved.part {
            case nil: key.append(-1)
            case .interaction(let index): key += [0, index]
            case .cap(let index): key += [1, index]
            case .limit(let index): key += [2, index]
            case .reservation(let cap, let index): key += [3, cap, index]
            }
        }
        return key
    }
}

extension Space {
    /// Whether some flow at some time lies in both bricks.
    func meets(_ a: Brick, _ b: Brick) -> Bool {
        max(a.low, b.low) <= min(a.high, b.high)
            && (a.source == b.source || table[a.source].intersects(table[b.source]))
            && (a.destination == b.destination
                || table[a.destination].intersects(table[b.destination]))
            && (a.time == 0 || b.time == 0 || times[a.time].intersects(times[b.time]))
    }
}
