// SPDX-License-Identifier: GPL-3.0-or-later
//
// One policy looked at by itself: is it shadowed, redundant, dead, masked, are its promises
// kept. The first flow that it matches answers most of this without looking any further.

import WeirModel

/// One policy under examination.
struct Examination {
    let slot: Int
    let entry: PolicyEntry
    /// All policies that meet it, once somebody asked.
    var near: [Int]?
    var facts = SlotFacts()

    var id: PolicyID { PolicyID(index: slot) }
}

extension Analyzer {
    /// Looks at a policy anew. Its `anchorOwners` must be up to date.
    mutating func examine(_ slot: Int, _ near: [Int]? = nil) {
        facts[slot] = examined(slot, near)
        if facts[slot].broad.contains(.promises) {
            sharing.insert(slot)
        } else {
            sharing.remove(slot)
        }
    }

    private func examined(_ slot: Int, _ near: [Int]?) -> SlotFacts {
        var exam = Examination(slot: slot, entry: policies.entry(slot), near: near)
        exam.facts.anchorOwners = facts[slot].anchorOwners
        guard let anchor = exam.entry.anchor, exam.entry.isLive else { return exam.facts }
        if exam.entry.decides { examineUsefulness(&exam) }
        if exam.entry.constrains {
            if let admitted = admittedPoint(&exam, anchor) { examineMasks(&exam, admitted) }
            examinePromises(&exam)
        }
        return exam.facts
    }

    /// All policies that meet the one under examination, looked for only if needed.
    private func near(_ exam: inout Examination) -> [Int] {
        if let known = exam.near { return known }
        let found = overlapping(exam.slot)
        exam.near = found
        return found
    }

    /// `shadowed-policy`, or else `redundant-policy`.
    private func examineUsefulness(_ exam: inout Examination) {
        let isPure = exam.entry.caps.isEmpty && exam.entry.limits.isEmpty && !exam.entry.hasEffects
        if let layer = defaultingLayer, layer < exam.entry.layer {
            report(
                &exam, .shadowedPolicy, defaultLayer: layer,
                fix: isPure ? .removePolicy(exam.id) : nil)
            return
        }
        guard decidesSomething(&exam, isPure) else { return }
        guard isPure, !policies.isReferredTo(exam.slot) else { return }
        let owners = exam.facts.anchorOwners.filter { policies[$0].decides }
        if makesDifference(exam.slot, among: owners) { return }
        let neighbours = near(&exam)
        switch differenceWithout(exam.slot, neighbours) {
        case .uncovered(let point): exam.facts.points.append(point)
        case .covered:
            exam.facts.broad.insert(.redundant)
            report(&exam, .redundantPolicy, fix: .removePolicy(exam.id))
        case .undecided:
            exam.facts.broad.insert(.redundant)
            report(&exam, .redundantPolicy, certainty: .undecided)
        }
    }

    /// Whether the policy decides any flow; reports it if not.
    private func decidesSomething(_ exam: inout Examination, _ isPure: Bool) -> Bool {
        let isFree = !exam.facts.anchorOwners.contains { other in
            policies[other].isSteadyDecider
                && (policies[other].layer < exam.entry.layer
                    || policies.overriders[exam.slot].contains(other))
        }
        if isFree { return true }
        let above =
            near(&exam).filter { policies[$0].layer < exam.entry.layer }
            + policies.overriders[exam.slot]
        let cells = region(exam.slot)
        switch uncovered(cells, by: above, .free(assuming: nil)) {
        case .uncovered(let point):
            exam.facts.points.append(point)
            return true
        case .covered(let owners):
            let blockers = needed(owners, toCover: cells)
            report(
                &exam, .shadowedPolicy,
                with: blockers.map { .init(handle($0), .decidesAbove) },
                fix: isPure ? .removePolicy(exam.id) : nil)
        case .undecided: report(&exam, .shadowedPolicy, certainty: .undecided)
        }
        exam.facts.broad.insert(.shadowed)
        return false
    }

    /// A flow that may be admitted.
    private struct Admitted {
        let point: Point
        /// Found by a search among all who decide near: whichever it comes upon, perhaps the
        /// policy's first flow again. Otherwise it is the first flow and admitted by those who
        /// match it, whoever else decides what.
        let isSearched: Bool
    }

    /// A flow of a policy that constrains, which may be admitted; reports it if there is none.
    private func admittedPoint(_ exam: inout Examination, _ anchor: Point) -> Admitted? {
        let enabling = Enabling.free(assuming: exam.slot)
        let owners = (exam.facts.anchorOwners + [exam.slot]).filter {
            enabling.isSteady($0, policies[$0])
        }
        let here = ruling(owners)
        if here.may(.admitted) { return Admitted(point: anchor, isSearched: false) }
        let answer = reach(
            .admitted, region(exam.slot), among: near(&exam) + [exam.slot], enabling)
        if let point = answer.result.witness {
            exam.facts.points.append(point)
            return Admitted(point: point, isSearched: true)
        }
        exam.facts.broad.insert(isAllowed(exam.slot, near(&exam)) ? .dead : .unallowed)
        if case .undecided = answer.result {
            report(&exam, .deadConstraint, certainty: .undecided)
            return nil
        }
        let constraints = constraints(exam.slot)
        report(
            &exam, .deadConstraint, parts: constraints.map(\.part),
            with: policies.inOrder(here.standing).map { .init(handle($0), .denies) },
            defaultLayer: here.defaultLayer,
            fix: constraints.count == 1 ? .removePart(exam.id, constraints[0].part) : nil)
        return nil
    }

    /// Whether anybody allows any flow of a policy, in whatever state.
    private func isAllowed(_ slot: Int, _ near: [Int]) -> Bool {
        let action = defaultingLayer.flatMap { layers[$0].defaultAction } ?? .allow
        return action == .allow || policies[slot].action == .allow
            || near.contains { policies[$0].action == .allow }
    }

    /// `masked-limit`.
    private func examineMasks(_ exam: inout Examination, _ admitted: Admitted) {
        let around =
            admitted.isSearched
            ? near(&exam).filter { contains($0, admitted.point) } : exam.facts.anchorOwners
        let suspects = policies.inOrder(around).filter { other in
            policies[other].constrains && isInForce(other, whenever: exam.slot)
                && mightMask(other, exam.slot)
        }
        let others = suspects.filter { other in
            if isCovered(region(exam.slot), by: other) { return true }
            switch admittedOutside(&exam, other) {
            case .covered:
                exam.facts.broad.insert(.numbers)
                return true
            case .uncovered(let point): exam.facts.points.append(point)
            case .undecided:
                exam.facts.broad.insert(.numbers)
                report(
                    &exam, .maskedLimit, with: [.init(handle(other), .tighter)],
                    certainty: .undecided)
            }
            return false
        }
        let all = mightMask(exam.slot, exam.slot) ? others + [exam.slot] : others
        guard !all.isEmpty else { return }
        exam.facts.broad.insert(.constraints)
        var flows: [Cell]?
        if all.contains(where: { mustCount($0, exam.slot) }) {
            exam.facts.broad.insert(.numbers)
            flows = admissible(exam.slot, near(&exam))
            guard flows != nil else {
                report(&exam, .maskedLimit, certainty: .undecided)
                return
            }
        }
        let found = maskedFindings(exam.slot, flows, all, admitted.point)
        // Which flow a search comes upon depends on all who decide near.
        if !found.isEmpty, admitted.isSearched { exam.facts.broad.insert(.numbers) }
        exam.facts.findings += found
    }

    /// A flow of the policy outside another that may be admitted.
    private func admittedOutside(_ exam: inout Examination, _ other: Int) -> CoverResult {
        let rest = space.remainder(
            of: region(exam.slot), without: policies.bricks[other])
        let answer = reach(
            .admitted, rest, among: near(&exam) + [exam.slot], .free(assuming: exam.slot))
        return answer.result
    }

    /// `broken-reservation`.
    private func examinePromises(_ exam: inout Examination) {
        guard !exam.entry.caps.isEmpty else { return }
        if exam.entry.reserves { exam.facts.broad.insert(.everyInstant) }
        for cap in exam.entry.caps.indices {
            if !exam.entry.caps[cap].reservations.isEmpty {
                let around = near(&exam)
                exam.facts.findings += [overReserved(exam.slot, cap)].compactMap { $0 }
                for index in exam.entry.caps[cap].reservations.indices
                where !exam.entry.reserved[cap][index].isEmpty {
                    let reservation = ReservationReference(
                        slot: exam.slot, cap: cap, index: index)
                    examineStarved(reservation, around, &exam.facts)
                    examineDenied(reservation, around, &exam.facts)
                }
            }
            examineShared(&exam, cap)
        }
    }

    /// Reservations of other policies within a total cap.
    private func examineShared(_ exam: inout Examination, _ cap: Int) {
        let own = exam.entry.caps[cap]
        guard own.scope == .total, !policies.reserving.isEmpty else { return }
        let around = near(&exam)
        // Accept where all of them fit, whatever may be admitted.
        let most = around.filter { policies[$0].reserves }.reduce(UInt64(0)) {
            saturatingSum($0, mostPromised($1))
        }
        let others = exam.entry.caps.indices.filter { $0 != cap }
        let inside = others.reduce(promised(exam.slot, cap).reduce(0, saturatingSum)) {
            saturatingSum($0, mostPromised(exam.slot, $1))
        }
        guard saturatingSum(most, inside) > own.connections else { return }
        exam.facts.broad.insert(.numbers)
        exam.facts.broad.insert(.promises)
        exam.facts.findings += [sharedReservations(exam.slot, cap, around)].compactMap { $0 }
    }

    /// Adds a finding about the policy with its first flow as witness.
    private func report(
        _ exam: inout Examination, _ code: FindingCode, parts: [Finding.Part] = [],
        with others: [Finding.Involved] = [],
        certainty: Finding.Certainty = .provable, defaultLayer: Int? = nil,
        fix: Finding.FixIntent? = nil
    ) {
        let subjects =
            parts.isEmpty
            ? [Finding.Involved(exam.id, .subject)] : parts.map { .init(exam.id, .subject, $0) }
        exam.facts.findings.append(
            Finding(
                code: code, certainty: certainty, policies: subjects + others,
                witness: certainty == .undecided
                    ? nil : witness(region(exam.slot), of: exam.slot, defaultLayer),
                fix: fix))
    }
}

extension Analyzer {
    /// The first flow of a region, while a policy is in force.
    func witness(_ region: [Cell], of slot: Int, _ defaultLayer: Int?) -> Finding.Witness? {
        guard let point = region.first?.firstPoint else { return nil }
        return Finding.Witness(
            flow: space.flow(point), state: state(at: point, enabling: [slot]),
            timeDependent: policies[slot].time != 0, defaultLayer: defaultLayer)
    }
}
