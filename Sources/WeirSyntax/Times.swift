// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times, durations and hours of the day as bytes: pure functions, so that the REPL and the tests
// can use them without a parser. Each says precisely what is wrong.

/// Why something is not a time, a duration or a window.
enum TimeProblem: Error, Equatable {
    /// Not even of the right shape.
    case shape
    case missingZone
    /// "there is no month 13"
    case outOfRange(String)
    /// A duration's number without a unit.
    case missingUnit
    /// Units of a duration not in the order d, h, m, s.
    case order
    case zero
    case tooLong
}

/// Reads digits and separators off the front of some bytes.
private struct ByteReader {
    var rest: ArraySlice<UInt8>

    mutating func digits(_ count: Int) -> Int? {
        guard rest.count >= count, rest.prefix(count).allSatisfy(isDigit) else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count).reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }
}

/// Seconds since the epoch of `2026-12-01T18:00Z`, `…T18:00:30Z`, `…T18:00+02:00` (RFC 3339, the
/// seconds optional).
func timestamp(_ bytes: ArraySlice<UInt8>) throws(TimeProblem) -> Int64 {
    var reader = ByteReader(rest: bytes)
    guard let year = reader.digits(4), reader.skip("-"), let month = reader.digits(2),
        reader.skip("-"), let day = reader.digits(2), reader.skip("T"),
        let hour = reader.digits(2), reader.skip(":"), let minute = reader.digits(2)
    else { throw .shape }
    var second = 0
    if reader.skip(":") {
        guard let number = reader.digits(2) else { throw .shape }
        second = number
    }
    if reader.rest.isEmpty { throw .missingZone }
    var offset = 0
    if !reader.skip("Z") {
        let isEast = reader.skip("+")
        guard isEast || reader.skip("-"), let hours = reader.digits(2), reader.skip(":"),
            let minutes = reader.digits(2)
        else { throw .shape }
        guard hours <= 14, minutes <= 59 else {
            throw .outOfRange("there is no offset of \(hours) hours and \(minutes) minutes")
        }
        offset = (hours * 3600 + minutes * 60) * (isEast ? 1 : -1)
    }
    guard reader.rest.isEmpty else { throw .shape }
    guard (1...12).contains(month) else { throw .outOfRange("there is no month \(month)") }
    guard day >= 1, day <= daysInMonth(month, year) else {
        throw .outOfRange("month \(month) of \(year) has no day \(day)")
    }
    guard hour <= 23 else { throw .outOfRange("there is no hour \(hour)") }
    guard minute <= 59 else { throw .outOfRange("there is no minute \(minute)") }
    guard second <= 59 else { throw .outOfRange("there is no second \(second)") }
    let seconds = hour * 3600 + minute * 60 + second - offset
    return Int64(daysSinceEpoch(year, month, day)) * 86400 + Int64(seconds)
}

private func daysInMonth(_ month: Int, _ year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, by counting years from March so that
/// the leap day is the last of its year.
private func daysSinceEpoch(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let era = (year >= 0 ? year : year - 399) / 400
    let yearOfEra = year - era * 400
    let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
}

/// Longer durations are slips: nobody means a century.
let durationLimitSeconds: Int64 = 100 * 365 * 86400

/// Seconds of `60s`, `5m`, `1h`, `2d`, `1h30m`; larger units first, each once.
func durationSeconds(_ bytes: ArraySlice<UInt8>) throws(TimeProblem) -> Int64 {
    var rest = bytes
    var total: Int64 = 0
    var lastUnit = Int64.max
    guard let first = rest.first, isDigit(first) else { throw .shape }
    while !rest.isEmpty {
        let digits = rest.prefix(while: isDigit)
        rest = rest.dropFirst(digits.count)
        guard let letter = rest.first else { throw .missingUnit }
        guard !digits.isEmpty else { throw .shape }
        rest = rest.dropFirst()
        let unit: Int64
        switch letter {
        case UInt8(ascii: "s"): unit = 1
        case UInt8(ascii: "m"): unit = 60
        case UInt8(ascii: "h"): unit = 3600
        case UInt8(ascii: "d"): unit = 86400
        default: throw .shape
        }
        guard unit < lastUnit else { throw .order }
        lastUnit = unit
        guard let number = Int64(String(decoding: digits, as: UTF8.self)),
            number <= durationLimitSeconds / unit
        else { throw .tooLong }
        total += number * unit
    }
    guard total <= durationLimitSeconds else { throw .tooLong }
    guard total > 0 else { throw .zero }
    return total
}

/// Minutes of the day of `09:00-17:00`; the end may be `24:00`.
func hoursOfDay(_ bytes: ArraySlice<UInt8>) throws(TimeProblem) -> (start: Int, end: Int) {
    var reader = ByteReader(rest: bytes)
    guard let startHour = reader.digits(2), reader.skip(":"), let startMinute = reader.digits(2),
        reader.skip("-"), let endHour = reader.digits(2), reader.skip(":"),
        let endMinute = reader.digits(2), reader.rest.isEmpty
    else { throw .shape }
    for minute in [startMinute, endMinute] where minute > 59 {
        throw .outOfRange("there is no minute \(minute)")
    }
    let isMidnight = endHour == 24 && endMinute == 0
    for hour in [startHour, isMidnight ? 0 : endHour] where hour > 23 {
        throw .outOfRange("there is no hour \(hour)")
    }
    return (startHour * 60 + startMinute, endHour * 60 + endMinute)
}

/// Three-letter names, Monday first, as in `during Mon-Fri`.
let dayNames = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
