// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar of `when`: a signal of a policy, what it is compared with, and what is enabled.

import WeirDiagnostics

extension Parser {
    mutating func trigger() -> TriggerDeclaration? {
        let node = open(.trigger)
        defer { close(node) }
        let start = current.start
        let errorsBefore = errorCount
        take(.keyword)
        let what = "a policy's signal, as `policy.connections`"
        let signalStart = current.start
        guard let names = dottedNames(what) else { return nil }
        let signalPlace = range(from: signalStart)
        guard names.count == 2 || names.count == 3 else {
            if names.count == 1 {
                error(
                    "bad-reference", "\(quoted(names[0].text)) names no signal", at: signalPlace,
                    help: "write `POLICY.connections`, `.rate`, `.bytes`, `.packets` or `.rejected`"
                )
            } else {
                errorTooManyDots(
                    signalPlace, "a signal is `policy.signal` or `layer.policy.signal`")
            }
            return nil
        }
        let policyName = names[names.count - 2]
        let policy = PolicyReference(
            layer: names.count == 3 ? names[0] : nil, policy: policyName,
            range: range(signalStart, policyName.range.end))
        guard at(.comparison) else {
            errorExpected("`>`, `>=`, `<` or `<=`")
            return nil
        }
        let comparison = TriggerDeclaration.Comparison(rawValue: text(current)) ?? .greater
        take(.punctuation)
        guard let threshold = threshold(),
            expect(.for, "how long it must hold"),
            let hold = duration("a duration, such as `10s`"),
            expect(.enable, "a policy"), let enables = policyReference(),
            expect(.for, "how long it is enabled"),
            let enableSeconds = duration("a duration, such as `5m`"),
            errorCount == errorsBefore
        else { return nil }
        return TriggerDeclaration(
            policy: policy, signal: names[names.count - 1], comparison: comparison,
            threshold: threshold, holdSeconds: hold, enables: enables,
            enableSeconds: enableSeconds, range: range(from: start))
    }

    /// `90%` of the policy's own cap or limit, an amount or a rate.
    mutating func threshold() -> TriggerDeclaration.Threshold? {
        let node = open(.threshold)
        defer { close(node) }
        if at(.word) {
            let word = bytes(current)
            let digits = word.prefix(while: isDigit)
            let next = lookahead
            let isPercent =
                digits.count == word.count
                ? next.map { bytes($0).elementsEqual("%".utf8) } ?? false
                : word.dropFirst(digits.count).first == UInt8(ascii: "%") && next?.keyword != .of
            if !digits.isEmpty, isPercent {
                guard let number = number(.anythingOrZero), percentSign() else { return nil }
                return .percent(number)
            }
        }
        let what = "a number, such as `90%` or `50 connections/s`"
        return quantity(what, counting: .anythingOrZero).map { quantity in
            switch quantity {
            case .amount(let amount): .amount(amount)
            case .rate(let rate): .rate(rate)
            }
        }
    }
}
