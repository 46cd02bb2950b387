// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a client sees of a policy: the only truth that a test against the kernel may use.

import CLabSystem
import Glibc
public import WeirModel

/// What came of one attempt to reach an address.
public enum Outcome: Hashable, Sendable {
    /// The connection stands; the datagram or ping was answered.
    case open
    /// A TCP reset, or ICMP port unreachable.
    case reset
    /// ICMP administratively prohibited.
    case prohibited
    /// Nothing came back in time.
    case dropped
    /// Anything else, by `errno`; the lab itself is wrong.
    case other(Int32)

    /// Reads an error off a socket: the ICMP message where there was one, else `errno`.
    init(errorOn descriptor: Int32, code: Int32) {
        let message = lab_take_icmp_error(descriptor)
        let (type, detail) = ((message >> 8) & 0xFF, message & 0xFF)
        switch (message >> 16, type, detail) {
        case (Int32(SO_EE_ORIGIN_ICMP), 3, 9), (Int32(SO_EE_ORIGIN_ICMP), 3, 10),
            (Int32(SO_EE_ORIGIN_ICMP), 3, 13), (Int32(SO_EE_ORIGIN_ICMP6), 1, 1),
            (Int32(SO_EE_ORIGIN_ICMP6), 1, 5), (Int32(SO_EE_ORIGIN_ICMP6), 1, 6):
            self = .prohibited
        case (Int32(SO_EE_ORIGIN_ICMP), 3, 3), (Int32(SO_EE_ORIGIN_ICMP6), 1, 4):
            self = .reset
        default:
            self = code == ECONNREFUSED || code == ECONNRESET ? .reset : .other(code)
        }
    }
}

extension Outcome: CustomStringConvertible {
    public var description: String {
        switch self {
        case .open: "open"
        case .reset: "reset"
        case .prohibited: "prohibited"
        case .dropped: "dropped"
        case .other(let code): unsafe String(cString: strerror(code))
        }
    }
}

/// One attempt: a flow, from a given source port where it matters.
public struct Probe: Hashable, Sendable {
    /// TCP, UDP or, as ICMP type 8 or ICMPv6 type 128, a ping.
    public let flow: Flow
    /// 0: any free one.
    public let sourcePort: UInt16

    public init(_ flow: Flow, sourcePort: UInt16 = 0) {
        self.flow = flow
        self.sourcePort = sourcePort
    }
}

/// How often each outcome came.
public struct OutcomeCount: Equatable, Sendable, CustomStringConvertible {
    public private(set) var counts: [Outcome: Int] = [:]

    public init(_ outcomes: some Sequence<Outcome> = []) {
        for outcome in outcomes { counts[outcome, default: 0] += 1 }
    }

    public subscript(_ outcome: Outcome) -> Int { counts[outcome] ?? 0 }
    public var total: Int { counts.values.reduce(0, +) }

    /// `12 open, 3 reset`
    public var description: String {
        counts.map { (text: "\($0.key)", count: $0.value) }.sorted { $0.text < $1.text }
            .map { "\($0.count) \($0.text)" }.joined(separator: ", ")
    }
}
