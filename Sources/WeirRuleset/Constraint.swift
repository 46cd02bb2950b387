// SPDX-License-Identifier: GPL-3.0-or-later
//
// Caps and limits as the kernel counts them: each one thing with a number, the flows it covers,
// and how it refuses. A cap with reservations becomes several: one for all, and one for every
// group of flows that the reservations keep out.

import WeirModel

/// A cap with more reservations is refused: its parts double with each.
let maximumReservations = 4

/// One thing that the kernel counts.
struct LoweredConstraint {
    enum Kind: Hashable {
        case limit(RateLimit, Limit.Excess)
        case cap(UInt32)
    }
    let kind: Kind
    let scope: CountingScope
    let boxes: [Box]
    /// `layer.policy.limit1`, `layer.policy.cap1`, `layer.policy.cap1.without1`: stable across
    /// edits of other policies, and the name of its limit object.
    let name: String
    let comment: String
    let policy: PolicyID
    let expiresAtMilliseconds: Int64?
    /// Asked in ascending order. A connection that a cap refuses has entered those asked before,
    /// and leaves them with the next clock tick only; so what keeps others out of reserved places
    /// comes before the whole, or a storm of refused connections would fill the whole.
    var order = 0

    var counterName: String { name + ".refused" }
}

extension PolicySet {
    /// The parts of a policy's caps: the whole, and for each non-empty choice of reservations what
    /// lies outside all of them, which may use only what they leave.
    func loweredCaps(
        _ id: PolicyID, _ boxes: [Box], name: String, table: inout SetTable, expires: Int64?
    ) -> [LoweredConstraint] {
        var found: [LoweredConstraint] = []
        for (index, cap) in self[id].caps.enumerated() {
            let capName = "\(name).cap\(index + 1)"
            func part(_ suffix: String, _ boxes: [Box], _ connections: UInt64, order: Int) {
                guard !boxes.isEmpty else { return }
                found.append(
                    LoweredConstraint(
                        kind: .cap(UInt32(clamping: connections)), scope: cap.scope, boxes: boxes,
                        name: capName + suffix, comment: kernelComment(qualifiedName(id)),
                        policy: id, expiresAtMilliseconds: expires, order: order))
            }
            part("", boxes, cap.connections, order: maximumReservations)
            guard !cap.reservations.isEmpty else { continue }
            for choice in 1..<(1 << cap.reservations.count) {
                let chosen = cap.reservations.indices.filter { choice >> $0 & 1 == 1 }
                var outside = boxes
                for position in chosen {
                    let beneficiary = table.intern(cap.reservations[position].beneficiary)
                    outside = outside.compactMap { box in
                        let source = table[box.source].subtracting(table[beneficiary])
                        guard !source.isEmpty else { return nil }
                        return Box(
                            source: table.intern(source), destination: box.destination,
                            ports: box.ports)
                    }
                }
                let reserved = chosen.reduce(UInt64(0)) {
                    $0 + cap.reservations[$1].connections
                }
                let suffix = chosen.map { ".without\($0 + 1)" }.joined()
                part(
                    suffix, outside, cap.connections - min(reserved, cap.connections),
                    order: maximumReservations - chosen.count)
            }
        }
        return found
    }

    /// A policy's limits on new connections.
    func loweredLimits(
        _ id: PolicyID, _ boxes: [Box], name: String, expires: Int64?
    ) -> [LoweredConstraint] {
        self[id].limits.enumerated().map { index, limit in
            LoweredConstraint(
                kind: .limit(
                    RateLimit(
                        rate: limit.rate.amount, intervalSeconds: limit.rate.intervalSeconds,
                        burst: UInt32(clamping: limit.burst)), limit.excess),
                scope: limit.scope, boxes: boxes, name: "\(name).limit\(index + 1)",
                comment: kernelComment(qualifiedName(id)), policy: id,
                expiresAtMilliseconds: expires)
        }
    }
}
