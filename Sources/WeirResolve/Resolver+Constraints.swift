// SPDX-License-Identifier: GPL-3.0-or-later
//
// Caps with their reservations, limits with their defaults, and effects.

import WeirDiagnostics
import WeirModel
import WeirSyntax

extension Resolver {
    mutating func cap(_ clause: CapClause) -> Cap? {
        let amount = connections(clause.amount)
        let reservations = clause.reservations.map { reservation($0) }
        guard let amount else { return nil }
        return Cap(
            connections: amount.value, scope: countingScope(clause.per),
            reservations: reservations.compactMap { $0 }, relativeTo: amount.relativeTo,
            origin: clause.range)
    }

    private mutating func reservation(_ clause: CapClause.Reservation) -> Cap.Reservation? {
        let amount = connections(clause.amount)
        let beneficiary = checkedSet(clause.beneficiary)
        guard let amount, let beneficiary else { return nil }
        return Cap.Reservation(
            connections: amount.value, beneficiary: beneficiary.set, origin: clause.range)
    }

    private func countingScope(_ per: PerScope?) -> CountingScope {
        switch per {
        case nil: .total
        case .source: .source
        case .destination: .destination
        case .pair: .pair
        }
    }

    /// The burst is by default a tenth of a second's worth, at least 1, for bytes at least
    /// 65,536. What is too much is rejected where connections are counted and dropped otherwise.
    mutating func limit(_ clause: LimitClause) -> Limit? {
        guard let rate = rate(clause.rate) else { return nil }
        let unit = rate.unit.counted
        let excess: Limit.Excess =
            switch clause.excess {
            case nil: unit == .connections ? .reject : .drop
            case .drop: .drop
            case .reject: .reject
            case .markECN: .markECN
            }
        if excess == .markECN, unit == .connections {
            findings.error(
                "wrong-excess", "`mark-ecn` slows packets down, a new connection cannot be slowed",
                at: clause.range, help: "limit `packets` or `MB`, or write `then reject`")
            return nil
        }
        var burst = defaultBurst(rate.rate, unit)
        if let written = clause.burst {
            guard let amount = self.burst(written, rate.unit) else { return nil }
            burst = amount
        }
        return Limit(
            rate: rate.rate, unit: unit, scope: countingScope(clause.per), burst: burst,
            excess: excess, relativeTo: rate.relativeTo, origin: clause.range)
    }

    private func defaultBurst(_ rate: RatePerInterval, _ unit: Limit.Unit) -> UInt64 {
        let least: UInt64 = unit == .bytes ? 65_536 : 1
        return min(max(least, rate.amount / (rate.intervalSeconds * 10)), Self.countLimit)
    }

    /// In the rate's unit where it has none of its own.
    private mutating func burst(_ amount: Amount, _ rateUnit: ResolvedUnit) -> UInt64? {
        guard let resolved = self.amount(amount) else { return nil }
        let unit = resolved.unit ?? rateUnit
        guard unit.counted == rateUnit.counted else {
            let wanted =
                switch rateUnit.counted {
                case .connections: "`connections`, as the limit does"
                case .packets: "`packets`, as the limit does"
                case .bytes: "`kB`, `MB`, `GB`, `kbit`, `Mbit` or `Gbit`, as the limit does"
                }
            wrongUnit(amount, wanted: wanted)
            return nil
        }
        let (value, overflow) = resolved.value.multipliedReportingOverflow(by: unit.factor)
        guard !overflow, value <= Self.countLimit else {
            tooLarge(amount.range, "\(Self.countLimit) \(unit.counted.rawValue)")
            return nil
        }
        return value
    }

    mutating func effect(_ clause: EffectClause) -> Effect? {
        switch clause.kind {
        case .observe: return Effect(kind: .observe, origin: clause.range)
        case .log(let text, let sampleOneIn):
            return Effect(
                kind: .log(text: text.text, sampleOneIn: sampleOneIn), origin: clause.range)
        case .priority(let priority):
            let kind: Effect.Priority =
                switch priority {
                case .critical: .critical
                case .high: .high
                case .normal: .normal
                case .low: .low
                }
            return Effect(kind: .priority(kind), origin: clause.range)
        case .mirror(let target):
            guard let address = IPAddress(target.text) else {
                reportAddress(target, .notAnAddress(target.text))
                return nil
            }
            return Effect(kind: .mirror(address), origin: clause.range)
        }
    }
}
