// SPDX-License-Identifier: GPL-3.0-or-later
//
// Addresses of the model as the kernel's socket calls take them.

import Glibc
import WeirModel

extension IPAddress {
    var socketFamily: Int32 { family == .v4 ? AF_INET : AF_INET6 }

    /// Calls the closure with a `sockaddr_in` or `sockaddr_in6` of this address and port.
    @unsafe func withSocketAddress<Value>(
        port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        switch self {
        case .v4(let value):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = value.bigEndian
            return unsafe withUnsafeBytes(of: &address) { bytes in
                unsafe body(
                    bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(bytes.count))
            }
        case .v6(let value):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
                unsafe bytes.storeBytes(of: value.bigEndian, as: UInt128.self)
            }
            return unsafe withUnsafeBytes(of: &address) { bytes in
                unsafe body(
                    bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(bytes.count))
            }
        }
    }
}

/// Sets an integer socket option.
@discardableResult
func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) -> Bool {
    var value = value
    return unsafe setsockopt(
        descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
}

/// Closes a TCP connection with a reset: no TIME_WAIT here, and conntrack sees the end at once.
func closeAbruptly(_ descriptor: Int32) {
    var lingering = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(
        descriptor, SOL_SOCKET, SO_LINGER, &lingering, socklen_t(MemoryLayout<linger>.size))
    close(descriptor)
}

/// Milliseconds of the monotonic clock.
func monotonicMilliseconds() -> Int64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
}

/// Lets this process open as many files as the machine allows: thousands of sockets at once.
func raiseFileLimit() {
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// Levels of socket options.
let ipv4Level = Int32(IPPROTO_IP)
let ipv6Level = Int32(IPPROTO_IPV6)

/// For `send`: a reset peer is an error, not a signal.
let noSignal = Int32(MSG_NOSIGNAL)
