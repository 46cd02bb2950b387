// SPDX-License-Identifier: GPL-3.0-or-later
//
// The one door to the kernel: a netlink socket to netfilter that is owned, closed when it goes
// out of scope and kept open between commits, since closing one can flush the kernel's pending
// work. It belongs to the network namespace of the thread that opened it.

import CNetfilter
import Glibc

/// A netlink socket to netfilter.
public struct NetfilterSocket: ~Copyable {
    private let descriptor: Int32
    private var lastSequence: UInt32 = 0
    private var buffer: [UInt8]
    private var sendBufferBytes = 0

    /// The kernel fills answers to dumps up to 32 KiB; room for more costs nothing.
    private static let bufferBytes = 1 << 16
    /// Room for answers that nobody has read yet. A batch can have one error for each message.
    private static let receiveBufferBytes: Int32 = 8 << 20

    /// Opens a socket. Needs no privilege; what is asked through it may.
    public static func open() throws(KernelError) -> NetfilterSocket {
        let what = "open a netfilter socket"
        let type = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_NETLINK, type, NETLINK_NETFILTER)
        guard descriptor >= 0 else { throw KernelError(code: errno, operation: what) }
        let result = NetfilterSocket(descriptor: descriptor)
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        let length = socklen_t(MemoryLayout<sockaddr_nl>.size)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, length) == 0 && connect(descriptor, $0, length) == 0
            }
        }
        guard bound else { throw KernelError(code: errno, operation: what) }
        // Errors without the request they answer, and with where in it they lie.
        result.setOption(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        result.setOption(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        if !result.setOption(SOL_SOCKET, SO_RCVBUFFORCE, Self.receiveBufferBytes) {
            result.setOption(SOL_SOCKET, SO_RCVBUF, Self.receiveBufferBytes)
        }
        return result
    }

    private init(descriptor: Int32) {
        self.descriptor = descriptor
        self.buffer = [UInt8](repeating: 0, count: Self.bufferBytes)
    }

    deinit { close(descriptor) }

    @discardableResult
    func setOption(_ level: Int32, _ option: Int32, _ value: Int32) -> Bool {
        var value = value
        let length = socklen_t(MemoryLayout<Int32>.size)
        return unsafe setsockopt(descriptor, level, option, &value, length) == 0
    }

    /// Takes sequence numbers for a request of so many messages; the first of them.
    mutating func takeSequences(_ count: Int) -> UInt32 {
        let first = lastSequence &+ 1
        lastSequence = lastSequence &+ UInt32(count)
        return first
    }

    /// Sends one datagram, whatever its size.
    mutating func send(_ bytes: [UInt8], operation: String) throws(KernelError) {
        let needed = bytes.count + 4096
        if needed > sendBufferBytes, needed > 200_000 {
            // The kernel doubles the value; without privilege it stays and sending may fail.
            if setOption(SOL_SOCKET, SO_SNDBUFFORCE, Int32(clamping: needed)) {
                sendBufferBytes = needed
            }
        }
        while true {
            let sent = unsafe bytes.withUnsafeBytes { raw in
                unsafe Glibc.send(descriptor, raw.baseAddress, raw.count, 0)
            }
            if sent == bytes.count { return }
            let code = errno
            if code == EINTR { continue }
            throw KernelError(code: code == EMSGSIZE ? EPERM : code, operation: operation)
        }
    }

    /// Waits until there is something to read.
    /// - Returns: false when the time passed first.
    func waitForInput(timeoutMilliseconds: Int32) -> Bool {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe Glibc.poll(&poll, 1, timeoutMilliseconds) > 0
    }

    /// Receives one datagram and hands each of its messages to the closure.
    /// - Parameter waits: whether to wait for one.
    /// - Returns: false where there is none.
    mutating func receive(
        waits: Bool, operation: String,
        _ body: (NetlinkMessage, Span<UInt8>) throws(KernelError) -> Void
    ) throws(KernelError) -> Bool {
        var count = -1
        while count < 0 {
            count = unsafe buffer.withUnsafeMutableBytes { raw in
                unsafe recv(
                    descriptor, raw.baseAddress, raw.count,
                    waits ? 0 : Int32(MSG_DONTWAIT))
            }
            let code = errno
            if count >= 0 || code == EINTR { continue }
            if code == EAGAIN && !waits { return false }
            throw KernelError(code: code, operation: operation)
        }
        let bytes = buffer.span
        var cursor = MessageCursor(to: count)
        while let message = cursor.next(in: bytes) { try body(message, bytes) }
        return true
    }

    /// Asks for something and hands each message of the answer to the closure.
    /// - Parameter build: writes the request's attributes.
    /// - Returns: false when the kernel says that there is no such thing (ENOENT).
    mutating func request(
        _ type: UInt16, family: UInt8, isDump: Bool, creates: Bool = false, operation: String,
        _ build: (inout NetlinkWriter) -> Void,
        _ body: (NetlinkMessage, Span<UInt8>) throws(KernelError) -> Void
    ) throws(KernelError) -> Bool {
        let sequence = takeSequences(1)
        var writer = NetlinkWriter()
        let flags =
            NLM_F_REQUEST | (isDump ? NLM_F_ROOT | NLM_F_MATCH : NLM_F_ACK)
            | (creates ? NLM_F_CREATE | NLM_F_EXCL : 0)
        writer.beginMessage(
            type: type, flags: UInt16(flags), sequence: sequence, family: family)
        build(&writer)
        writer.endMessage()
        try send(writer.bytes, operation: operation)
        var isDone = false
        var code: Int32 = 0
        var interrupted = false
        var failure: KernelError?
        while !isDone {
            _ = try receive(waits: true, operation: operation) {
                (message, bytes) throws(KernelError) in
                guard message.sequence == sequence else { return }
                interrupted = interrupted || message.flags & UInt16(NLM_F_DUMP_INTR) != 0
                switch Int32(message.type) {
                case NLMSG_ERROR, NLMSG_DONE:
                    isDone = true
                    code = -message.errorCode(in: bytes)
                default:
                    // A dump has to be read to its end before the socket takes another.
                    guard failure == nil else { return }
                    do throws(KernelError) { try body(message, bytes) } catch { failure = error }
                }
            }
        }
        if let failure { throw failure }
        if code == ENOENT { return false }
        if interrupted { code = EINTR }
        guard code == 0 else { throw KernelError(code: code, operation: operation) }
        return true
    }
}

extension NetlinkMessage {
    /// The code at the start of NLMSG_ERROR's and NLMSG_DONE's payload: 0, or a negative errno.
    func errorCode(in bytes: Span<UInt8>) -> Int32 {
        guard payload.count >= 4 else { return 0 }
        return Int32(bitPattern: bytes.host32(at: payload.lowerBound))
    }

    /// NLMSGERR_ATTR_OFFS: where in the request the attribute lies that the kernel complains of.
    func errorOffset(in bytes: Span<UInt8>) -> Int? {
        guard flags & UInt16(NLM_F_ACK_TLVS) != 0, payload.count > 20 else { return nil }
        // With NETLINK_CAP_ACK only the header of the request is repeated.
        let cursor = AttributeCursor(payload.lowerBound + 20..<payload.upperBound)
        guard let attribute = cursor.first(NLMSGERR_ATTR_OFFS, in: bytes),
            attribute.value.count >= 4
        else { return nil }
        return Int(bytes.host32(at: attribute.value.lowerBound))
    }
}
