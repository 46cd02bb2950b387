// SPDX-License-Identifier: GPL-3.0-or-later
//
// Amounts and rates to numbers: units, what follows the landscape, and a pattern's parameters.

import WeirDiagnostics
import WeirModel
import WeirSyntax

/// A number that may have followed the landscape.
struct ResolvedAmount {
    let value: UInt64
    /// nil where the amount was written without a unit.
    let unit: ResolvedUnit?
    /// As written, where it followed the landscape.
    let relativeTo: String?
}

/// A unit as what is counted, and how many of it.
struct ResolvedUnit: Equatable {
    let counted: Limit.Unit
    let factor: UInt64

    static let connections = ResolvedUnit(counted: .connections, factor: 1)

    /// `kB MB GB` are powers of 1000 bytes, `kbit Mbit Gbit` powers of 1000 bits.
    init?(named name: String) {
        switch name {
        case "connections": self = .connections
        case "packets": self.init(counted: .packets, factor: 1)
        case "kB": self.init(counted: .bytes, factor: 1_000)
        case "MB": self.init(counted: .bytes, factor: 1_000_000)
        case "GB": self.init(counted: .bytes, factor: 1_000_000_000)
        case "kbit": self.init(counted: .bytes, factor: 125)
        case "Mbit": self.init(counted: .bytes, factor: 125_000)
        case "Gbit": self.init(counted: .bytes, factor: 125_000_000)
        default: return nil
        }
    }

    private init(counted: Limit.Unit, factor: UInt64) {
        self.counted = counted
        self.factor = factor
    }
}

struct ResolvedRate {
    /// In connections, packets or bytes.
    let rate: RatePerInterval
    let unit: ResolvedUnit
    let relativeTo: String?
}

extension Resolver {
    /// The kernel counts connections, and tokens of a bucket, in 32 bits.
    static let countLimit = UInt64(UInt32.max)

    /// A number of connections: `800 connections`, `20 connections per endpoint of web`, `80% of
    /// capacity of orders-db`. What follows the landscape is at least 1, so that a service scaled
    /// to nothing does not turn a cap into a refusal.
    mutating func connections(_ amount: Amount) -> ResolvedAmount? {
        guard let resolved = self.amount(amount) else { return nil }
        if let unit = resolved.unit, unit != .connections {
            wrongUnit(amount, wanted: "connections")
            return nil
        }
        guard resolved.value <= Self.countLimit else {
            tooLarge(amount.range, "\(Self.countLimit) connections")
            return nil
        }
        return resolved
    }

    /// An amount by itself, in its own unit. `capacity` gives what a percentage is of.
    mutating func amount(_ amount: Amount) -> ResolvedAmount? {
        let unit = amount.unit.flatMap { ResolvedUnit(named: $0.text) }
        switch amount.value {
        case .fixed(let value): return ResolvedAmount(value: value, unit: unit, relativeTo: nil)
        case .perEndpoint(let value, let expression):
            guard let count = endpointCount(expression) else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: count)
            guard !overflow else {
                tooLarge(amount.range, "\(UInt64.max)")
                return nil
            }
            return ResolvedAmount(
                value: max(1, product), unit: unit, relativeTo: sourceText(amount.range))
        case .percentOfCapacity(let percent, let expression):
            guard let total = connectionCapacity(expression),
                let value = share(percent, of: total, at: amount.range)
            else { return nil }
            return ResolvedAmount(
                value: value, unit: .connections, relativeTo: sourceText(amount.range))
        case .parameter(let name): return parameterAmount(name, unit, amount)
        }
    }

    private mutating func parameterAmount(
        _ name: Name, _ unit: ResolvedUnit?, _ amount: Amount
    ) -> ResolvedAmount? {
        guard let argument = argument(name) else { return nil }
        guard case .amount(let given) = argument.argument else {
            wrongArgument(argument, name, wanted: "an amount")
            return nil
        }
        guard let inner = outside({ $0.amount(given) }) else { return nil }
        if let unit, let innerUnit = inner.unit, unit != innerUnit {
            findings.error(
                "wrong-unit",
                "parameter \(quoted(name.text)) is counted in \(shownUnit(amount)), its argument"
                    + " in \(shownUnit(given))",
                at: argument.range,
                related: [RelatedPlace(range: name.range, message: "used here")],
                help: "give the number without a unit")
            return nil
        }
        return ResolvedAmount(
            value: inner.value, unit: unit ?? inner.unit, relativeTo: inner.relativeTo)
    }

    private func shownUnit(_ amount: Amount) -> String {
        amount.unit.map { quoted($0.text) } ?? "`connections`"
    }

    private mutating func argument(
        _ name: Name
    ) -> (argument: PatternInstance.Argument, range: SourceRange)? {
        if let argument = scope?.arguments[name.text] { return argument }
        let parameters = scope?.pattern.parameters.map(\.text) ?? []
        let near = findings.nearest(to: name.text, among: parameters)
        findings.error(
            "unknown-parameter", "there is no parameter \(quoted(name.text))", at: name.range,
            help: near.map { "did you mean `\($0)`?" }
                ?? "write a number, or add it to the pattern's parameters",
            fixIts: near.map { [spellingFix(of: name, as: $0)] } ?? [])
        return nil
    }

    // MARK: rates

    /// `50 connections/s`, `20 MB/m`, `10 connections/s per endpoint of web`, `80% of capacity of
    /// orders-db`, or a parameter for one of these.
    mutating func rate(_ rate: Rate) -> ResolvedRate? {
        guard let interval = rate.interval else { return wholeRate(rate) }
        guard let amount = amount(rate.amount) else { return nil }
        guard let unit = amount.unit else {
            findings.error(
                "missing-unit", "\(shown(rate.range)) does not say what it counts",
                at: rate.range, help: "write `connections/s`, `packets/s` or `MB/s`")
            return nil
        }
        let (value, overflow) = amount.value.multipliedReportingOverflow(by: unit.factor)
        guard !overflow else {
            tooLarge(rate.range, "\(UInt64.max) \(unit.counted.rawValue)")
            return nil
        }
        let seconds: UInt64 =
            switch interval {
            case .second: 1
            case .minute: 60
            case .hour: 3600
            }
        return ResolvedRate(
            rate: RatePerInterval(amount: value, intervalSeconds: seconds), unit: unit,
            relativeTo: amount.relativeTo.map { _ in sourceText(rate.range) })
    }

    /// A rate whose interval is not written here: a parameter, or a share of a capacity.
    private mutating func wholeRate(_ rate: Rate) -> ResolvedRate? {
        switch rate.amount.value {
        case .parameter(let name):
            guard let argument = argument(name) else { return nil }
            switch argument.argument {
            case .rate(let given): return outside { $0.rate(given) }
            case .amount(let given):
                if case .percentOfCapacity = given.value {
                    return outside {
                        $0.rate(Rate(amount: given, interval: nil, range: given.range))
                    }
                }
            default: break
            }
            wrongArgument(argument, name, wanted: "a rate")
            return nil
        case .percentOfCapacity(let percent, let expression):
            guard let total = rateCapacity(expression),
                let value = share(percent, of: total.amount, at: rate.range)
            else { return nil }
            return ResolvedRate(
                rate: RatePerInterval(amount: value, intervalSeconds: total.intervalSeconds),
                unit: .connections, relativeTo: sourceText(rate.range))
        case .fixed, .perEndpoint:
            findings.error(
                "not-a-rate", "\(shown(rate.range)) has no interval", at: rate.range,
                help: "write `/s`, `/m` or `/h` after the unit")
            return nil
        }
    }

    // MARK: what follows the landscape

    private mutating func endpointCount(_ expression: SetExpression) -> UInt64? {
        guard let set = checkedSet(expression) else { return nil }
        return UInt64(extents.extent(of: set.set).endpointCount)
    }

    /// Connections that the services of a set take together.
    private mutating func connectionCapacity(_ expression: SetExpression) -> UInt64? {
        guard let services = capacityServices(expression) else { return nil }
        var total: UInt64 = 0
        for service in services {
            guard let capacity = landscape.services[service].capacity.connections else {
                missingCapacity(service, "connections", "connections: 1000", expression)
                return nil
            }
            total = total.addingReportingOverflow(capacity).partialValue
            guard total >= capacity else {
                tooLarge(expression.range, "\(UInt64.max)")
                return nil
            }
        }
        return total
    }

    /// New connections that the services of a set take together: per second, minute or hour if
    /// all say so, otherwise per hour.
    private mutating func rateCapacity(_ expression: SetExpression) -> RatePerInterval? {
        guard let services = capacityServices(expression) else { return nil }
        var rates: [RatePerInterval] = []
        for service in services {
            guard let rate = landscape.services[service].capacity.connectionRate else {
                missingCapacity(service, "rate", "rate: 2000 connections/s", expression)
                return nil
            }
            rates.append(rate)
        }
        let intervals = Set(rates.map(\.intervalSeconds))
        let common = intervals.count == 1 ? intervals.first ?? 1 : 3600
        var total: UInt64 = 0
        for rate in rates {
            let (scaled, overflow) = rate.amount.multipliedReportingOverflow(
                by: common / rate.intervalSeconds)
            let (sum, sumOverflow) = total.addingReportingOverflow(scaled)
            guard !overflow, !sumOverflow else {
                tooLarge(expression.range, "\(UInt64.max)")
                return nil
            }
            total = sum
        }
        return RatePerInterval(amount: total, intervalSeconds: common)
    }

    private mutating func missingCapacity(
        _ service: Int, _ what: String, _ sample: String, _ expression: SetExpression
    ) {
        let service = landscape.services[service]
        findings.error(
            "no-capacity", "the capacity of \(quoted(service.name)) declares no `\(what)`",
            at: expression.range,
            related: service.origin.map {
                [RelatedPlace(range: $0, message: "the service")]
            } ?? [], help: "add `capacity: {\(sample)}` to it in the inventory")
    }

    /// The services that a set consists of.
    private mutating func capacityServices(_ expression: SetExpression) -> [Int]? {
        guard let set = checkedSet(expression) else { return nil }
        guard let services = wholeServices(set.set), !services.isEmpty else {
            findings.error(
                "no-capacity", "\(shown(expression.range)) is not made of whole services",
                at: expression.range,
                help: "capacity is declared for services: name them, or select them by label")
            return nil
        }
        return services.sorted()
    }

    private mutating func wholeServices(_ set: AddressSet) -> Set<Int>? {
        switch set {
        case .service(let index): return [index]
        case .labels(let tests): return Set(extents.services(passing: tests))
        case .internal: return Set(landscape.services.indices)
        case .any, .external, .zone, .range: return nil
        case .union(let a, let b):
            guard let x = wholeServices(a), let y = wholeServices(b) else { return nil }
            return x.union(y)
        case .intersection(let a, let b):
            guard let x = wholeServices(a), let y = wholeServices(b) else { return nil }
            return x.intersection(y)
        case .difference(let a, let b):
            guard let x = wholeServices(a), let y = wholeServices(b) else { return nil }
            return x.subtracting(y)
        }
    }

    /// A percentage, rounded down, at least 1.
    private mutating func share(
        _ percent: UInt64, of total: UInt64, at range: SourceRange
    ) -> UInt64? {
        let product = total.multipliedFullWidth(by: percent)
        guard product.high < 100 else {
            tooLarge(range, "\(UInt64.max)")
            return nil
        }
        return max(1, UInt64(100).dividingFullWidth(product).quotient)
    }

    mutating func wrongUnit(_ amount: Amount, wanted: String) {
        findings.error(
            "wrong-unit", "\(shown(amount.range)) cannot be counted here",
            at: amount.unit?.range ?? amount.range, help: "write \(wanted)")
    }

    mutating func tooLarge(_ range: SourceRange, _ limit: String) {
        findings.error(
            "number-too-large", "\(shown(range)) comes to more than \(limit)", at: range,
            help: "write a smaller amount")
    }
}
