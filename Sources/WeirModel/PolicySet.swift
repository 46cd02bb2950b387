// SPDX-License-Identifier: GPL-3.0-or-later
//
// Everything that one directory of policy files means: the landscape, the layers from the top,
// the policies, and what is asserted and triggered about them.

public import WeirDiagnostics

/// A resolved policy set.
public struct PolicySet: Sendable {
    public var landscape: Landscape
    /// From the top.
    public var layers: [Layer]
    /// Sorted by layer, then by name; names are unique in their layer.
    public var policies: [Policy]
    public var assertions: [Assertion]
    public var triggers: [Trigger]

    public init(
        landscape: Landscape, layers: [Layer], policies: [Policy], assertions: [Assertion] = [],
        triggers: [Trigger] = []
    ) {
        self.landscape = landscape
        self.layers = layers
        self.policies = policies
        self.assertions = assertions
        self.triggers = triggers
    }

    /// Lent rather than copied: a policy is large, and passes over all of them are frequent.
    public subscript(_ id: PolicyID) -> Policy {
        _read { yield policies[id.index] }
    }

    public var policyIDs: [PolicyID] { policies.indices.map(PolicyID.init(index:)) }

    /// The policy of a name in a layer.
    public func policy(named name: String, inLayer layerName: String) -> PolicyID? {
        guard let layer = layers.firstIndex(where: { $0.name == layerName }) else { return nil }
        var (low, high) = (0, policies.count)
        while low < high {
            let middle = (low + high) / 2
            let other = policies[middle]
            if (other.layer, other.name) < (layer, name) { low = middle + 1 } else { high = middle }
        }
        guard low < policies.count, policies[low].layer == layer, policies[low].name == name else {
            return nil
        }
        return PolicyID(index: low)
    }

    /// `layer.policy`: stable across edits, unique.
    public func qualifiedName(_ id: PolicyID) -> String {
        let policy = self[id]
        return "\(layers[policy.layer].name).\(policy.name)"
    }
}

public struct Layer: Sendable {
    public let name: String
    /// What it decides where none of its policies speaks; nil: it passes.
    public let defaultAction: Action?
    public let origin: SourceRange?

    public init(name: String, defaultAction: Action? = nil, origin: SourceRange? = nil) {
        self.name = name
        self.defaultAction = defaultAction
        self.origin = origin
    }
}

/// `assert never|always …`.
public struct Assertion: Sendable {
    public enum Modality: String, Sendable { case never, always }
    public let text: String?
    public let modality: Modality
    public let interactions: [Interaction]
    /// `with N connections`: so many must be possible at once.
    public let connections: UInt64?
    public let origin: SourceRange?

    public init(
        text: String? = nil, modality: Modality, interactions: [Interaction],
        connections: UInt64? = nil, origin: SourceRange? = nil
    ) {
        self.text = text
        self.modality = modality
        self.interactions = interactions
        self.connections = connections
        self.origin = origin
    }
}

/// `when P.signal > T for D enable Q for E`.
public struct Trigger: Sendable {
    public enum Signal: String, Sendable, CaseIterable {
        case connections, rate, bytes, packets, rejected
    }
    public enum Comparison: String, Sendable {
        case greater = ">"
        case greaterOrEqual = ">="
        case less = "<"
        case lessOrEqual = "<="
    }
    public let policy: PolicyID
    public let signal: Signal
    public let comparison: Comparison
    /// In the signal's unit (per second for rates); a percentage of the policy's cap or limit is
    /// already computed.
    public let threshold: Double
    public let holdSeconds: Int64
    public let enables: PolicyID
    public let enableSeconds: Int64
    public let origin: SourceRange?

    public init(
        policy: PolicyID, signal: Signal, comparison: Comparison, threshold: Double,
        holdSeconds: Int64, enables: PolicyID, enableSeconds: Int64, origin: SourceRange? = nil
    ) {
        self.policy = policy
        self.signal = signal
        self.comparison = comparison
        self.threshold = threshold
        self.holdSeconds = holdSeconds
        self.enables = enables
        self.enableSeconds = enableSeconds
        self.origin = origin
    }
}
