// SPDX-License-Identifier: GPL-3.0-or-later
//
// Real packets for tests, between two sockets on the loopback of the calling thread's namespace.

import Glibc
import Testing
import WeirKernel
import WeirModel

func bringUpLoopback() throws {
    let result = try run(["ip", "link", "set", "lo", "up"])
    try #require(result.status == 0, "\(result.output)")
}

/// A socket's file descriptor.
struct Descriptor: ~Copyable {
    let number: Int32

    init(_ number: Int32) throws {
        try #require(number >= 0, "errno \(errno)")
        self.number = number
    }

    deinit { close(number) }
}

/// An established TCP connection.
struct TCPPair: ~Copyable {
    private let listener: Descriptor
    private let client: Descriptor
    private let server: Descriptor
    /// As conntrack keeps the direction of the client.
    let tuple: ConnectionTuple
    var port: UInt16 { tuple.destinationPort }

    init(_ address: IPAddress) throws {
        let family = address.family == .v4 ? AF_INET : AF_INET6
        let stream = Int32(SOCK_STREAM.rawValue)
        let listener = try Descriptor(socket(family, stream, 0))
        let client = try Descriptor(socket(family, stream, 0))
        try bindSocket(listener.number, address)
        try #require(listen(listener.number, 1) == 0)
        let port = try boundPort(listener.number, address)
        try connectSocket(client.number, address, port)
        let server = try Descriptor(accept(listener.number, nil, nil))
        tuple = ConnectionTuple(
            source: address, destination: address, protocolNumber: 6,
            sourcePort: try boundPort(client.number, address), destinationPort: port)
        self.listener = listener
        self.client = client
        self.server = server
    }
}

/// A UDP socket that sends to another over IPv4.
struct UDPPair: ~Copyable {
    private let receiver: Descriptor
    private let sender: Descriptor

    init() throws {
        let loopback = IPAddress.v4(0x7F00_0001)
        let receiver = try Descriptor(socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        let sender = try Descriptor(socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0))
        try bindSocket(receiver.number, loopback)
        try connectSocket(
            sender.number, loopback, boundPort(receiver.number, loopback))
        self.receiver = receiver
        self.sender = sender
    }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        let count = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(sender.number, $0.baseAddress, $0.count, 0)
        }
        try #require(count == bytes.count, "errno \(errno)")
    }
}

/// Sends one echo request to the loopback address of a family; the kernel answers.
func ping(_ address: IPAddress) throws {
    let isV4 = address.family == .v4
    let raw = Int32(SOCK_RAW.rawValue)
    let descriptor = try Descriptor(
        isV4
            ? socket(AF_INET, raw, Int32(IPPROTO_ICMP))
            : socket(AF_INET6, raw, Int32(IPPROTO_ICMPV6)))
    try connectSocket(descriptor.number, address, 0)
    // Identifier and number 0; for IPv6 the kernel puts in the checksum.
    let message: [UInt8] = isV4 ? [8, 0, 0xF7, 0xFF, 0, 0, 0, 0] : [128, 0, 0, 0, 0, 0, 0, 0]
    let count = unsafe message.withUnsafeBytes {
        unsafe Glibc.send(descriptor.number, $0.baseAddress, $0.count, 0)
    }
    try #require(count == message.count, "errno \(errno)")
}

private func bindSocket(_ descriptor: Int32, _ address: IPAddress) throws {
    let done = unsafe withSocketAddress(address, port: 0) { unsafe bind(descriptor, $0, $1) }
    try #require(done == 0, "errno \(errno)")
}

private func connectSocket(_ descriptor: Int32, _ address: IPAddress, _ port: UInt16) throws {
    let done = unsafe withSocketAddress(address, port: port) { unsafe connect(descriptor, $0, $1) }
    try #require(done == 0, "errno \(errno)")
}

private func boundPort(_ descriptor: Int32, _ address: IPAddress) throws -> UInt16 {
    var port: UInt16 = 0
    var storage = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    let done = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe getsockname(descriptor, $0, &length)
        }
    }
    try #require(done == 0, "errno \(errno)")
    // The port lies at the same place in both families' addresses.
    port = storage.sin6_port.byteSwapped
    return port
}

private func withSocketAddress(
    _ address: IPAddress, port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    switch address {
    case .v4(let number):
        var socketAddress = sockaddr_in()
        socketAddress.sin_family = sa_family_t(AF_INET)
        socketAddress.sin_port = port.bigEndian
        socketAddress.sin_addr.s_addr = number.bigEndian
        return unsafe withUnsafePointer(to: &socketAddress) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    case .v6(let number):
        var socketAddress = sockaddr_in6()
        socketAddress.sin6_family = sa_family_t(AF_INET6)
        socketAddress.sin6_port = port.bigEndian
        unsafe withUnsafeMutableBytes(of: &socketAddress.sin6_addr) {
            unsafe $0.storeBytes(of: number.bigEndian, as: UInt128.self)
        }
        return unsafe withUnsafePointer(to: &socketAddress) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }
}
