// SPDX-License-Identifier: GPL-3.0-or-later
//
// Traffic in bulk: bytes over one TCP connection, datagrams from one socket, both against the
// lab's echo servers, so that what arrives back has passed the gateway twice.

import Glibc
import WeirLab
import WeirModel

struct TransferFailure: Error { let step: String }

extension Gateway {
    /// Sends over one TCP connection for a time, as much as goes; bytes that came back.
    func transfer(_ flow: Flow, milliseconds: Int) throws -> Int {
        try lab.segment(of: flow.source).namespace.run { () throws in
            let descriptor = try connected(flow, SOCK_STREAM)
            defer { close(descriptor) }
            let end = now() + milliseconds
            let chunk = [UInt8](repeating: 0x55, count: 16_384)
            var buffer = [UInt8](repeating: 0, count: 65_536)
            var returned = 0
            while now() < end {
                var poll = pollfd(fd: descriptor, events: Int16(POLLIN | POLLOUT), revents: 0)
                _ = unsafe Glibc.poll(&poll, 1, 50)
                if poll.revents & Int16(POLLIN) != 0 {
                    let count = unsafe recv(
                        descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                    if count > 0 { returned += count } else if count == 0 { break }
                }
                if poll.revents & Int16(POLLOUT) != 0 {
                    _ = unsafe send(
                        descriptor, chunk, chunk.count,
                        Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                }
            }
            return returned
        }
    }

    /// Sends datagrams of 100 bytes from one socket, `perSecond` a second; how many were echoed.
    /// - Parameter trafficClass: the TOS byte, with the ECN bits.
    func datagrams(
        _ flow: Flow, perSecond: Int, milliseconds: Int, trafficClass: Int32 = 0
    ) throws -> (sent: Int, echoed: Int) {
        try lab.segment(of: flow.source).namespace.run { () throws in
            let descriptor = try connected(flow, SOCK_DGRAM)
            defer { close(descriptor) }
            var value = trafficClass
            unsafe setsockopt(
                descriptor, Int32(IPPROTO_IP), IP_TOS, &value, socklen_t(MemoryLayout<Int32>.size))
            let payload = [UInt8](repeating: 0x55, count: 100)
            var buffer = [UInt8](repeating: 0, count: 2048)
            var (sent, echoed) = (0, 0)
            let start = now()
            func drain() {
                while unsafe recv(
                    descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0
                { echoed += 1 }
            }
            while now() - start < milliseconds {
                let due = (now() - start) * perSecond / 1000
                while sent < due {
                    _ = unsafe send(descriptor, payload, payload.count, 0)
                    sent += 1
                    drain()
                }
                drain()
                usleep(500)
            }
            usleep(100_000)
            drain()
            return (sent, echoed)
        }
    }
}

private func now() -> Int {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// A socket of an IPv4 flow, bound and connected.
private func connected(_ flow: Flow, _ type: __socket_type) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
    guard descriptor >= 0 else { throw TransferFailure(step: "socket") }
    func with(
        _ address: IPAddress, _ port: UInt16,
        _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(truncatingIfNeeded: address.value).bigEndian
        let code = unsafe withUnsafePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe call($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else { throw TransferFailure(step: "bind or connect: \(errno)") }
    }
    try unsafe with(flow.source, 0) { unsafe bind(descriptor, $0, $1) }
    try unsafe with(flow.destination, flow.port.port) { unsafe connect(descriptor, $0, $1) }
    return descriptor
}
