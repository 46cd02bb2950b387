// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times, durations and weekly windows in a policy, and the words for what is wrong with them.

import WeirDiagnostics

extension Parser {
    /// `2026-12-01T18:00Z`, as seconds since the epoch.
    mutating func time() -> Int64? {
        guard at(.word) else {
            errorExpected("a time, such as `2026-12-01T18:00Z`")
            return nil
        }
        let word = bytes(current)
        let place = range(current)
        do {
            let seconds = try timestamp(word)
            take(.time)
            return seconds
        } catch {
            let form = "write it like `2026-12-01T18:00Z` or `2026-12-01T18:00+02:00`"
            switch error {
            case .missingZone:
                self.error(
                    "time-without-zone", "the time \(quoted(word)) has no zone", at: place,
                    help: "add `Z` for UTC or an offset such as `+02:00`",
                    fixIts: [insertion("Z", at: place.end, "make it UTC")])
            case .outOfRange(let what):
                self.error("bad-time", what, at: place, help: form)
            default:
                self.error("bad-time", "\(quoted(word)) is not a time", at: place, help: form)
            }
        }
        take(.unexpected)
        takeStrayTimeParts()
        return 0
    }

    /// What is left of a time that was written with spaces, so that it is reported once.
    private mutating func takeStrayTimeParts() {
        while at(.word), let first = bytes(current).first,
            isDigit(first) || first == UInt8(ascii: "-")
                || ["s", "m", "h", "d"].contains(text(current))
        {
            take(.unexpected)
        }
    }

    /// `1h30m`, in seconds.
    mutating func duration(_ what: String) -> Int64? {
        guard at(.word) else {
            errorExpected(what)
            return nil
        }
        let word = bytes(current)
        let place = range(current)
        do {
            let seconds = try durationSeconds(word)
            take(.time)
            return seconds
        } catch {
            let message: String
            var help = "write it like `30s`, `5m`, `1h30m` or `2d`"
            switch error {
            case .missingUnit:
                message = "the duration \(quoted(word)) has no unit"
                help = "write `\(text(current))s`, `\(text(current))m`, …"
            case .order:
                message = "the units of \(quoted(word)) are not in order"
                help = "days, hours, minutes, seconds, each once"
            case .zero: message = "the duration is zero"
            case .tooLong: message = "the duration \(quoted(word)) is more than a hundred years"
            default: message = "\(quoted(word)) is not a duration"
            }
            guard isDigit(word.first ?? 0) else {
                errorExpected(what)
                return nil
            }
            self.error("bad-duration", message, at: place, help: help)
        }
        take(.unexpected)
        takeStrayTimeParts()
        return 1
    }

    /// `[Mon-Fri[, Sun …]] 09:00-17:00`; without days, every day.
    mutating func weeklyWindow() -> WeeklyWindow? {
        let node = open(.weeklyWindow)
        defer { close(node) }
        let what = "hours, such as `Mon-Fri 09:00-17:00`"
        var days: Set<Int> = []
        if at(.word), isLetter(bytes(current).first ?? 0) {
            repeat {
                if at(.comma) { take(.punctuation) }
                guard at(.word) else {
                    errorExpected("a day, such as `Mon`")
                    return nil
                }
                guard let range = dayRange() else { return nil }
                days.formUnion(range)
            } while at(.comma)
        } else {
            days = Set(0...6)
        }
        guard at(.word) else {
            errorExpected(what)
            return nil
        }
        let word = bytes(current)
        let place = range(current)
        do {
            let hours = try hoursOfDay(word)
            take(.time)
            return WeeklyWindow(days: days, startMinute: hours.start, endMinute: hours.end)
        } catch {
            let form = "write it like `Mon-Fri 09:00-17:00`"
            if case .outOfRange(let what) = error {
                self.error("bad-window", what, at: place, help: form)
            } else {
                self.error("bad-window", "\(quoted(word)) are no hours", at: place, help: form)
            }
        }
        take(.unexpected)
        takeStrayTimeParts()
        return WeeklyWindow(days: days, startMinute: 0, endMinute: 0)
    }

    /// `Mon` or `Fri-Mon`; a range may cross the end of the week.
    private mutating func dayRange() -> Set<Int>? {
        let parts = bytes(current).split(
            separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
        var days: [Int] = []
        for part in parts {
            let place = range(part.startIndex, part.endIndex)
            let spelt = source.text(in: place.bytes)
            guard let day = dayNames.firstIndex(of: spelt) else {
                let meant =
                    part.allSatisfy(isLetter)
                    ? dayNames.first { spelt.lowercased().hasPrefix($0.lowercased()) } : nil
                error(
                    "bad-window", "\(quoted(part)) is not a day", at: place,
                    help: meant.map { "did you mean `\($0)`?" }
                        ?? "days are \(alternatives(dayNames))",
                    fixIts: meant.map { [replacement(of: place, by: $0)] } ?? [])
                take(.unexpected)
                return meant == nil ? nil : []
            }
            days.append(day)
        }
        take(.time)
        guard days.count == 2 else { return Set(days) }
        return Set((0...((days[1] - days[0] + 7) % 7)).map { (days[0] + $0) % 7 })
    }
}
