// SPDX-License-Identifier: GPL-3.0-or-later
//
// Time as a finite dimension. Between two instants at which some policy's `until` or `during`
// starts or ends nothing changes, so a few representative instants stand for all of time, and
// "when is this policy in force" becomes a bitset over them.

import WeirModel

/// A set of instants in a ``TimeTable``; 0 is all of them.
typealias TimeID = Int32

/// The instants from now on that can be told apart.
struct TimeTable {
    /// Ascending; the first is now.
    private(set) var instants: [Int64]
    private(set) var sets: [Bitset]
    private var ids: [TimeKey: TimeID] = [:]
    private var bySet: [Bitset: TimeID]

    /// The part of an activation that depends on the time.
    struct TimeKey: Hashable {
        let until: Int64?
        let during: [WeeklyHours]

        init(_ activation: PolicyActivation, now: Int64) {
            until = activation.until ?? activation.forSeconds.map { now + $0 }
            during = activation.during
        }

        func holds(at epochSeconds: Int64) -> Bool {
            if let until, epochSeconds >= until { return false }
            return during.isEmpty || during.contains { $0.contains(epochSeconds: epochSeconds) }
        }
    }

    init(activations: some Sequence<PolicyActivation>, now: Int64) {
        var keys: [TimeKey] = []
        var seen: Set<TimeKey> = []
        for activation in activations
        where activation.until != nil || activation.forSeconds != nil
            || !activation.during.isEmpty
        {
            let key = TimeKey(activation, now: now)
            if seen.insert(key).inserted { keys.append(key) }
        }
        instants = Self.instants(keys, now: now)
        let full = Bitset.full(capacity: instants.count)
        sets = [full]
        bySet = [full: 0]
        for key in keys { _ = id(key) }
    }

    /// The instants at which a policy is in force if it needs no enabling; nil if the table
    /// cannot express them, being made without this activation.
    func id(_ activation: PolicyActivation, now: Int64) -> TimeID? {
        if activation.until == nil, activation.forSeconds == nil, activation.during.isEmpty {
            return 0
        }
        return ids[TimeKey(activation, now: now)]
    }

    subscript(_ id: TimeID) -> Bitset { sets[Int(id)] }

    private mutating func id(_ key: TimeKey) -> TimeID {
        let members = instants.indices.filter { key.holds(at: instants[$0]) }
        let set = Bitset(capacity: instants.count, members)
        let id = bySet[set] ?? TimeID(sets.count)
        if Int(id) == sets.count {
            sets.append(set)
            bySet[set] = id
        }
        ids[key] = id
        return id
    }

    private static let week: Int64 = 7 * 86_400

    /// One instant for each set of keys that hold together at some time from now on.
    private static func instants(_ keys: [TimeKey], now: Int64) -> [Int64] {
        let ends = Set(keys.compactMap(\.until).filter { $0 > now }).sorted()
        let cuts = Set(keys.flatMap(\.during).flatMap(weeklyCuts)).sorted()
        var found: [Int64] = []
        var known: Set<Bitset> = []
        func consider(_ instant: Int64) {
            let holding = keys.indices.filter { keys[$0].holds(at: instant) }
            if known.insert(Bitset(capacity: keys.count, holding)).inserted {
                found.append(instant)
            }
        }
        for (index, start) in ([now] + ends).enumerated() {
            let end = index < ends.count ? ends[index] : Int64.max
            consider(start)
            for instant in cuts.map({ next($0, after: start) }).sorted() where instant < end {
                consider(instant)
            }
        }
        return found
    }

    /// Minutes since Monday 00:00 at which a window opens or closes.
    private static func weeklyCuts(_ hours: WeeklyHours) -> [Int64] {
        hours.days.flatMap { day -> [Int64] in
            let nextDay = hours.startMinute < hours.endMinute ? 0 : 1
            return [
                Int64(day * 1_440 + hours.startMinute) % 10_080,
                Int64((day + nextDay) * 1_440 + hours.endMinute) % 10_080,
            ]
        }
    }

    /// The first instant after `start` at a minute of the week. 1970-01-01 was a Thursday.
    private static func next(_ minuteOfWeek: Int64, after start: Int64) -> Int64 {
        let monday = start - ((start + 3 * 86_400) % week + week) % week
        let instant = monday + minuteOfWeek * 60
        return instant > start ? instant : instant + week
    }
}
