// SPDX-License-Identifier: GPL-3.0-or-later
//
// UDP from a raw socket, at a steady rate and with any ports, so that one thread begins tens of
// thousands of flows a second. Nobody answers: what matters is what passes the gateway.

import Glibc
public import WeirModel

/// Datagrams over IPv4 to one address and port.
public struct DatagramStream: Sendable {
    public var sources: [IPAddress]
    public var destination: IPAddress
    public var port: UInt16
    /// With the headers; at most the link's MTU, or they are fragmented.
    public var bytes: Int
    /// Of all sources together.
    public var perSecond: Int
    /// Ports of its own for each datagram, and so a flow; else one flow a source.
    public var isManyFlows: Bool

    public init(
        sources: [IPAddress], destination: IPAddress, port: UInt16, bytes: Int, perSecond: Int,
        isManyFlows: Bool
    ) {
        self.sources = sources
        self.destination = destination
        self.port = port
        self.bytes = bytes
        self.perSecond = perSecond
        self.isManyFlows = isManyFlows
    }

    /// Sends from inside a namespace until told to end.
    /// - Returns: datagrams sent a second.
    public func send(
        in namespace: Namespace, until isOver: () -> Bool
    ) throws(LabFailure) -> Double {
        try namespace.run { () throws(LabFailure) in
            let descriptor = try checked(
                socket(AF_INET, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 255),
                "raw socket")
            defer { close(descriptor) }
            setOption(descriptor, SOL_SOCKET, SO_SNDBUF, 8 << 20)
            var packets = sources.map { packet(from: $0) }
            let start = monotonicMicroseconds()
            var sent = 0
            while !isOver() {
                let due = Int((monotonicMicroseconds() - start) * Int64(perSecond) / 1_000_000)
                // What the machine is too slow for is not made up for in one burst.
                if due - sent > perSecond / 20 + 1 { sent = due - perSecond / 20 - 1 }
                if sent >= due {
                    usleep(100)
                    continue
                }
                let index = sent % packets.count
                if isManyFlows {
                    let flow = sent / packets.count
                    setPort(&packets[index], 1024 + flow % 64_000)
                    setPort(&packets[index], Int(port) + flow / 64_000, at: 22)
                }
                let (bytes, count) = (packets[index], packets[index].count)
                _ = unsafe destination.withSocketAddress(port: 0) {
                    unsafe sendto(descriptor, bytes, count, noSignal, $0, $1)
                }
                sent += 1
            }
            let seconds = Double(monotonicMicroseconds() - start) / 1_000_000
            return Double(sent) / seconds
        }
    }

    /// RFC 791 and 768; the kernel fills the IP checksum, and a UDP checksum of 0 is none.
    private func packet(from source: IPAddress) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(28, self.bytes))
        bytes[0] = 0x45
        bytes[8] = 64
        bytes[9] = IPProtocol.udp
        for (place, address) in [(12, source), (16, destination)] {
            for index in 0..<4 {
                bytes[place + index] = UInt8(
                    truncatingIfNeeded: address.value >> UInt128(24 - 8 * index))
            }
        }
        setPort(&bytes, 1024)
        setPort(&bytes, Int(port), at: 22)
        bytes[24] = UInt8((bytes.count - 20) >> 8 & 0xFF)
        bytes[25] = UInt8(truncatingIfNeeded: bytes.count - 20)
        return bytes
    }

    private func setPort(_ bytes: inout [UInt8], _ port: Int, at place: Int = 20) {
        bytes[place] = UInt8(port >> 8)
        bytes[place + 1] = UInt8(truncatingIfNeeded: port)
    }
}

func monotonicMicroseconds() -> Int64 {
    var now = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
}
