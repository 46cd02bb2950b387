// SPDX-License-Identifier: GPL-3.0-or-later
//
// Fixes that change a number. There are always two ends to change one of, so none is automatic.

import WeirAnalysis
import WeirDiagnostics
import WeirModel
import WeirSyntax

extension FindingFixes {
    /// Raises the cap that is too small, or lowers what is reserved; lets flows through that are
    /// denied.
    func reservation(_ finding: Finding) -> [FixIt] {
        guard let subject = finding.policies.first else { return [] }
        guard let numbers = finding.witness?.arithmetic else {
            return [passage(finding, subject)].compactMap { $0 }
        }
        let reserves = finding.policies.filter { $0.role == .reserves }
        if case .cap(let cap)? = subject.part, !reserves.isEmpty {
            return overReserved(subject.policy, cap, reserves, numbers)
        }
        guard case .reservation(let cap, let index)? = subject.part,
            numbers.bound.counters > 0
        else { return [] }
        let tighter = finding.policies.filter { $0.role == .tighter }
        let wanted = numbers.bound.product
        guard wanted > numbers.total, wanted != .max else { return [] }
        var fixes: [FixIt?] = []
        if tighter.count == 1, case .cap(let other)? = tighter[0].part,
            let counters = numbers.terms.first?.counters, counters > 0,
            // Another cap of the same policy would be as tight.
            policySet[tighter[0].policy].caps.enumerated().allSatisfy({
                $0 == other || $1.connections >= wanted
            })
        {
            let missing = (wanted - numbers.total + counters - 1) / counters
            let now = policySet[tighter[0].policy].caps[other].connections
            fixes.append(setCap(tighter[0].policy, other, to: saturating(now, missing)))
        }
        fixes.append(
            setReservation(
                subject.policy, cap, index, to: numbers.total / numbers.bound.counters))
        return fixes.compactMap { $0 }
    }

    private func overReserved(
        _ policy: PolicyID, _ cap: Int, _ reserves: [Finding.Involved],
        _ numbers: Finding.Arithmetic
    ) -> [FixIt] {
        guard numbers.total != .max, numbers.total > numbers.bound.product else { return [] }
        let excess = numbers.total - numbers.bound.product
        var fixes = [setCap(policy, cap, to: numbers.total)]
        for (involved, term) in zip(reserves, numbers.terms) {
            guard case .reservation(let cap, let index)? = involved.part, term.counters > 0,
                term.product > excess
            else { continue }
            fixes.append(
                setReservation(
                    involved.policy, cap, index, to: (term.product - excess) / term.counters))
        }
        return fixes.compactMap { $0 }
    }

    /// Lowers one of the caps or limits until their sum fits.
    func capacity(_ finding: Finding) -> [FixIt] {
        guard let numbers = finding.witness?.arithmetic, numbers.total != .max else { return [] }
        // A sum per hour is compared with a capacity per second, say.
        let scale: UInt64 =
            if let own = numbers.terms.first?.perSeconds, let other = numbers.bound.perSeconds,
                other > 0
            { max(1, own / other) } else { 1 }
        guard numbers.terms.allSatisfy({ $0.perSeconds == numbers.terms.first?.perSeconds }),
            numbers.total > numbers.bound.product * scale
        else { return [] }
        let excess = numbers.total - numbers.bound.product * scale
        let admits = finding.policies.filter { $0.role == .admits }
        guard admits.count == numbers.terms.count else { return [] }
        return zip(admits, numbers.terms).compactMap { involved, term in
            guard term.product > excess, term.counters > 0 else { return nil }
            let less = (excess + term.counters - 1) / term.counters
            switch involved.part {
            case .cap(let index):
                let now = policySet[involved.policy].caps[index].connections
                return now > less ? setCap(involved.policy, index, to: now - less) : nil
            case .limit(let index):
                let rate = policySet[involved.policy].limits[index].rate
                guard rate.intervalSeconds == term.perSeconds, rate.amount > less else {
                    return nil
                }
                return setLimit(involved.policy, index, to: rate.amount - less)
            default: return nil
            }
        }
    }

    // MARK: Numbers

    private func saturating(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : sum
    }

    private func clause(_ id: PolicyID, cap index: Int) -> (PolicyPlace, CapClause)? {
        guard let place = place(id) else { return nil }
        for case .cap(let clause) in place.clauses
        where clause.range == policySet[id].caps[index].origin {
            return (place, clause)
        }
        return nil
    }

    private func setCap(_ id: PolicyID, _ index: Int, to value: UInt64) -> FixIt? {
        guard let (place, clause) = clause(id, cap: index) else { return nil }
        let now = policySet[id].caps[index].connections
        return set(clause.amount, from: now, to: value, "the cap of `\(name(id))`", place)
    }

    private func setReservation(
        _ id: PolicyID, _ cap: Int, _ index: Int, to value: UInt64
    ) -> FixIt? {
        guard let (place, clause) = clause(id, cap: cap) else { return nil }
        let reservation = policySet[id].caps[cap].reservations[index]
        guard let own = clause.reservations.first(where: { $0.range == reservation.origin }) else {
            return nil
        }
        let text = quoted(place.source.text(in: own.range.bytes))
        return set(
            own.amount, from: reservation.connections, to: value, "\(text) of `\(name(id))`", place)
    }

    private func setLimit(_ id: PolicyID, _ index: Int, to value: UInt64) -> FixIt? {
        guard let place = place(id) else { return nil }
        for case .limit(let clause) in place.clauses
        where clause.range == policySet[id].limits[index].origin {
            let now = policySet[id].limits[index].rate.amount
            return set(
                clause.rate.amount, from: now, to: value, "the limit of `\(name(id))`", place)
        }
        return nil
    }

    /// Writes another number where an amount is one, or so much per endpoint.
    private func set(
        _ amount: Amount, from now: UInt64, to value: UInt64, _ what: String, _ place: PolicyPlace
    ) -> FixIt? {
        let written: UInt64
        switch amount.value {
        case .fixed(let number), .perEndpoint(let number, _): written = number
        default: return nil
        }
        let bytes = place.source.bytes[amount.range.bytes]
        let digits = bytes.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard written > 0, now % written == 0, now > 0,
            UInt64(String(decoding: digits, as: UTF8.self)) == written
        else { return nil }
        let each = now / written
        let isMore = value > now
        let number = isMore ? (value - 1) / each + 1 : value / each
        guard number > 0, number != written, number < 1 << 32 else { return nil }
        let text = place.source.text(in: amount.range.bytes)
        return FixIt(
            message: "\(isMore ? "raise" : "lower") \(what) to "
                + quoted("\(number)" + text.dropFirst(digits.count)),
            edits: [
                place.joined([
                    place.replacing(
                        amount.range.start..<amount.range.start + digits.count,
                        with: "\(number)")
                ])
            ])
    }

    // MARK: Flows that are denied

    /// A policy beside the one that denies the flows of a reservation, which lets these through.
    private func passage(_ finding: Finding, _ subject: Finding.Involved) -> FixIt? {
        let id = subject.policy
        let deniers = finding.policies.filter { $0.role == .denies }.map(\.policy)
        guard case .reservation(let cap, let index)? = subject.part, let denier = deniers.first,
            Set(deniers.map { policySet[$0].layer }).count == 1,
            let place = place(id), let (_, clause) = clause(id, cap: cap),
            let own = clause.reservations.first(where: {
                $0.range == policySet[id].caps[cap].reservations[index].origin
            }), let block = self.place(denier)
        else { return nil }
        let source = { (range: SourceRange) in place.source.text(in: range.bytes) }
        let beneficiary = source(own.beneficiary.range)
        let flows = place.clauses.compactMap { clause -> String? in
            guard case .interaction(let item) = clause, item.direction == .fromTo else {
                return nil
            }
            let isAny = source(item.source.range) == "any"
            let from = isAny ? beneficiary : "(\(source(item.source.range))) and (\(beneficiary))"
            let rest = source(
                SourceRange(
                    source: item.range.source, start: item.source.range.end, end: item.range.end))
            return "from \(from)\(rest)"
        }
        let isWhole = flows.count == policySet[id].interactions.count
        let layer = policySet.layers[policySet[denier].layer].name
        let new = "\(policySet[id].name)-passage"
        guard isWhole, !flows.isEmpty, !flows.contains(where: { $0.contains("\n") }),
            !policySet.policies.contains(where: { $0.name == new })
        else { return nil }
        let references = deniers.map { spelling(of: policySet[$0].name) }
        let lines =
            ["policy \(spelling(of: new)) {"] + flows.map { "    \($0)" }
            + ["    allow overriding \(references.joined(separator: ", "))", "}"]
        return FixIt(
            message: "let \(quoted(beneficiary)) through, past "
                + deniers.map { quoted(name($0)) }.joined(separator: " and "),
            edits: [
                SyntaxEdits(block.file).adding(
                    policy: lines.joined(separator: "\n"), toLayer: layer)
            ])
    }
}
