// SPDX-License-Identifier: GPL-3.0-or-later
//
// Connections that stand, to fill a cap or to see whether a commit lets them live.

import CLabSystem
import Glibc
import Synchronization

/// TCP connections to an `EchoServer`, open until closed here or by the last reference.
public final class HeldConnections: Sendable {
    /// What came of each attempt, in order.
    public let outcomes: [Outcome]
    private let descriptors: Mutex<[Int32]>

    init(outcomes: [Outcome], open: [(index: Int, descriptor: Int32)]) {
        self.outcomes = outcomes
        descriptors = Mutex(open.map(\.descriptor))
    }

    deinit { close() }

    /// How many attempts stand.
    public var count: Int { descriptors.withLock(\.count) }

    /// Closes the last `limit` of them, all without one, each with a reset. The kernel sees the
    /// free place with its next clock tick (`clockTick`).
    public func close(_ limit: Int = .max) {
        let closing = descriptors.withLock { open in
            let closing = open.suffix(limit)
            open.removeLast(closing.count)
            return closing
        }
        for descriptor in closing { closeAbruptly(descriptor) }
    }

    /// Sends a byte over each that stands and waits for its echo: `open` where it came back,
    /// `reset` where the connection was ended, `dropped` where nothing came.
    public func exchange(timeoutMilliseconds: Int = 300) throws(LabFailure) -> [Outcome] {
        let open = descriptors.withLock { $0 }
        let poller = try Poller()
        var outcomes = [Outcome?](repeating: nil, count: open.count)
        for (index, descriptor) in open.enumerated() {
            var byte: UInt8 = 0x2E
            guard unsafe send(descriptor, &byte, 1, noSignal) == 1 else {
                outcomes[index] = Outcome(errorOn: descriptor, code: ECONNRESET)
                continue
            }
            poller.add(descriptor, .readable, tag: UInt64(index))
        }
        let end = monotonicMilliseconds() + Int64(timeoutMilliseconds)
        while outcomes.contains(nil) {
            let wait = max(0, end - monotonicMilliseconds())
            let events = poller.wait(milliseconds: wait)
            guard !events.isEmpty else { break }
            for event in events {
                let index = Int(event.tag)
                var bytes = [UInt8](repeating: 0, count: 256)
                let received = unsafe recv(open[index], &bytes, bytes.count, 0)
                poller.remove(open[index])
                outcomes[index] =
                    received > 0 ? .open : received == 0 ? .reset : .init(code: errno)
            }
        }
        return outcomes.map { $0 ?? .dropped }
    }
}

extension Outcome {
    /// Of an established connection.
    fileprivate init(code: Int32) {
        self = code == ECONNRESET || code == EPIPE ? .reset : .other(code)
    }
}

/// Waits until the kernel's connection counts have seen what was closed: they look again at the
/// next clock tick (4 ms at HZ 250), so a test that closes and opens at once would be refused early.
public func waitForClockTick() {
    usleep(20_000)
}
