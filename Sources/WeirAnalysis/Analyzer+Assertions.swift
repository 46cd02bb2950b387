// SPDX-License-Identifier: GPL-3.0-or-later
//
// What must hold of all flows of a kind in every state that can be reached: assertions, and the
// connections that nobody may cut.

import WeirDiagnostics
import WeirModel

extension Analyzer {
    /// What an assertion matches, and how it fails.
    mutating func assertionFact(_ index: Int) -> AssertionFact {
        var fact = AssertionFact()
        for (number, interaction) in assertions[index].interactions.enumerated() {
            let own = space.bricks(interaction, time: 0, owner: -1)
            fact.bricks += own
            guard own.isEmpty else { continue }
            fact.emptiness.append(
                Finding(
                    code: .emptySet, policies: [], subject: .assertion(index, interaction: number))
            )
        }
        space.register(fact.bricks)
        fact.failures = failures(index, fact.bricks)
        return fact
    }

    /// `assertion-failed`.
    func failures(_ index: Int, _ bricks: [Brick]) -> [Finding] {
        guard !bricks.isEmpty else { return [] }
        let near = policies.distinct(self.bricks.owners(meeting: bricks, space))
        let region = bricks.map(space.cell)
        let subject = Finding.Subject.assertion(index, interaction: nil)
        let outcome = forbidden(assertions[index])
        let answer = reach(outcome, region, among: near, .free(assuming: nil))
        let failure = finding(.assertionFailed, subject, answer, outcome, near)
        return [failure].compactMap { $0 }
            + starved(assertions[index], region, near, subject)
    }

    /// What must not happen to a flow of an assertion.
    func forbidden(_ assertion: Assertion) -> Outcome {
        assertion.modality == .never ? .admitted : .denied
    }

    /// The finding that a flow can have an outcome that it must not.
    private func finding(
        _ code: FindingCode, _ subject: Finding.Subject, _ answer: Reachability,
        _ outcome: Outcome, _ near: [Int], flow: Flow? = nil
    ) -> Finding? {
        if case .covered = answer.result { return nil }
        guard let point = answer.result.witness else {
            return Finding(
                code: code, severity: .warning, certainty: .undecided, policies: [],
                subject: subject)
        }
        let deciders = answer.decider.map { [$0] } ?? []
        let role: Finding.Role = outcome == .admitted ? .allows : .denies
        let ended = ended(at: point, near, against: outcome)
        return Finding(
            code: code, certainty: certainty(answer.result, enabling: deciders),
            policies: deciders.map { .init(handle($0), role) }
                + ended.map { .init(handle($0), .ended) },
            subject: subject,
            witness: Finding.Witness(
                flow: flow ?? space.flow(point), state: state(at: point, enabling: deciders),
                timeDependent: point.instant != 0 || deciders.contains { policies[$0].time != 0 },
                defaultLayer: answer.decider == nil ? answer.defaultLayer : nil))
    }

    /// Policies with the other outcome that matched the flow before, and are over by the time.
    private func ended(at point: Point, _ near: [Int], against outcome: Outcome) -> [Int] {
        guard point.instant != 0 else { return [] }
        let instant = space.times.instants[point.instant]
        return near.filter { slot in
            let entry = policies[slot]
            guard let action = entry.action, !outcome.includes(action), !entry.standby,
                let until = entry.until, until <= instant
            else { return false }
            return policies.bricks[slot].contains { brick in
                space.times[brick.time].contains { earlier in
                    space.contains(
                        brick,
                        Point(
                            source: point.source, destination: point.destination,
                            port: point.port, instant: earlier))
                }
            }
        }
    }

    /// `always … with N connections` where caps leave fewer.
    private func starved(
        _ assertion: Assertion, _ region: [Cell], _ near: [Int], _ subject: Finding.Subject
    ) -> [Finding] {
        guard assertion.modality == .always, let wanted = assertion.connections,
            let tight = tightest(region, near, below: wanted, except: nil)
        else { return [] }
        guard let family = tight.family else {
            return [
                Finding(
                    code: .assertionFailed, severity: .warning, certainty: .undecided,
                    policies: [], subject: subject)
            ]
        }
        let slots = family.map(\.slot)
        return [
            Finding(
                code: .assertionFailed,
                certainty: slots.contains { policies[$0].standby } ? .possible : .provable,
                policies: family.map { .init(handle($0.slot), .tighter, $0.part) },
                subject: subject,
                witness: Finding.Witness(
                    flow: space.flow(tight.point), state: state(at: tight.point, enabling: slots),
                    timeDependent: tight.point.instant != 0
                        || slots.contains { policies[$0].time != 0 },
                    arithmetic: Finding.Arithmetic(
                        terms: family.map(\.term), relation: .less, bound: .init(each: wanted))))
        ]
    }

    /// `lockout` of a protected channel.
    func lockout(_ index: Int) -> Finding? {
        let flow = options.channels[index].flow
        let point = space.point(flow, instant: 0)
        let count = space.table.classes.count
        let cell = Cell(
            source: Bitset(capacity: count, [point.source]),
            destination: Bitset(capacity: count, [point.destination]), low: point.port,
            high: point.port, time: space.times[0])
        let near = policies.order.filter { slot in
            policies[slot].isLive
                && policies.bricks[slot].contains { space.intersects(cell, $0) }
        }
        let answer = reach(.denied, [cell], among: near, .free(assuming: nil))
        return finding(.lockout, .channel(index), answer, .denied, near, flow: flow)
    }
}
