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
    enum Measure: Hashable {
        case limit(RateLimit)
        case cap(UInt32)
    }
    let measure: Measure
    let constraintClass: ConstraintClass
    let scope: CountingScope
    let boxes: [Box]
    let shape: Shape
    /// `layer.policy.limit1`, `layer.policy.cap1`, `layer.policy.cap1.without1`: stable across
    /// edits of other policies, and the name of its limit object.
    let name: String
    let comment: String
    var policy = PolicyID(index: 0)
    let expiresAtMilliseconds: Int64?
    /// What keeps others out of reserved places comes before the whole, in ascending order.
    var reservationOrder = 0

    /// Asked in ascending order. A connection that a cap refuses has entered those asked before,
    /// and leaves them with the next clock tick only; one that a limit refuses has taken from the
    /// buckets before. So what a few share comes before what many share, or a storm of refused
    /// connections of one would take it from all: counted per pair, per source or destination, in
    /// total; of these narrow ones first; of a cap the parts that keep places, then the whole.
    var order: String {
        let sharing = scope == .pair ? 0 : scope == .total ? 2 : 1
        let breadth = (shape.broadSource ? 1 : 0) + (shape.broadDestination ? 1 : 0)
        let place = (sharing * 3 + breadth) * (maximumReservations + 1) + reservationOrder
        return place < 10 ? "0\(place)" : "\(place)"
    }
    /// Of a cap: what it counts (``CapFingerprint``).
    var fingerprint = ""

    /// Of the element that counts in the kernel.
    var elementComment: String {
        fingerprint.isEmpty ? comment : CapFingerprint.comment(comment, fingerprint)
    }

    var counterName: String {
        switch constraintClass {
        case .limitCount, .capCount, .meterCount: name + ".would-refuse"
        case .meterMark: name + ".marked"
        default: name + ".refused"
        }
    }
}

extension Policy {
    /// The parts of a policy's caps: the whole, and for each non-empty choice of reservations what
    /// lies outside all of them, which may use only what they leave.
    func loweredCaps(
        _ boxes: [Box], name: String, comment: String, table: inout SetTable
    ) -> [LoweredConstraint] {
        var found: [LoweredConstraint] = []
        for (index, cap) in caps.enumerated() {
            let capName = "\(name).cap\(index + 1)"
            func part(_ suffix: String, _ boxes: [Box], _ connections: UInt64, order: Int) {
                guard !boxes.isEmpty else { return }
                found.append(
                    LoweredConstraint(
                        measure: .cap(UInt32(clamping: connections)),
                        constraintClass: activation.staged ? .capCount : .capReject,
                        scope: cap.scope, boxes: boxes, shape: Shape(boxes, table),
                        name: capName + suffix,
                        comment: comment, expiresAtMilliseconds: kernelExpiry,
                        reservationOrder: order))
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

    /// A policy's limits, on new connections as well as on packets and bytes.
    func loweredLimits(
        _ boxes: [Box], _ shape: Shape, name: String, comment: String
    ) -> [LoweredConstraint] {
        limits.enumerated().map { index, limit in
            LoweredConstraint(
                measure: .limit(limit.kernelRate),
                constraintClass: limit.constraintClass(staged: activation.staged),
                scope: limit.scope, boxes: boxes, shape: shape, name: "\(name).limit\(index + 1)",
                comment: comment, expiresAtMilliseconds: kernelExpiry)
        }
    }

    /// When its elements end, in milliseconds since 1970-01-01. The kernel takes timeouts of up to
    /// 584 years (2^64 nanoseconds); who writes a later end means for ever, and gets 2300.
    var kernelExpiry: Int64? {
        activation.until.map { min($0, 10_413_792_000) * 1000 }
    }
}

extension Limit {
    /// The bucket as the kernel takes it: what is too large for its interval is said per second.
    var kernelRate: RateLimit {
        let unit: RateLimit.Unit = self.unit == .bytes ? .bytes : .packets
        let (whole, rest) = rate.amount.quotientAndRemainder(dividingBy: rate.intervalSeconds)
        let perSecond = whole + (rest > 0 ? 1 : 0)
        // A bucket of bytes holds an interval's worth on top of its burst (nft_limit_init), so the
        // interval is the shortest that says the rate to a thousandth, and the burst is less.
        if unit == .bytes, rate.intervalSeconds == 1 || perSecond >= 1000 {
            let rest = self.burst > perSecond ? self.burst - perSecond : 1
            return RateLimit(
                rate: perSecond, intervalSeconds: 1, burst: UInt32(clamping: rest), unit: unit)
        }
        let burst = UInt32(clamping: self.burst)
        let exact = RateLimit(
            rate: rate.amount, intervalSeconds: rate.intervalSeconds, burst: burst, unit: unit)
        guard !exact.isInKernelRange else { return exact }
        return RateLimit(rate: perSecond, intervalSeconds: 1, burst: burst, unit: unit)
    }

    func constraintClass(staged: Bool) -> ConstraintClass {
        let isMeter = unit != .connections
        if staged { return isMeter ? .meterCount : .limitCount }
        return switch excess {
        case .reject: isMeter ? .meterReject : .limitReject
        case .drop: isMeter ? .meterDrop : .limitDrop
        case .markECN: .meterMark
        }
    }
}
