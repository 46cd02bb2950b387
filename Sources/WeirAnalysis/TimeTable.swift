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
    private let now: Int64
    /// Ascending; the first is now.
    private(set) var instants: [Int64]
    private(set) var sets: [Bitset]
    /// All that the table was made or extended for, also what no policy has any more.
    private var keys: [TimeKey] = []
    private var ids: [TimeKey: TimeID] = [:]

    /// The part of an activation that depends on the time.
    struct TimeKey: Hashable {
        let until: Int64?
        let during: [WeeklyHours]

        /// nil for an activation that does not.
        init?(_ activation: PolicyActivation, now: Int64) {
            until = activation.until ?? activation.forSeconds.map { now + $0 }
            during = activation.during
            if until == nil, during.isEmpty { return nil }
        }

        func holds(at epochSeconds: Int64) -> Bool {
            if let until, epochSeconds >= until { return false }
            return during.isEmpty || during.contains { $0.contains(epochSeconds: epochSeconds) }
        }
    }

    init(activations: some Sequence<PolicyActivation>, now: Int64) {
        self.now = now
        instants = [now]
        sets = [Bitset.full(capacity: 1)]
        for activation in activations {
            guard let key = TimeKey(activation, now: now), ids[key] == nil else { continue }
            add(key)
        }
        refresh()
    }

    /// Whether the table can say when an activation holds.
    func knows(_ activation: PolicyActivation) -> Bool {
        TimeKey(activation, now: now).map { ids[$0] != nil } ?? true
    }

    /// Makes the table know an activation. Returns the new index of each instant: those that
    /// there were stay, the first of any set of instants stays the first, others come between.
    mutating func extend(_ activation: PolicyActivation) -> [Int] {
        guard let key = TimeKey(activation, now: now), ids[key] == nil else {
            return Array(instants.indices)
        }
        let before = instants
        add(key)
        refresh()
        return before.map { instant in instants.firstIndex(of: instant) ?? 0 }
    }

    /// The instants at which a policy is in force if it needs no enabling.
    func id(_ activation: PolicyActivation) -> TimeID {
        guard let key = TimeKey(activation, now: now) else { return 0 }
        guard let id = ids[key] else { preconditionFailure("the table was made for this") }
        return id
    }

    subscript(_ id: TimeID) -> Bitset { sets[Int(id)] }

    private mutating func add(_ key: TimeKey) {
        ids[key] = TimeID(sets.count)
        keys.append(key)
        sets.append(sets[0])
    }

    /// Finds the instants anew, and when each key holds.
    private mutating func refresh() {
        instants = Self.instants(keys, now: now)
        sets = [Bitset.full(capacity: instants.count)]
        for key in keys {
            sets.append(
                Bitset(
                    capacity: instants.count,
                    instants.indices.filter { key.holds(at: instants[$0]) }))
        }
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
        return found.sorted()
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
