// SPDX-License-Identifier: GPL-3.0-or-later
//
// What stands behind the gateway: listening sockets on every address of a namespace, both
// families, that accept, echo and hold whatever reaches them. One thread with epoll.

import CLabSystem
import Glibc
import Synchronization
import WeirModel

/// TCP listeners and UDP echo on lists of ports, on every address of a namespace.
public final class EchoServer: Sendable {
    private let stopPipe: [Int32]
    private let isClosed = Atomic<Bool>(false)
    private let thread: Mutex<pthread_t>

    /// Opens the sockets, then serves until `close` or the last reference is gone. Fails if a
    /// port is taken.
    public init(
        in namespace: Namespace, tcp: [UInt16], udp: [UInt16] = []
    ) throws(LabFailure) {
        raiseFileLimit()
        var ends: [Int32] = [-1, -1]
        try checked(unsafe pipe2(&ends, O_CLOEXEC), "pipe2")
        stopPipe = ends
        let loop = try namespace.run { () throws(LabFailure) in
            try EchoLoop(stop: ends[0], tcp: tcp, udp: udp)
        }
        thread = Mutex(namespace.start { loop.run() })
    }

    deinit { close() }

    /// Ends the server: its connections are reset.
    public func close() {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        Glibc.close(stopPipe[1])
        thread.withLock { _ = pthread_join($0, nil) }
        Glibc.close(stopPipe[0])
    }
}

/// The sockets of one server; used by one thread.
private final class EchoLoop {
    private enum Role: UInt64 { case stop, listener, datagram, connection }

    private let poller: Poller
    private var descriptors: Set<Int32> = []

    init(stop: Int32, tcp: [UInt16], udp: [UInt16]) throws(LabFailure) {
        poller = try Poller()
        watch(stop, as: .stop)
        for port in tcp {
            let listener = try boundSocket(SOCK_STREAM, port: port)
            try checked(listen(listener, 65_535), "listen on tcp/\(port)")
            watch(listener, as: .listener)
        }
        for port in udp {
            let datagram = try boundSocket(SOCK_DGRAM, port: port)
            setOption(datagram, ipv6Level, IPV6_RECVPKTINFO, 1)
            watch(datagram, as: .datagram)
        }
    }

    private func boundSocket(_ type: __socket_type, port: UInt16) throws(LabFailure) -> Int32 {
        let kind = Int32(type.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = try checked(socket(AF_INET6, kind, 0), "socket")
        descriptors.insert(descriptor)
        setOption(descriptor, ipv6Level, IPV6_V6ONLY, 0)
        if type == SOCK_STREAM { setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        let everyAddress = unsafe IPAddress.v6(0).withSocketAddress(port: port) {
            unsafe bind(descriptor, $0, $1)
        }
        try checked(everyAddress, "bind port \(port)")
        return descriptor
    }

    private func watch(_ descriptor: Int32, as role: Role) {
        poller.add(descriptor, .readable, tag: role.rawValue << 32 | UInt64(descriptor))
    }

    deinit {
        for descriptor in descriptors { closeAbruptly(descriptor) }
    }

    func run() {
        while true {
            for event in poller.wait(milliseconds: -1) {
                let descriptor = Int32(truncatingIfNeeded: event.tag)
                switch Role(rawValue: event.tag >> 32) {
                case .listener: acceptAll(descriptor)
                case .datagram: while lab_echo_datagram(descriptor) >= 0 {}
                case .connection: echo(descriptor)
                case .stop, nil: return
                }
            }
        }
    }

    private func acceptAll(_ listener: Int32) {
        while true {
            let descriptor = accept4(listener, nil, nil, O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { return }
            descriptors.insert(descriptor)
            watch(descriptor, as: .connection)
        }
    }

    private func echo(_ descriptor: Int32) {
        let count = unsafe withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 1) {
            let count = unsafe recv(descriptor, $0.baseAddress, $0.count, 0)
            // What the peer does not take at once is lost: the lab counts, it does not copy.
            if count > 0 { _ = unsafe send(descriptor, $0.baseAddress, count, noSignal) }
            return count
        }
        if count > 0 || (count < 0 && errno == EAGAIN) { return }
        descriptors.remove(descriptor)
        // A child between fork and exec may hold the socket a moment longer; unless removed, its
        // events would come under a number that another thread's socket has by then.
        poller.remove(descriptor)
        close(descriptor)
    }

}
