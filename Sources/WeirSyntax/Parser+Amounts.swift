// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar of amounts and rates. Both begin alike, so one function reads either and then checks
// that it is what its place needs: `cap` counts connections, `limit` needs an interval.

import WeirDiagnostics

/// An amount or a rate, where either may stand.
enum Quantity {
    case amount(Amount)
    case rate(Rate)
}

/// What an amount counts in its place.
enum Counting {
    /// Connections, said so.
    case connections
    /// Connections, perhaps left out.
    case optionalConnections
    /// In the unit of something else, perhaps left out.
    case optional
    /// Something per interval.
    case rate
    /// Whatever is written.
    case anything
    /// Whatever is written, zero as well.
    case anythingOrZero
}

extension Parser {
    static let units = ["connections", "packets", "kB", "MB", "GB", "kbit", "Mbit", "Gbit"]

    /// What people write for units elsewhere.
    private static let foreignUnits = [
        "request": "connections", "requests": "connections", "req": "connections",
        "conn": "connections", "conns": "connections", "pkts": "packets", "pps": "packets/s",
        "b": "kB", "bytes": "kB", "bit": "kbit", "bits": "kbit", "k": "kB", "m": "MB", "g": "GB",
        "kib": "kB", "mib": "MB", "gib": "GB", "kbps": "kbit/s", "mbps": "Mbit/s",
        "gbps": "Gbit/s",
    ]

    mutating func amount(_ what: String, counting: Counting) -> Amount? {
        guard let quantity = quantity(what, counting: counting) else { return nil }
        switch quantity {
        case .amount(let amount): return amount
        case .rate(let rate):
            error(
                "not-an-amount", "\(quoted(source.bytes[rate.range.bytes])) is a rate",
                at: rate.range, help: "leave out the interval, or write `limit` for a rate")
            return rate.amount
        }
    }

    mutating func rate(_ what: String) -> Rate? {
        guard let quantity = quantity(what, counting: .rate) else { return nil }
        switch quantity {
        case .rate(let rate): return rate
        case .amount(let amount):
            switch amount.value {
            case .parameter where amount.unit == nil, .percentOfCapacity: break
            default:
                let unit = amount.unit.map { quoted($0.text) } ?? "the unit"
                let place = range(amount.range.end, amount.range.end)
                error(
                    "not-a-rate", "expected `/s`, `/m` or `/h` after \(unit)", at: place,
                    help: "a limit is a rate, such as `50 connections/s`; write `cap` for a number",
                    fixIts: amount.unit.map {
                        [insertion("/s", at: $0.range.end, "make it per second")]
                    } ?? [])
            }
            return Rate(amount: amount, interval: nil, range: amount.range)
        }
    }

    /// An amount or a rate, whichever is written.
    mutating func quantity(_ what: String, counting: Counting) -> Quantity? {
        let node = open(.amount)
        var kind = SyntaxKind.amount
        defer { close(node, as: kind) }
        let start = current.start
        guard at(.word) else {
            errorExpected(what)
            return nil
        }
        let word = bytes(current)
        var value: Amount.Value
        if isDigit(word.first ?? 0) {
            guard let number = number(allowsZero: counting == .anythingOrZero) else { return nil }
            if at(.word), isAdjacent, source.bytes[current.start] == UInt8(ascii: "%") {
                guard let amount = percentOfCapacity(number, from: start) else { return nil }
                return .amount(amount)
            }
            value = .fixed(number)
        } else if isInPattern, isName(word) {
            guard let name = name(what, isOperand: true) else { return nil }
            value = .parameter(name)
        } else {
            errorNotAnAmount(what)
            return nil
        }
        let numberEnd = previousEnd
        guard let (unit, interval) = unit(of: value, counting: counting, numberEnd: numberEnd)
        else { return nil }
        var amountEnd = unit?.range.end ?? numberEnd
        if case .fixed(let number) = value, at(.per), lookahead?.keyword == .endpoint {
            take(.keyword)
            take(.keyword)
            guard expect(.of), let set = setExpression("whose endpoints are counted") else {
                return nil
            }
            value = .perEndpoint(number, of: set)
            amountEnd = previousEnd
        }
        let amount = Amount(value: value, unit: unit, range: range(start, amountEnd))
        guard let interval else { return .amount(amount) }
        kind = .rate
        return .rate(Rate(amount: amount, interval: interval, range: range(from: start)))
    }

    private mutating func errorNotAnAmount(_ what: String) {
        if let second = bytes(current).dropFirst().first, isDigit(second),
            source.bytes[current.start] == UInt8(ascii: "-")
        {
            error(
                "bad-number", "\(quoted(bytes(current))) is negative", at: range(current),
                help: "amounts are whole numbers from 1")
        } else {
            errorExpected(what)
        }
    }

    /// The digits that a word begins with; what follows them stays.
    mutating func number(allowsZero: Bool) -> UInt64? {
        let word = bytes(current)
        let digits = word.prefix(while: isDigit)
        let place = range(digits.startIndex, digits.endIndex)
        if let next = word.dropFirst(digits.count).first, !isLetter(next),
            next != UInt8(ascii: "%")
        {
            error(
                "bad-number", "\(quoted(word)) is not a whole number", at: range(current),
                help: next == UInt8(ascii: ".")
                    ? "write it in a smaller unit" : "write digits only")
            take(.unexpected)
            return 1
        }
        take(prefix: digits.count, .number)
        guard let number = UInt64(String(decoding: digits, as: UTF8.self)) else {
            error(
                "number-too-large", "\(quoted(digits)) is too large", at: place,
                help: "numbers go up to \(UInt64.max)")
            return 1
        }
        if number == 0, !allowsZero {
            error(
                "zero-amount", "the amount is zero", at: place,
                help: "to refuse everything, write `reject` or `drop`")
        }
        return number
    }

    /// `% of capacity of S` after its number.
    private mutating func percentOfCapacity(_ number: UInt64, from start: Int) -> Amount? {
        guard percentSign(), expect(.of), expect(.capacity), expect(.of),
            let set = setExpression("whose capacity")
        else { return nil }
        return Amount(
            value: .percentOfCapacity(number, of: set), unit: nil, range: range(from: start))
    }

    mutating func percentSign() -> Bool {
        guard current.end - current.start == 1 else {
            error(
                "bad-number", "unexpected \(quoted(bytes(current))) after the number",
                at: range(current), help: "write `80%`")
            return false
        }
        take(.punctuation)
        return true
    }

    /// The unit and, for a rate, the interval; checked against what its place needs.
    private mutating func unit(
        of value: Amount.Value, counting: Counting, numberEnd: Int
    ) -> (Name?, Rate.Interval?)? {
        let isParameter = if case .parameter = value { true } else { false }
        guard at(.word), current.keyword == nil else {
            let isNeeded = counting == .connections || counting == .rate
            guard isNeeded, !isParameter else { return (nil, nil) }
            let isCap = counting == .connections
            error(
                "missing-unit", "the number has no unit", at: range(numberEnd, numberEnd),
                help: isCap ? "write `connections`" : "write `connections/s` or `MB/s`",
                fixIts: isCap ? [insertion(" connections", at: numberEnd, "add the unit")] : [])
            return counting == .rate ? nil : (nil, nil)
        }
        let word = bytes(current)
        let spelt = word.prefix { $0 != UInt8(ascii: "/") }
        let place = range(spelt.startIndex, spelt.endIndex)
        let text = source.text(in: place.bytes)
        if Self.units.contains(text) {
            take(prefix: spelt.count, .unit)
            switch counting {
            case .connections, .optionalConnections:
                if text != "connections" {
                    error(
                        "wrong-unit", "\(quoted(text)) cannot be counted here", at: place,
                        help: "write `connections`",
                        fixIts: [replacement(of: place, by: "connections")])
                }
            default: break
            }
        } else {
            errorUnknownUnit(text, place)
            take(prefix: max(spelt.count, 1), .unexpected)
        }
        let name = Name(text: text, range: place)
        guard current.kind == .word, isAdjacent, !atClauseEnd,
            source.bytes[current.start] == UInt8(ascii: "/")
        else { return (name, nil) }
        take(prefix: 1, .punctuation)
        guard let interval = interval() else { return nil }
        return (name, interval)
    }

    private mutating func errorUnknownUnit(_ unit: String, _ place: SourceRange) {
        let lower = unit.lowercased()
        let meant =
            Self.units.first { $0.lowercased() == lower } ?? Self.foreignUnits[lower]
            ?? nearestName(to: unit, among: Self.units)
        error(
            "unknown-unit", "unknown unit \(quoted(unit))", at: place,
            help: meant.map { "did you mean `\($0)`?" } ?? "units are \(alternatives(Self.units))",
            fixIts: meant.map { [replacement(of: place, by: $0)] } ?? [])
    }

    /// `s`, `m` or `h` right after the slash of a rate.
    private mutating func interval() -> Rate.Interval? {
        guard isAdjacent, at(.word) else {
            error(
                "bad-interval", "expected `s`, `m` or `h` right after `/`", at: gap,
                help: "write `connections/s`")
            return nil
        }
        let place = range(current)
        let text = text(current)
        if let interval = Rate.Interval(rawValue: text) {
            take(.unit)
            return interval
        }
        let meant = ["s", "m", "h"].first {
            ["s": ["sec", "second", "seconds"], "m": ["min", "minute", "minutes"]][
                $0, default: ["hour", "hours", "hr"]
            ].contains(text.lowercased())
        }
        error(
            "bad-interval", "unknown interval \(quoted(text))", at: place,
            help: meant.map { "did you mean `\($0)`?" } ?? "write `s`, `m` or `h`",
            fixIts: meant.map { [replacement(of: place, by: $0)] } ?? [])
        take(.unexpected)
        return .second
    }
}
