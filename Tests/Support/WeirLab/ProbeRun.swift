// SPDX-License-Identifier: GPL-3.0-or-later
//
// Thousands of attempts at once with one epoll, so that those which nobody answers wait out their
// time together and not one after the other.

import CLabSystem
import Glibc
import WeirModel

/// Attempts that come from a closure; runs on one thread, inside the namespace of the sources.
final class ProbeRun {
    private struct Pending {
        let index: Int
        let deadline: Int64
    }

    private let poller: Poller
    private let timeout: Int64
    private let window: Int
    private let keepsOpen: Bool
    private let next: () -> Probe?
    private var probes: [Probe] = []
    private var descriptors: [Int32] = []
    private var queue: [Pending] = []
    private var queueHead = 0
    private var inFlight = 0
    private var isDry = false
    /// nil while an attempt is under way.
    private var settled: [Outcome?] = []

    /// - Parameters:
    ///   - timeoutMilliseconds: after which an attempt counts as dropped.
    ///   - window: how many may be under way at once.
    ///   - keepsOpen: leave the connections that stand, for `takeOpen`.
    ///   - next: the next attempt; nil when there are no more.
    init(
        timeoutMilliseconds: Int, window: Int = 1024, keepsOpen: Bool = false,
        next: @escaping () -> Probe?
    ) throws(LabFailure) {
        raiseFileLimit()
        poller = try Poller()
        timeout = Int64(timeoutMilliseconds)
        self.window = window
        self.keepsOpen = keepsOpen
        self.next = next
    }

    deinit {
        for descriptor in descriptors where descriptor >= 0 { closeAbruptly(descriptor) }
    }

    /// Runs to the end; the outcomes in the order of the attempts.
    func run() -> [Outcome] {
        while !isDry || inFlight > 0 {
            // A few at a time: the kernel's queue between namespaces holds a thousand packets.
            var started = 0
            while !isDry, inFlight < window, started < 64 {
                guard let probe = next() else {
                    isDry = true
                    break
                }
                start(probe)
                started += 1
            }
            collect(mayWait: isDry || inFlight >= window)
        }
        return settled.map { $0! }
    }

    /// The connections that stand, with their index; the caller closes them.
    func takeOpen() -> [(index: Int, descriptor: Int32)] {
        defer { for index in descriptors.indices { descriptors[index] = -1 } }
        return descriptors.indices.filter { descriptors[$0] >= 0 }.map { ($0, descriptors[$0]) }
    }

    private func start(_ probe: Probe) {
        let index = probes.count
        probes.append(probe)
        settled.append(nil)
        descriptors.append(-1)
        inFlight += 1
        let descriptor = openSocket(for: probe.flow)
        guard descriptor >= 0 else { return settle(index, .other(errno)) }
        descriptors[index] = descriptor
        let flow = probe.flow
        let bound = unsafe flow.source.withSocketAddress(port: probe.sourcePort) {
            unsafe bind(descriptor, $0, $1)
        }
        guard bound == 0 else { return settle(index, .other(errno)) }
        let port = IPProtocol.hasPorts(flow.port.protocolNumber) ? flow.port.port : 0
        let connected = unsafe flow.destination.withSocketAddress(port: port) {
            unsafe connect(descriptor, $0, $1)
        }
        if connected != 0, errno != EINPROGRESS {
            return settle(index, Outcome(errorOn: descriptor, code: errno))
        }
        let isStream = flow.port.protocolNumber == IPProtocol.tcp
        poller.add(descriptor, isStream ? .writable : .readable, tag: UInt64(index))
        if !isStream { ask(descriptor, flow) }
        queue.append(Pending(index: index, deadline: monotonicMilliseconds() + timeout))
    }

    private func openSocket(for flow: Flow) -> Int32 {
        let family = flow.source.socketFamily
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let stream = Int32(SOCK_STREAM.rawValue) | flags
        let datagram = Int32(SOCK_DGRAM.rawValue) | flags
        let descriptor: Int32
        switch flow.port.protocolNumber {
        case IPProtocol.tcp:
            descriptor = socket(family, stream, 0)
            // The port is chosen with the destination: one source can hold many connections.
            setOption(descriptor, ipv4Level, IP_BIND_ADDRESS_NO_PORT, 1)
        case IPProtocol.udp: descriptor = socket(family, datagram, 0)
        case IPProtocol.icmp, IPProtocol.icmpv6:
            descriptor = socket(family, datagram, Int32(flow.port.protocolNumber))
        default:
            preconditionFailure("the lab probes TCP, UDP and ping, not \(flow)")
        }
        if family == AF_INET {
            setOption(descriptor, ipv4Level, IP_RECVERR, 1)
        } else {
            setOption(descriptor, ipv6Level, IPV6_RECVERR, 1)
        }
        return descriptor
    }

    /// Sends the datagram or the echo request (RFC 792, RFC 4443: type, code, checksum,
    /// identifier, sequence; the kernel fills checksum and identifier).
    private func ask(_ descriptor: Int32, _ flow: Flow) {
        var bytes = [UInt8](repeating: 0, count: 8)
        if !IPProtocol.hasPorts(flow.port.protocolNumber) {
            precondition(
                flow.port.port == (flow.source.family == .v4 ? 8 : 128),
                "of ICMP the lab probes echo requests only")
            bytes[0] = UInt8(flow.port.port)
        }
        _ = unsafe send(descriptor, &bytes, bytes.count, noSignal)
    }

    private func collect(mayWait: Bool) {
        while queueHead < queue.count, settled[queue[queueHead].index] != nil { queueHead += 1 }
        let before = monotonicMilliseconds()
        var wait: Int64 = 0
        if mayWait, queueHead < queue.count { wait = max(0, queue[queueHead].deadline - before) }
        let events = poller.wait(milliseconds: wait)
        for event in events { receive(Int(event.tag), event.state) }
        // Answers that were there before the deadline count, however late this thread runs.
        guard events.isEmpty else { return }
        let now = before + wait
        while queueHead < queue.count, queue[queueHead].deadline <= now {
            let index = queue[queueHead].index
            if settled[index] == nil { settle(index, .dropped) }
            queueHead += 1
        }
    }

    private func receive(_ index: Int, _ state: Poller.Interest) {
        guard settled[index] == nil else { return }
        let descriptor = descriptors[index]
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        if state.contains(.failed) || code != 0 {
            return settle(index, Outcome(errorOn: descriptor, code: code))
        }
        settle(index, .open)
    }

    private func settle(_ index: Int, _ outcome: Outcome) {
        settled[index] = outcome
        inFlight -= 1
        let descriptor = descriptors[index]
        guard descriptor >= 0 else { return }
        poller.remove(descriptor)
        if keepsOpen, outcome == .open { return }
        descriptors[index] = -1
        closeAbruptly(descriptor)
    }
}
