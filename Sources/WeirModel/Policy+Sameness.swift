// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whether two policies do the same, wherever they are written. What is derived from a policy alone
// can be kept over an edit of another one, which moves its place in the file and its number.

extension Policy {
    /// Whether both match the same and do the same with it, under the same name. Places and what
    /// they override are left aside: numbers of policies change when another one is added.
    public func doesTheSame(as other: Policy) -> Bool {
        layer == other.layer && name == other.name && activation == other.activation
            && decision?.action == other.decision?.action
            && interactions.elementsEqual(other.interactions) { $0.isSame(as: $1) }
            && caps.elementsEqual(other.caps) { $0.isSame(as: $1) }
            && limits.elementsEqual(other.limits) { $0.isSame(as: $1) }
            && effects.elementsEqual(other.effects) { $0.kind == $1.kind }
    }
}

extension Interaction {
    fileprivate func isSame(as other: Interaction) -> Bool {
        zoneRelation == other.zoneRelation && ports == other.ports && source == other.source
            && destination == other.destination
    }
}

extension Cap {
    fileprivate func isSame(as other: Cap) -> Bool {
        connections == other.connections && scope == other.scope
            && reservations.elementsEqual(other.reservations) {
                $0.connections == $1.connections && $0.beneficiary == $1.beneficiary
            }
    }
}

extension Limit {
    fileprivate func isSame(as other: Limit) -> Bool {
        rate == other.rate && unit == other.unit && scope == other.scope && burst == other.burst
            && excess == other.excess
    }
}
