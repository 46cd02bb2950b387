// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar of clauses: interactions, decisions, constraints and effects.

import WeirDiagnostics

extension Parser {
    /// `from S to D …` or `between A and B …`; the head is given since it may be misspelt.
    mutating func interaction(as head: Keyword) -> InteractionClause? {
        let node = open(.interaction)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        let isBetween = head == .between
        guard
            let source = setExpression(
                isBetween ? "the first set" : "the source", andEnds: isBetween),
            expect(isBetween ? .and : .to, isBetween ? "the second set" : "the destination"),
            let destination = setExpression(
                isBetween ? "the second set" : "the destination", andEnds: isBetween)
        else { return nil }
        if isBetween, at(.and) {
            error(
                "ambiguous-and", "a second `and` in `between`", at: range(current),
                help: "put parentheses around the set that it belongs to")
            return nil
        }
        var ports: [PortExpression]?
        var zoneRelation: InteractionClause.ZoneRelation?
        while true {
            if at(.on) {
                let place = range(current)
                take(.keyword)
                guard let list = portList() else { return nil }
                if ports != nil { errorTwice("on", place) }
                ports = list
            } else if at(.across) || at(.within) {
                let place = range(current)
                guard let relation = self.zoneRelation() else { return nil }
                if zoneRelation != nil { errorTwice("across` or `within", place) }
                zoneRelation = relation
            } else {
                break
            }
        }
        return InteractionClause(
            direction: isBetween ? .between : .fromTo, source: source, destination: destination,
            ports: ports, zoneRelation: zoneRelation, range: range(from: start))
    }

    mutating func zoneRelation() -> InteractionClause.ZoneRelation? {
        let node = open(.zoneRelation)
        defer { close(node) }
        let isAcross = current.keyword == .across
        take(.keyword)
        return expect(.zones) ? (isAcross ? .across : .within) : nil
    }

    mutating func errorTwice(_ part: String, _ place: SourceRange) {
        error(
            "duplicate-part", "`\(part)` stands twice in one clause", at: place,
            help: "keep one of them, or write two clauses")
    }

    /// `allow|reject|drop [overriding …]` or `overriding …` alone.
    mutating func decision(as head: Keyword) -> DecisionClause? {
        let node = open(.decision)
        defer { close(node) }
        let start = current.start
        let action = DecisionClause.Action(rawValue: head.text)
        if action != nil { take(.keyword) }
        var references: [PolicyReference] = []
        if action == nil || at(.overriding) {
            guard let overridden = overriding() else { return nil }
            references = overridden
        }
        return DecisionClause(
            action: action, overriding: references, range: range(from: start))
    }

    mutating func cap() -> CapClause? {
        let node = open(.cap)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        guard let amount = amount("a number of connections", counting: .connections) else {
            return nil
        }
        var per: PerScope?
        var reservations: [CapClause.Reservation] = []
        while true {
            if at(.per) {
                let place = range(current)
                guard let scope = perScope() else { return nil }
                if per != nil { errorTwice("per", place) }
                per = scope
            } else if at(.reserve) {
                guard let reservation = reservation() else { return nil }
                reservations.append(reservation)
            } else {
                break
            }
        }
        return CapClause(
            amount: amount, per: per, reservations: reservations, range: range(from: start))
    }

    mutating func perScope() -> PerScope? {
        let node = open(.perScope)
        defer { close(node) }
        take(.keyword)
        return expect(
            anyOf: [.source, .destination, .pair], "`source`, `destination` or `pair`"
        ).flatMap { PerScope(rawValue: $0.text) }
    }

    mutating func reservation() -> CapClause.Reservation? {
        let node = open(.reservation)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        guard let amount = amount("a number to reserve", counting: .optionalConnections),
            expect(.for, "a set"),
            let beneficiary = setExpression("a set that it is reserved for")
        else { return nil }
        return CapClause.Reservation(
            amount: amount, beneficiary: beneficiary, range: range(from: start))
    }

    mutating func limit() -> LimitClause? {
        let node = open(.limit)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        guard let rate = rate("a rate, such as `50 connections/s`") else { return nil }
        var per: PerScope?
        var burst: Amount?
        var excess: LimitClause.Excess?
        while true {
            let place = range(current)
            if at(.per) {
                guard let scope = perScope() else { return nil }
                if per != nil { errorTwice("per", place) }
                per = scope
            } else if at(.burst) {
                guard let amount = self.burst() else { return nil }
                if burst != nil { errorTwice("burst", place) }
                burst = amount
            } else if at(.then) {
                guard let action = self.excess() else { return nil }
                if excess != nil { errorTwice("then", place) }
                excess = action
            } else {
                break
            }
        }
        return LimitClause(
            rate: rate, per: per, burst: burst, excess: excess, range: range(from: start))
    }

    mutating func burst() -> Amount? {
        let node = open(.burst)
        defer { close(node) }
        take(.keyword)
        return amount("a number, the burst", counting: .optional)
    }

    mutating func excess() -> LimitClause.Excess? {
        let node = open(.excess)
        defer { close(node) }
        take(.keyword)
        return expect(
            anyOf: [.drop, .reject, .markECN], "`drop`, `reject` or `mark-ecn`"
        ).flatMap { LimitClause.Excess(rawValue: $0.text) }
    }

    // MARK: Effects

    mutating func observe() -> EffectClause? {
        let node = open(.observe)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        return EffectClause(kind: .observe, range: range(from: start))
    }

    mutating func log() -> EffectClause? {
        let node = open(.log)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        guard let text = string("the text to log, in quotes") else { return nil }
        var sampleOneIn: UInt32 = 1
        if take(.sample) {
            guard let count = sampling() else { return nil }
            sampleOneIn = count
        }
        return EffectClause(
            kind: .log(text: text, sampleOneIn: sampleOneIn), range: range(from: start))
    }

    /// `1/N`
    private mutating func sampling() -> UInt32? {
        let place = range(current)
        guard at(.word), bytes(current).starts(with: "1/".utf8) else {
            errorExpected("a share, such as `1/100`")
            return nil
        }
        take(prefix: 1, .number)
        take(prefix: 1, .punctuation)
        guard isAdjacent, at(.word), bytes(current).allSatisfy(isDigit) else {
            error(
                "bad-number", "expected a number right after `1/`", at: place,
                help: "write `1/100` to log one in a hundred")
            return nil
        }
        let digits = bytes(current)
        take(.number)
        guard let count = UInt32(String(decoding: digits, as: UTF8.self)) else {
            error(
                "number-too-large", "\(quoted(digits)) is more than \(UInt32.max)", at: place,
                help: "use a smaller number")
            return 1
        }
        if count == 0 {
            error(
                "zero-amount", "one in zero is no share", at: place,
                help: "to log nothing, remove the clause")
        }
        return max(count, 1)
    }

    mutating func priority() -> EffectClause? {
        let node = open(.priority)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        return expect(
            anyOf: [.critical, .high, .normal, .low], "`critical`, `high`, `normal` or `low`"
        ).flatMap { EffectClause.Priority(rawValue: $0.text) }.map {
            EffectClause(kind: .priority($0), range: range(from: start))
        }
    }

    mutating func mirror() -> EffectClause? {
        let node = open(.mirror)
        defer { close(node) }
        let start = current.start
        take(.keyword)
        guard expect(.to, "an address") else { return nil }
        guard at(.word), isAddressLike(bytes(current)) else {
            errorExpected("an address", help: "a mirror goes to an address, not to a name")
            return nil
        }
        let place = range(current)
        if bytes(current).contains(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "-") }) {
            error(
                "bad-address", "\(quoted(bytes(current))) is more than one address", at: place,
                help: "a mirror goes to one address")
        }
        let target = address()
        return EffectClause(kind: .mirror(target), range: range(from: start))
    }
}
