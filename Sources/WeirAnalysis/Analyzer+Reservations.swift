// SPDX-License-Identifier: GPL-3.0-or-later
//
// What `reserve` promises must be there: within its own cap, within every other cap on the same
// flows, and at all, since flows that are denied use no reservation.

import WeirDiagnostics
import WeirModel

extension Analyzer {
    /// One reservation of one cap.
    struct ReservationReference {
        let slot: Int
        let cap: Int
        let index: Int

        var part: Finding.Part { .reservation(cap: cap, index) }
    }

    /// More reserved at one counter than the cap has.
    func overReserved(_ slot: Int, _ cap: Int) -> Finding? {
        let entry = policies.entry(slot)
        let own = entry.caps[cap]
        let heaviest = promisesByCounter(slot, cap).max { a, b in
            a.sum != b.sum ? a.sum < b.sum : a.order > b.order
        }
        guard let heaviest, heaviest.sum > own.connections else { return nil }
        let numbers = Finding.Arithmetic(
            terms: heaviest.reservations.map { .init(each: own.reservations[$0].connections) },
            relation: .greater, bound: .init(scope: own.scope, each: own.connections))
        return Finding(
            code: .brokenReservation, certainty: entry.standby ? .possible : .provable,
            policies: [.init(handle(slot), .subject, .cap(cap))]
                + heaviest.reservations.map {
                    .init(handle(slot), .reserves, .reservation(cap: cap, $0))
                },
            witness: Finding.Witness(
                flow: space.flow(heaviest.point),
                state: state(at: heaviest.point, enabling: [slot]),
                timeDependent: entry.time != 0, arithmetic: numbers))
    }

    /// The reservations that share a counter, and a point of the first of them.
    private struct Promises {
        let reservations: [Int]
        let sum: UInt64
        let point: Point
        /// Among counters with the same sum the first is told.
        let order: Int
    }

    /// For every class of counters of a cap, the reservations that have flows there.
    private func promisesByCounter(_ slot: Int, _ cap: Int) -> [Promises] {
        let entry = policies.entry(slot)
        let scope = entry.caps[cap].scope
        let reserved = entry.reserved[cap]
        var found: [Promises] = []
        var known: Set<[Int]> = []
        func add(_ bricks: [(Int, [Cell])]) {
            let indices = bricks.map(\.0)
            guard let point = bricks.first?.1.first?.firstPoint, known.insert(indices).inserted
            else { return }
            let sum = indices.reduce(0) {
                saturatingSum($0, entry.caps[cap].reservations[$1].connections)
            }
            found.append(
                Promises(reservations: indices, sum: sum, point: point, order: found.count))
        }
        let cells = reserved.map { $0.map(space.cell) }
        guard scope != .total else {
            add(cells.enumerated().filter { !$1.isEmpty }.map { ($0, $1) })
            return found
        }
        let bySource = scope != .destination
        for family in AddressFamily.allCases {
            let own = cells.map { $0.filter { $0.family == family } }
            var keys = Bitset(capacity: space.table.classes.count)
            for cell in own.joined() { keys.formUnion(bySource ? cell.source : cell.destination) }
            for key in keys {
                add(
                    own.enumerated().compactMap { index, cells in
                        let here = cells.compactMap { restrict($0, to: key, bySource: bySource) }
                        return here.isEmpty ? nil : (index, here)
                    })
            }
        }
        return found
    }

    private func restrict(_ cell: Cell, to key: Int, bySource: Bool) -> Cell? {
        guard (bySource ? cell.source : cell.destination).contains(key) else { return nil }
        var result = cell
        let only = Bitset(capacity: space.table.classes.count, [key])
        if bySource { result.source = only } else { result.destination = only }
        return result
    }

    /// Reports a reservation that other caps leave no room for. A flow of it that may be admitted
    /// and that no other cap covers shows that there is room.
    func examineStarved(
        _ reservation: ReservationReference, _ near: [Int], _ facts: inout SlotFacts
    ) {
        let (slot, cap) = (reservation.slot, reservation.cap)
        let entry = policies.entry(slot)
        let cells = entry.reserved[cap][reservation.index].map(space.cell)
        let answer = reach(.admitted, cells, among: near + [slot], .free(assuming: slot))
        switch answer.result {
        case .covered:
            facts.broad.insert(.dead)
            return
        case .undecided: break
        case .uncovered(let point):
            let isCapped =
                entry.caps.count > 1
                || near.contains { policies[$0].constrains && matches($0, point) }
            if !isCapped {
                facts.points.append(point)
                return
            }
        }
        facts.broad.insert(.numbers)
        facts.findings += [starved(reservation, near)].compactMap { $0 }
    }

    /// Whether a policy has caps and matches a flow, in force or not.
    private func matches(_ slot: Int, _ point: Point) -> Bool {
        !policies.entry(slot).caps.isEmpty
            && policies.bricks[slot].contains { brick in
                brick.low <= point.port && point.port <= brick.high
                    && space.table[brick.source].contains(point.source)
                    && space.table[brick.destination].contains(point.destination)
            }
    }

    private func starved(_ reservation: ReservationReference, _ near: [Int]) -> Finding? {
        let (slot, cap) = (reservation.slot, reservation.cap)
        let own = policies.entry(slot).caps[cap]
        let subject = Finding.Involved(handle(slot), .subject, reservation.part)
        guard let cells = promisedFlows(slot, cap, reservation.index, near) else {
            return Finding(
                code: .brokenReservation, severity: .warning, certainty: .undecided,
                policies: [subject])
        }
        guard !cells.isEmpty else { return nil }
        let promise = Finding.Arithmetic.Term(
            counters: Pairing(cells, census).counters(own.scope), scope: own.scope,
            each: own.reservations[reservation.index].connections)
        guard
            let tight = tightest(
                cells, near + [slot], below: promise.product, assuming: slot,
                except: ConstraintReference(slot: slot, part: .cap(cap)))
        else { return nil }
        guard let family = tight.family else {
            return Finding(
                code: .brokenReservation, severity: .warning, certainty: .undecided,
                policies: [subject])
        }
        let enabled = [slot] + family.map(\.slot)
        let needsOthers = enabled.contains { $0 != slot && policies[$0].standby }
        return Finding(
            code: .brokenReservation, severity: needsOthers ? .warning : nil,
            certainty: enabled.contains { policies[$0].standby } ? .possible : .provable,
            policies: [subject] + family.map { .init(handle($0.slot), .tighter, $0.part) },
            witness: Finding.Witness(
                flow: space.flow(tight.point), state: state(at: tight.point, enabling: enabled),
                timeDependent: tight.point.instant != 0
                    || enabled.contains { policies[$0].time != 0 },
                arithmetic: Finding.Arithmetic(
                    terms: family.map(\.term), relation: .less, bound: promise)))
    }

    /// The flows of a reservation that may be admitted while its policy is in force, at all times
    /// of that policy.
    func promisedFlows(_ slot: Int, _ cap: Int, _ index: Int, _ near: [Int]) -> [Cell]? {
        admissible(
            policies.entry(slot).reserved[cap][index].map(space.cell), among: near + [slot],
            .free(assuming: slot)
        )?.map { cell in
            var cell = cell
            cell.time = space.times[policies[slot].time]
            return cell
        }
    }

    /// The lightest family of caps that, at some instant, holds a region to less than `limit`.
    struct Tight {
        /// nil where the search was cut off.
        let family: [CoveringCap]?
        let point: Point
    }

    /// A family that needs no enabling (but of the assumed policy) is preferred to a tighter one
    /// that does.
    func tightest(
        _ region: [Cell], _ slots: [Int], below limit: UInt64, assuming assumed: Int? = nil,
        except own: ConstraintReference?
    ) -> Tight? {
        let caps = coveringCaps(region, slots, except: own)
        let steady = caps.filter { !policies[$0.slot].standby || $0.slot == assumed }
        let best = tightest(region, steady, below: limit)
        if best?.family != nil || steady.count == caps.count { return best }
        return tightest(region, caps, below: limit) ?? best
    }

    private func tightest(
        _ region: [Cell], _ caps: [CoveringCap], below limit: UInt64
    ) -> Tight? {
        guard !caps.isEmpty else { return nil }
        var best: (family: [CoveringCap], weight: UInt64, point: Point)?
        var undecided: Point?
        for instant in instants(telling: caps.map(\.slot), among: region) {
            let now = region.map { $0.at(instant) }
            guard let point = now.first?.firstPoint else { continue }
            let cover = LeastCover(
                space, now, caps, below: best?.weight ?? limit, budget: options.searchBudget)
            if let family = cover.family {
                let weight = family.reduce(0) { saturatingSum($0, $1.weight) }
                best = (family, weight, point)
            } else if cover.isUndecided {
                undecided = undecided ?? point
            }
        }
        if let best { return Tight(family: best.family, point: best.point) }
        return undecided.map { Tight(family: nil, point: $0) }
    }

    /// The caps that meet a region, with what each admits of it.
    func coveringCaps(
        _ region: [Cell], _ slots: [Int], except own: ConstraintReference?
    ) -> [CoveringCap] {
        policies.inOrder(slots).flatMap { slot -> [CoveringCap] in
            let entry = policies.entry(slot)
            guard entry.isLive, !entry.caps.isEmpty, space.meets(region, entry.bricks) else {
                return []
            }
            let shared = region.flatMap { cell in
                entry.bricks.compactMap { space.intersection(cell, $0) }
            }
            let pairing = Pairing(shared, census)
            return entry.caps.indices
                .filter { ConstraintReference(slot: slot, part: .cap($0)) != own }
                .map { index in
                    CoveringCap(
                        slot: slot, part: .cap(index), bricks: entry.bricks,
                        term: .init(
                            counters: pairing.counters(entry.caps[index].scope),
                            scope: entry.caps[index].scope,
                            each: available(slot, index, to: region)))
                }
        }
    }

    /// One instant of a region for each set of policies that are in force together then.
    func instants(telling slots: [Int], among region: [Cell]) -> [Int] {
        guard var time = region.first?.time else { return [] }
        for cell in region { time.formUnion(cell.time) }
        let sets = Set(slots.map { policies[$0].time }).sorted().filter { $0 != 0 }
        var known: Set<[Bool]> = []
        return time.filter { instant in
            known.insert(sets.map { space.times[$0].contains(instant) }).inserted
        }
    }
}
