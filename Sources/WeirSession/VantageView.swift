// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which live connections are this table's business: conntrack knows all of the namespace, policies
// only those that pass where weir stands.

import Glibc
import WeirKernel
public import WeirModel

/// What a vantage polices: a gateway what crosses it, a host what begins or ends at it; never what
/// conntrack expected because of another connection, nor loopback.
struct VantageView {
    private let own = ownAddresses()
    private let isOnHost: Bool

    init(onHost: Bool) { isOnHost = onHost }

    func includes(_ connection: Connection) -> Bool {
        guard connection.status & expectedBit == 0 else { return false }
        let flow = connection.flow
        return !isLoopback(flow.source)
            && (own.contains(flow.source) || own.contains(flow.destination)) == isOnHost
    }

    private func isLoopback(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let value): value >> 24 == 127
        case .v6(let value): value == 1
        }
    }
}

/// IPS_EXPECTED
private let expectedBit: UInt32 = 1

/// The addresses of this network namespace's interfaces.
public func ownAddresses() -> Set<IPAddress> {
    var found: Set<IPAddress> = []
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { return found }
    defer { unsafe freeifaddrs(list) }
    var next = unsafe list
    while let entry = unsafe next {
        unsafe next = entry.pointee.ifa_next
        guard let address = unsafe entry.pointee.ifa_addr else { continue }
        switch Int32(unsafe address.pointee.sa_family) {
        case AF_INET:
            let value = unsafe UnsafeRawPointer(address).load(as: sockaddr_in.self)
            found.insert(.v4(UInt32(bigEndian: value.sin_addr.s_addr)))
        case AF_INET6:
            let value = unsafe UnsafeRawPointer(address).loadUnaligned(
                fromByteOffset: 8, as: UInt128.self)
            found.insert(.v6(UInt128(bigEndian: value)))
        default: break
        }
    }
    return found
}
