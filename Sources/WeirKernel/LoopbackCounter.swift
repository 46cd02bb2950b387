// SPDX-License-Identifier: GPL-3.0-or-later
//
// Leads a shadow through a cap: a packet with its addresses and ports, sent to loopback below IP
// and dropped by the first chain there. Nothing leaves the machine and no other chain sees it.

import CNetfilter
import Glibc
import WeirModel
import WeirRuleset

/// A packet socket to the loopback of the thread's network namespace.
public struct LoopbackCounter: ~Copyable {
    private let descriptor: Int32
    private var priority: UInt32 = 0
    private var mark: UInt32 = 0
    private let tickNanoseconds = Self.resolutionNanoseconds()
    private static let loopbackIndex: Int32 = 1

    /// - Throws: where packet sockets are not allowed, or loopback is down.
    public static func open() throws(KernelError) -> LoopbackCounter {
        let what = "send packets to loopback"
        guard isLoopbackUp() else {
            throw KernelError(.unsupported, code: ENETDOWN, operation: what)
        }
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        // Protocol 0: it receives nothing.
        let descriptor = socket(AF_PACKET, type, 0)
        guard descriptor >= 0 else { throw KernelError(code: errno, operation: what) }
        let counter = LoopbackCounter(descriptor: descriptor)
        // Whether it may set marks at all.
        guard counter.set(SO_MARK, 0) else {
            throw KernelError(code: errno, operation: what)
        }
        return counter
    }

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Whether connections of its protocol can be told apart by a packet that weir can make.
    public static func canLead(_ connection: Connection) -> Bool {
        connection.original.protocolNumber != 47
    }

    /// Lets a cap count a connection, by a shadow of it. It may have counted it already.
    /// - Parameter number: of the cap.
    /// - Returns: false where conntrack takes no more, or knows the protocol only by its packets.
    public mutating func count(
        _ connection: Connection, number: UInt32, with socket: inout NetfilterSocket
    ) throws(KernelError) -> Bool {
        let zone = Recounting.zone(number: number)
        guard try socket.makeShadow(of: connection, zone: zone) != .refused else { return false }
        try lead(connection.original, number: number)
        try socket.assureShadow(of: connection, zone: Recounting.zone(number: number))
        return true
    }

    /// The same for a cap that no other packet reaches and that has not counted it.
    ///
    /// For a packet of a connection that conntrack knows, a count looks at all that it holds; for
    /// one that it does not, only once a clock tick or every 64 connections. So the packet comes
    /// first and the shadow after it. Between the two, the kernel's worker that looks for counts
    /// of nobody may take it for one; but never where it was made on another processor less than
    /// two ticks ago, and on this one it cannot have run without this thread being put aside.
    public mutating func countUnseen(
        _ connection: Connection, number: UInt32, with socket: inout NetfilterSocket
    ) throws(KernelError) -> Bool {
        let before = Self.timesPutAside()
        let start = Self.nowNanoseconds()
        try lead(connection.original, number: number)
        let creation = try socket.makeShadow(
            of: connection, zone: Recounting.zone(number: number))
        guard creation != .refused else { return false }
        if creation == .again || Self.timesPutAside() != before
            || Self.nowNanoseconds() - start > tickNanoseconds
        {
            try lead(connection.original, number: number)
        }
        try socket.assureShadow(of: connection, zone: Recounting.zone(number: number))
        return true
    }

    /// How often this thread gave up its processor or was made to.
    private static func timesPutAside() -> Int {
        var usage = rusage()
        // RUSAGE_THREAD, which Glibc does not import.
        unsafe getrusage(__rusage_who_t(1), &usage)
        return usage.ru_nvcsw + usage.ru_nivcsw
    }

    private static func nowNanoseconds() -> Int {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// From one clock tick of the kernel to the next.
    private static func resolutionNanoseconds() -> Int {
        var time = timespec()
        guard unsafe clock_getres(CLOCK_MONOTONIC_COARSE, &time) == 0, time.tv_nsec > 0 else {
            return 1_000_000
        }
        return time.tv_nsec
    }

    /// Sends a packet of a connection to a cap.
    private mutating func lead(
        _ tuple: ConnectionTuple, number: UInt32
    ) throws(KernelError) {
        let what = "let a cap count a connection"
        if priority != number {
            guard set(SO_PRIORITY, number) else {
                throw KernelError(code: errno, operation: what)
            }
            priority = number
        }
        let mark = Recounting.mark(zone: Recounting.zone(number: number))
        if self.mark != mark {
            guard set(SO_MARK, mark) else { throw KernelError(code: errno, operation: what) }
            self.mark = mark
        }
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_ifindex = Self.loopbackIndex
        address.sll_halen = 6
        let isFour = tuple.source.family == .v4
        address.sll_protocol = UInt16(isFour ? 0x0800 : 0x86DD).bigEndian
        let bytes = isFour ? tuple.packet4 : tuple.packet6
        let length = socklen_t(MemoryLayout<sockaddr_ll>.size)
        while true {
            let sent = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe sendto(descriptor, bytes, bytes.count, 0, $0, length)
                }
            }
            if sent == bytes.count { return }
            guard errno == EINTR || errno == ENOBUFS else {
                throw KernelError(code: errno, operation: what)
            }
        }
    }

    private func set(_ option: Int32, _ value: UInt32) -> Bool {
        var value = value
        return unsafe setsockopt(descriptor, SOL_SOCKET, option, &value, 4) == 0
    }

    private static func isLoopbackUp() -> Bool {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return false }
        defer { unsafe freeifaddrs(list) }
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            if unsafe String(cString: entry.pointee.ifa_name) == "lo",
                unsafe entry.pointee.ifa_flags & UInt32(IFF_UP) != 0
            {
                return true
            }
        }
        return false
    }
}

extension ConnectionTuple {
    /// RFC 791: a header with its checksum, then what tells connections of the protocol apart.
    fileprivate var packet4: [UInt8] {
        var header: [UInt8] = [0x45, 0, 0, 40, 0, 1, 0, 0, 64, protocolNumber, 0, 0]
        header += UInt32(truncatingIfNeeded: source.value).networkBytes
        header += UInt32(truncatingIfNeeded: destination.value).networkBytes
        var sum: UInt32 = 0
        for index in stride(from: 0, to: header.count, by: 2) {
            sum += UInt32(header[index]) << 8 | UInt32(header[index + 1])
        }
        while sum > 0xFFFF { sum = sum >> 16 + sum & 0xFFFF }
        header[10] = UInt8(~sum >> 8 & 0xFF)
        header[11] = UInt8(~sum & 0xFF)
        return header + transport
    }

    /// RFC 8200
    fileprivate var packet6: [UInt8] {
        var header: [UInt8] = [0x60, 0, 0, 0, 0, 20, protocolNumber, 64]
        for address in [source, destination] {
            for shift in stride(from: 96, through: 0, by: -32) {
                header +=
                    UInt32(truncatingIfNeeded: address.value >> UInt128(shift)).networkBytes
            }
        }
        return header + transport
    }

    private var transport: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 20)
        func put(_ number: UInt16, at offset: Int) {
            bytes[offset] = UInt8(number >> 8)
            bytes[offset + 1] = UInt8(truncatingIfNeeded: number)
        }
        if isICMP {
            put(destinationPort, at: 0)
            put(sourcePort, at: 4)
        } else {
            put(sourcePort, at: 0)
            put(destinationPort, at: 2)
        }
        return bytes
    }
}
