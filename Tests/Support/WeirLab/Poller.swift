// SPDX-License-Identifier: GPL-3.0-or-later
//
// One epoll instance with numbers instead of pointers, shared by servers and probes.

import CLabSystem
import Glibc

/// Watches many sockets; used by one thread.
final class Poller {
    struct Interest: OptionSet {
        let rawValue: UInt32
        static let readable = Interest(rawValue: 1)  // EPOLLIN
        static let writable = Interest(rawValue: 4)  // EPOLLOUT
        static let failed = Interest(rawValue: 8)  // EPOLLERR
    }

    struct Event {
        let tag: UInt64
        let state: Interest
    }

    private let descriptor: Int32
    private var tags = [UInt64](repeating: 0, count: 256)
    private var states = [UInt32](repeating: 0, count: 256)

    init() throws(LabFailure) {
        descriptor = try checked(epoll_create1(O_CLOEXEC), "epoll_create1")
    }

    deinit { close(descriptor) }

    /// Watches a socket until it is removed; its events carry the tag. Remove before closing:
    /// a copy of the socket in a child would keep it watched.
    func add(_ socket: Int32, _ interest: Interest, tag: UInt64) {
        let result = lab_poll_control(descriptor, EPOLL_CTL_ADD, socket, interest.rawValue, tag)
        precondition(result == 0, "epoll_ctl: errno \(errno)")
    }

    func remove(_ socket: Int32) {
        _ = lab_poll_control(descriptor, EPOLL_CTL_DEL, socket, 0, 0)
    }

    /// What happened, at most 256 at once; nothing when the time is over. -1 waits for ever.
    func wait(milliseconds: Int64) -> [Event] {
        let count = unsafe lab_poll_wait(descriptor, &tags, &states, Int32(milliseconds))
        return (0..<Int(max(0, count))).map {
            Event(tag: tags[$0], state: Interest(rawValue: states[$0]))
        }
    }
}
