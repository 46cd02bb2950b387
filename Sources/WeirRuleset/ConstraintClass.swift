// SPDX-License-Identifier: GPL-3.0-or-later
//
// The ways in which the kernel counts and what it does with what is too much. A constraint's class
// is the range that its number lies in, so the program needs a few rules for each class and none
// for a constraint.

import WeirModel

/// What is counted, and what happens over the limit.
enum ConstraintClass: String, CaseIterable, Comparable {
    /// New connections, by a token bucket.
    case limitReject, limitDrop, limitCount
    /// Connections at once.
    case capReject, capCount
    /// Every packet of both directions, by packets or bytes.
    case meterReject, meterDrop, meterMark, meterCount

    var range: ClosedRange<UInt32> {
        switch self {
        case .meterReject: 0x5000_0000...0x53FF_FFFF
        case .meterDrop: 0x5400_0000...0x57FF_FFFF
        case .meterMark: 0x5800_0000...0x5BFF_FFFF
        case .meterCount: 0x5C00_0000...0x5FFF_FFFF
        case .limitReject: 0x6000_0000...0x67FF_FFFF
        case .limitDrop: 0x6800_0000...0x6BFF_FFFF
        case .limitCount: 0x6C00_0000...0x6FFF_FFFF
        case .capReject: 0x7000_0000...0x7BFF_FFFF
        case .capCount: 0x7C00_0000...0x7FFF_FFFF
        }
    }

    var isCap: Bool { self == .capReject || self == .capCount }

    var isMeter: Bool {
        switch self {
        case .meterReject, .meterDrop, .meterMark, .meterCount: true
        default: false
        }
    }

    /// Where a number of this class is asked; packets of the reply direction have their own.
    func chain(_ direction: ConnectionDirection) -> String {
        "ask_\(rawValue)" + (direction == .reply ? "_reply" : "")
    }

    /// What is done with what is too much.
    var excessChain: String { "over_\(rawValue)" }

    /// The map that leads to the counter of what was too much.
    var counterMap: String {
        switch self {
        case .limitReject, .limitDrop: ProgramName.refusedByLimit
        case .capReject: ProgramName.refusedByCap
        case .meterReject, .meterDrop, .meterMark: ProgramName.refusedByMeter
        case .limitCount, .capCount, .meterCount: ProgramName.wouldRefuse
        }
    }

    static func < (a: ConstraintClass, b: ConstraintClass) -> Bool {
        a.range.lowerBound < b.range.lowerBound
    }
}
