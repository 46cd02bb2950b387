// SPDX-License-Identifier: GPL-3.0-or-later
//
// Traffic beside a test. It has a thread of its own: the few that Swift's tasks share are blocked
// by other tests, and a storm that does not blow proves nothing.

import Glibc
import Synchronization

/// Work on a thread of its own, whose result is waited for.
public final class Background<Value: Sendable>: Sendable {
    private let thread: Mutex<pthread_t>
    private let result: ResultBox<Value>

    /// Starts at once.
    public init(_ body: @escaping @Sendable () throws -> Value) {
        let box = ResultBox<Value>()
        result = box
        let start = unsafe Unmanaged.passRetained(
            Start { box.value.withLock { $0 = Result { try body() } } })
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, start.toOpaque())
        precondition(code == 0, "no thread to be had")
        self.thread = Mutex(thread)
    }

    /// Waits for the end; once.
    public func wait() throws -> Value {
        _ = thread.withLock { pthread_join($0, nil) }
        return try result.value.withLock { $0! }.get()
    }
}

private final class ResultBox<Value: Sendable>: Sendable {
    let value = Mutex<Result<Value, any Error>?>(nil)
}

private final class Start {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}
