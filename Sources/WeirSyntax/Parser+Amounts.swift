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

    /// What to do instead of writing zero.
    fileprivate var zeroHelp: String {
        switch self {
        case .optionalConnections, .optional: "write at least 1, or leave it out"
        case .connections, .rate: "write at least 1; to refuse everything, write `reject` or `drop`"
        case .anything, .anythingOrZero: "write at least 1"
        }
    }
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
            guard let number = number(counting) else { return nil }
            if atPercentSign {
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
            guard expect(.of), let set = setExpression("a set, whose endpoints are counted") else {
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
    mutating func number(_ counting: Counting) -> UInt64? {
        let word = bytes(current)
        let digits = word.prefix(while: isDigit)
        let place = range(digits.startIndex, digits.endIndex)
        let rest = word.dropFirst(digits.count)
        if rest.first == UInt8(ascii: "/") {
            error(
                "missing-unit", "the number has no unit", at: range(place.end, place.end),
                help: "write `connections/s` or `MB/s`",
                fixIts: [insertion(" connections", at: place.end, "count connections")])
            return nil
        }
        let isUnit = rest.first.map(isLetter) ?? true
        guard isUnit && (rest.isEmpty || isAnyUnit(rest)) || rest.first == UInt8(ascii: "%") else {
            error(
                "bad-number", "\(quoted(word)) is not a whole number", at: range(current),
                help: rest.first == UInt8(ascii: ".")
                    ? "write it in a smaller unit" : "write digits only")
            return nil
        }
        take(prefix: digits.count, .number)
        guard let number = UInt64(String(decoding: digits, as: UTF8.self)) else {
            error(
                "number-too-large", "\(quoted(digits)) is too large", at: place,
                help: "numbers go up to \(UInt64.max)")
            return 1
        }
        if number == 0, counting != .anythingOrZero {
            error("zero-amount", "the amount is zero", at: place, help: counting.zeroHelp)
        }
        return number
    }

    /// Whether bytes, up to a slash, are a unit or what people write for one.
    private func isAnyUnit(_ bytes: ArraySlice<UInt8>) -> Bool {
        let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "/") }, as: UTF8.self)
        return Self.units.contains(text) || meantUnit(text) != nil
    }

    private func meantUnit(_ unit: String) -> String? {
        let lower = unit.lowercased()
        return Self.units.first { $0.lowercased() == lower } ?? Self.foreignUnits[lower]
            ?? (unit.count > 2 ? nearestName(to: unit, among: Self.units) : nil)
    }

    /// `% of capacity of S` after its number.
    private mutating func percentOfCapacity(_ number: UInt64, from start: Int) -> Amount? {
        guard percentSign() else { return nil }
        if !at(.of) {
            errorExpected(
                "`of capacity of` and a service", help: "a share is one of a service's capacity")
            return nil
        }
        guard expect(.of), expect(.capacity), expect(.of),
            let set = setExpression("a service, whose capacity is meant")
        else { return nil }
        return Amount(
            value: .percentOfCapacity(number, of: set), unit: nil, range: range(from: start))
    }

    /// Whether a `%` is next, also if a space divides it from its number.
    var atPercentSign: Bool {
        guard at(.word), source.bytes[current.start] == UInt8(ascii: "%") else { return false }
        return isAdjacent || current.end - current.start == 1
    }

    mutating func percentSign() -> Bool {
        guard current.end - current.start == 1 else {
            error(
                "bad-number", "unexpected \(quoted(bytes(current))) after the number",
                at: range(current), help: "write `80%`")
            return false
        }
        if !isAdjacent {
            error(
                "bad-number", "a space before `%`", at: range(current), help: "write `80%`",
                fixIts: [replacement(of: range(previousEnd, current.start), by: "")])
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
        if Self.foreignUnits[text.lowercased()]?.hasSuffix("/s") == true { return (name, .second) }
        return intervalAfterUnit().map { (name, $0) }
    }

    /// `/s` right after a unit, or nothing; also what people write for it.
    private mutating func intervalAfterUnit() -> Rate.Interval?? {
        guard at(.word) else { return .some(nil) }
        if isAdjacent, source.bytes[current.start] == UInt8(ascii: "/") {
            take(prefix: 1, .punctuation)
            return interval().map { .some($0) }
        }
        let start = previousEnd
        let next = lookahead.map(text) ?? ""
        let meant: String
        if current.keyword == .per, let near = Self.intervals[next] {
            meant = near
        } else if source.bytes[current.start] == UInt8(ascii: "/") {
            meant = Self.intervals[next] ?? "s"
        } else {
            return .some(nil)
        }
        let end = Self.intervals[next] == nil ? current.end : lookahead?.end ?? current.end
        error(
            "bad-interval", "\(quoted(source.bytes[current.start..<end])) is no interval",
            at: range(current.start, end), help: "write `/\(meant)` right after the unit",
            fixIts: [
                FixIt(
                    message: "write `/\(meant)`",
                    edits: [TextEdit(range: range(start, end), replacement: "/\(meant)")])
            ])
        return nil
    }

    /// What people write for intervals.
    private static let intervals = [
        "s": "s", "sec": "s", "second": "s", "seconds": "s", "m": "m", "min": "m", "minute": "m",
        "minutes": "m", "h": "h", "hr": "h", "hour": "h", "hours": "h",
    ]

    private mutating func errorUnknownUnit(_ unit: String, _ place: SourceRange) {
        let meant = meantUnit(unit)
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
        let meant = Self.intervals[text.lowercased()]
        error(
            "bad-interval", "unknown interval \(quoted(text))", at: place,
            help: meant.map { "did you mean `\($0)`?" } ?? "write `s`, `m` or `h`",
            fixIts: meant.map { [replacement(of: place, by: $0)] } ?? [])
        take(.unexpected)
        return .second
    }
}
