// SPDX-License-Identifier: GPL-3.0-or-later
//
// What lowering needs of one policy and derives from it alone. An edit changes one policy of ten
// thousand: the records of the others are taken over, whatever their numbers are now.

import WeirModel

/// Derived from a policy, the landscape and the layers' names; never from other policies.
final class PolicyRecord: Sendable {
    /// As it was when the record was made: its places and what it overrides may be others now.
    let policy: Policy
    /// `layer.policy` escaped for kernel names.
    let kernelName: String
    /// The qualified name as elements and objects carry it.
    let comment: String
    /// Ranges that it names.
    let literals: [AddressRange]
    /// What it matches; empty where that is nothing, or nothing at this vantage.
    let boxes: [Box]
    let shape: Shape
    /// The counter of its verdict; empty where it decides nothing.
    let verdictCounter: String
    /// Its limits and caps; their ``LoweredConstraint/policy`` is to be set to its number.
    let constraints: [LoweredConstraint]

    var expiry: Int64? { policy.kernelExpiry }

    init(
        _ policy: Policy, layerName: String, table: inout SetTable,
        fingerprint: inout CapFingerprint, concerns own: Bitset?
    ) {
        self.policy = policy
        literals = policy.literalRanges
        let kernelName = escapedIdentifier(layerName) + "." + escapedIdentifier(policy.name)
        let comment = kernelComment("\(layerName).\(policy.name)")
        self.kernelName = kernelName
        self.comment = comment
        var boxes: [Box] = []
        for interaction in policy.interactions { boxes += table.boxes(interaction) }
        if let own {
            boxes = boxes.filter {
                table[$0.source].intersects(own) || table[$0.destination].intersects(own)
            }
        }
        self.boxes = boxes
        shape = Shape(boxes, table)
        let word =
            switch policy.decision?.action {
            case .allow: ".allowed"
            case .reject: ".rejected"
            case .drop: ".dropped"
            case nil: ""
            }
        verdictCounter = word.isEmpty ? "" : kernelName + word
        var constraints =
            boxes.isEmpty
            ? []
            : policy.loweredLimits(boxes, shape, name: kernelName, comment: comment)
                + policy.loweredCaps(boxes, name: kernelName, comment: comment, table: &table)
        for index in constraints.indices where constraints[index].constraintClass.isCap {
            constraints[index].fingerprint = fingerprint.digits(constraints[index], table)
        }
        self.constraints = constraints
    }
}

/// The records of a policy set, and what they were made for.
struct PolicyRecords: Sendable {
    private(set) var all: [PolicyRecord] = []
    private var layers: [String] = []

    /// For each policy the record that an earlier policy set has left of the same one; nil where
    /// there is none. Both are sorted by layer and name.
    func matching(_ policySet: PolicySet) -> [PolicyRecord?] {
        guard layers == policySet.layers.map(\.name) else {
            return [PolicyRecord?](repeating: nil, count: policySet.policies.count)
        }
        var next = 0
        return policySet.policies.indices.map { index in
            // Nearly always the next one: that it is the same is cheaper to find than its order.
            if next < all.count, all[next].policy.doesTheSame(as: policySet.policies[index]) {
                next += 1
                return all[next - 1]
            }
            let (layer, name) = (policySet.policies[index].layer, policySet.policies[index].name)
            while next < all.count, (all[next].policy.layer, all[next].policy.name) < (layer, name)
            {
                next += 1
            }
            guard next < all.count,
                all[next].policy.doesTheSame(as: policySet.policies[index])
            else { return nil }
            next += 1
            return all[next - 1]
        }
    }

    mutating func keep(_ records: [PolicyRecord], _ policySet: PolicySet) {
        all = records
        layers = policySet.layers.map(\.name)
    }
}
