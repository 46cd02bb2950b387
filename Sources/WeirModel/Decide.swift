// SPDX-License-Identifier: GPL-3.0-or-later
//
// The reference implementation of what a policy set means (docs/meaning.md): pure, slow and
// obviously right. `explain` prints it; the checker and the kernel are tested against it. It uses
// no index and no class: only definitions.

/// Which policies are in force: the time, and what is enabled.
public struct PolicyState: Sendable, Hashable {
    /// Seconds since 1970-01-01T00:00:00Z.
    public var epochSeconds: Int64
    /// Standby policies that are enabled now.
    public var enabled: Set<PolicyID>

    public init(epochSeconds: Int64, enabled: Set<PolicyID> = []) {
        self.epochSeconds = epochSeconds
        self.enabled = enabled
    }
}

/// What happens to a new connection.
public struct Verdict: Sendable {
    /// What one layer says.
    public enum LayerDecision: Sendable, Equatable {
        /// None of its policies speaks, and it has no default.
        case pass
        /// These policies agree on the action; those they override are not among them.
        case decided(Action, by: [PolicyID])
        case byDefault(Action)
        /// Policies of one layer that disagree and none overrides: an error of the policy set.
        case ambiguous([PolicyID])
    }

    /// A cap or limit that applies: the policy, and which of its caps or limits.
    public struct Constraint: Hashable, Sendable {
        public enum Kind: Hashable, Sendable {
            case limit(Int)
            case cap(Int)
        }
        public let policy: PolicyID
        public let kind: Kind

        public init(policy: PolicyID, kind: Kind) {
            self.policy = policy
            self.kind = kind
        }
    }

    /// One entry a layer, from the top, all layers, also those below the deciding one.
    public let layers: [LayerDecision]
    /// The layer that decides; nil where none does (then the connection is allowed).
    public let decidingLayer: Int?
    /// nil where the deciding layer is ambiguous.
    public let action: Action?
    /// Empty unless allowed. Limits stand before caps.
    public let constraints: [Constraint]
    /// Policies in force that match and have effects.
    public let effects: [PolicyID]
}

extension PolicySet {
    /// Whether a policy is enforced in a state.
    public func isInForce(_ id: PolicyID, in state: PolicyState) -> Bool {
        let activation = self[id].activation
        if activation.staged || !isEnabled(id, in: state) { return false }
        if !activation.during.isEmpty,
            !activation.during.contains(where: { $0.contains(epochSeconds: state.epochSeconds) })
        {
            return false
        }
        return true
    }

    /// Whether a policy is neither over nor waiting to be enabled. It may still be staged, or
    /// outside the hours that it holds in.
    public func isEnabled(_ id: PolicyID, in state: PolicyState) -> Bool {
        let activation = self[id].activation
        if activation.standby, !state.enabled.contains(id) { return false }
        if let until = activation.until, state.epochSeconds >= until { return false }
        return true
    }

    /// Whether one of a policy's interactions contains a flow.
    public func matches(_ id: PolicyID, _ flow: Flow) -> Bool {
        self[id].interactions.contains { matches($0, flow) }
    }

    public func matches(_ interaction: Interaction, _ flow: Flow) -> Bool {
        guard interaction.ports.contains(flow.port),
            landscape.contains(interaction.source, flow.source),
            landscape.contains(interaction.destination, flow.destination)
        else { return false }
        guard let relation = interaction.zoneRelation else { return true }
        guard let from = landscape.zone(of: flow.source),
            let to = landscape.zone(of: flow.destination)
        else { return false }
        return relation == .across ? from != to : from == to
    }

    /// What happens to a new connection in a state.
    public func decide(_ flow: Flow, in state: PolicyState) -> Verdict {
        let matching = policyIDs.filter { isInForce($0, in: state) && matches($0, flow) }
        let decisions = layers.indices.map { layer in
            decide(layer: layer, among: matching.filter { self[$0].layer == layer })
        }
        let deciding = decisions.firstIndex { $0 != .pass }
        let action: Action? =
            switch deciding.map({ decisions[$0] }) {
            case nil, .pass: .allow
            case .decided(let action, _), .byDefault(let action): action
            case .ambiguous: nil
            }
        var constraints: [Verdict.Constraint] = []
        if action == .allow {
            for id in matching {
                constraints += self[id].limits.indices.map { .init(policy: id, kind: .limit($0)) }
            }
            for id in matching {
                constraints += self[id].caps.indices.map { .init(policy: id, kind: .cap($0)) }
            }
        }
        return Verdict(
            layers: decisions, decidingLayer: deciding, action: action, constraints: constraints,
            effects: matching.filter { !self[$0].effects.isEmpty })
    }

    /// What a layer says of a flow that `matching`, policies of this layer in force, contain.
    private func decide(layer: Int, among matching: [PolicyID]) -> Verdict.LayerDecision {
        let speaking = matching.filter { self[$0].decision != nil }
        let overridden = Set(speaking.flatMap { self[$0].overriding.map(\.policy) })
        let standing = speaking.filter { !overridden.contains($0) }
        guard !speaking.isEmpty else {
            return layers[layer].defaultAction.map { .byDefault($0) } ?? .pass
        }
        let actions = Set(standing.compactMap { self[$0].decision?.action })
        guard let action = actions.first, actions.count == 1 else {
            return .ambiguous(standing.isEmpty ? speaking : standing)
        }
        return .decided(action, by: standing)
    }
}
