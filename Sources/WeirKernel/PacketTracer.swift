// SPDX-License-Identifier: GPL-3.0-or-later
//
// Real packets followed through the rules. A rule has to ask the kernel for that; it stands in a
// table of its own that belongs to this socket: the kernel takes it away when the socket is closed,
// however its process ends, and while nobody traces there is nothing that a packet could meet.

import CNetfilter
import Glibc
public import WeirModel
import WeirRuleset

/// A step of a packet, as the kernel reports it.
public struct TraceStep: Sendable, Hashable {
    public enum Verdict: Sendable, Hashable {
        case accept, drop, goesOn, returns
        case jump(String)
        case goto(String)
        case other(Int32)
    }
    /// The same for all steps of a packet.
    public var packet: UInt32
    /// NFPROTO_* of the table.
    public var family: UInt8
    public var table: String
    public var chain: String
    /// Not a rule's word but that of the chain's policy.
    public var isPolicy: Bool
    public var verdict: Verdict
    /// The packet's flow; in its first step on a hook only.
    public var flow: Flow?

    public init(
        packet: UInt32, family: UInt8, table: String, chain: String, isPolicy: Bool = false,
        verdict: Verdict, flow: Flow? = nil
    ) {
        self.packet = packet
        self.family = family
        self.table = table
        self.chain = chain
        self.isPolicy = isPolicy
        self.verdict = verdict
        self.flow = flow
    }
}

/// Follows packets of some flows.
public struct PacketTracer: ~Copyable {
    private var owner: NetfilterSocket
    private var events: NetfilterSocket
    private let ownTable: String
    /// Before weir's own chains, at −160, see the packet.
    private static let priority: Int32 = -161

    /// Begins to trace on the hooks of weir's table.
    /// - Parameter flows: packets from their source to their destination and port are traced.
    /// - Throws: where there is no table, or no permission.
    public static func open(_ flows: [Flow]) throws(KernelError) -> PacketTracer {
        let what = "trace packets"
        var owner = try NetfilterSocket.open()
        let hooks = try owner.readHooks()
        guard !hooks.isEmpty else { throw KernelError(code: ENOENT, operation: what) }
        let events = try NetfilterSocket.open()
        let group = Int32(NFNLGRP_NFTRACE.rawValue)
        guard events.setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group) else {
            throw KernelError(code: errno, operation: what)
        }
        let table = "weir_trace_\(getpid())"
        var batch = TraceBatch(table: table, first: owner.takeSequences(0))
        batch.encode(flows, hooks.sorted { $0.rawValue < $1.rawValue }, priority)
        _ = owner.takeSequences(batch.count)
        try owner.send(batch.writer.bytes, operation: what)
        var code: Int32 = 0
        while try owner.receive(
            waits: false, operation: what,
            { message, bytes in
                guard Int32(message.type) == NLMSG_ERROR else { return }
                if code == 0 { code = -message.errorCode(in: bytes) }
            })
        {}
        guard code == 0 else { throw KernelError(code: code, operation: what) }
        return PacketTracer(owner: owner, events: events, ownTable: table)
    }

    private init(
        owner: consuming NetfilterSocket, events: consuming NetfilterSocket, ownTable: String
    ) {
        self.owner = owner
        self.events = events
        self.ownTable = ownTable
    }

    /// Waits for steps; none where the time passed first. Steps that came faster than they were
    /// read are lost.
    public mutating func nextSteps(timeoutMilliseconds: Int32) throws(KernelError) -> [TraceStep] {
        guard events.waitForInput(timeoutMilliseconds: timeoutMilliseconds) else { return [] }
        let isTrace = messageType(NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE.rawValue)
        var steps: [TraceStep] = []
        do throws(KernelError) {
            _ = try events.receive(waits: false, operation: "trace packets") { message, bytes in
                guard message.type == isTrace else { return }
                let family = bytes[message.payload.lowerBound]
                let step = TraceStep(message.attributes, family: family, in: bytes)
                if let step, step.table != ownTable { steps.append(step) }
            }
        } catch {
            guard error.code == ENOBUFS else { throw error }
        }
        return steps
    }
}

extension TraceStep {
    fileprivate init?(_ attributes: AttributeCursor, family: UInt8, in bytes: Span<UInt8>) {
        var type: UInt32 = 0
        self.init(packet: 0, family: family, table: "", chain: "", verdict: .goesOn)
        var network: Range<Int>?
        var transport: Range<Int>?
        var cursor = attributes
        while let attribute = cursor.next(in: bytes) {
            switch attribute.type {
            case NFTA_TRACE_ID.rawValue: packet = bytes.number(attribute)
            case NFTA_TRACE_TABLE.rawValue: table = bytes.text(attribute)
            case NFTA_TRACE_CHAIN.rawValue: chain = bytes.text(attribute)
            case NFTA_TRACE_TYPE.rawValue: type = bytes.number(attribute)
            case NFTA_TRACE_VERDICT.rawValue:
                let code: UInt32 =
                    attribute.nested.first(NFTA_VERDICT_CODE, in: bytes)
                    .map { bytes.number($0) } ?? 0
                let target = attribute.nested.first(NFTA_VERDICT_CHAIN, in: bytes)
                verdict = Verdict(
                    Int32(bitPattern: code), target.map { bytes.text($0) } ?? "")
            case NFTA_TRACE_NETWORK_HEADER.rawValue: network = attribute.value
            case NFTA_TRACE_TRANSPORT_HEADER.rawValue: transport = attribute.value
            case NFTA_TRACE_POLICY.rawValue:
                verdict = Verdict(Int32(bitPattern: bytes.number(attribute)), "")
            default: break
            }
        }
        isPolicy = type == UInt32(NFT_TRACETYPE_POLICY.rawValue)
        guard !chain.isEmpty else { return nil }
        if let network { flow = Flow(network, transport ?? 0..<0, in: bytes) }
    }
}

extension Flow {
    /// From the headers of a packet (RFC 791, RFC 8200); nil where they are cut off.
    fileprivate init?(_ network: Range<Int>, _ transport: Range<Int>, in bytes: Span<UInt8>) {
        let start = network.lowerBound
        guard network.count >= 20 else { return nil }
        let isIPv4 = bytes[start] >> 4 == 4
        guard isIPv4 || network.count >= 40 else { return nil }
        let number = bytes[start + (isIPv4 ? 9 : 6)]
        var port: UInt16 = 0
        if transport.count >= 4 {
            let isICMP = [IPProtocol.icmp, IPProtocol.icmpv6].contains(number)
            port =
                isICMP
                ? UInt16(bytes[transport.lowerBound])
                : bytes.network(at: transport.lowerBound + 2)
        }
        let (source, destination): (IPAddress, IPAddress) =
            isIPv4
            ? (.v4(bytes.network(at: start + 12)), .v4(bytes.network(at: start + 16)))
            : (.v6(bytes.network(at: start + 8)), .v6(bytes.network(at: start + 24)))
        self.init(
            source: source, destination: destination,
            port: PortPoint(protocolNumber: number, port: port))
    }
}

extension TraceStep.Verdict {
    fileprivate init(_ code: Int32, _ chain: String) {
        switch code {
        case NF_DROP: self = .drop
        case NF_ACCEPT: self = .accept
        case NFT_CONTINUE.rawValue: self = .goesOn
        case NFT_RETURN.rawValue: self = .returns
        case NFT_JUMP.rawValue: self = .jump(chain)
        case NFT_GOTO.rawValue: self = .goto(chain)
        default: self = .other(code)
        }
    }
}

/// The table that asks for traces, as one batch.
private struct TraceBatch {
    let table: String
    let first: UInt32
    var writer = NetlinkWriter()
    private(set) var count = 0
    private let family = TableFamily.inet.kernelNumber

    init(table: String, first: UInt32) {
        self.table = table
        self.first = first
    }

    mutating func encode(_ flows: [Flow], _ hooks: [Chain.Hook.Point], _ priority: Int32) {
        frame(UInt16(NFNL_MSG_BATCH_BEGIN))
        message(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL) { writer, table in
            writer.put(NFTA_TABLE_NAME, table)
            writer.put(NFTA_TABLE_FLAGS, number: UInt32(NFT_TABLE_F_OWNER.rawValue))
        }
        for hook in hooks {
            message(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL) { writer, table in
                writer.put(NFTA_CHAIN_TABLE, table)
                writer.put(NFTA_CHAIN_NAME, hook.rawValue)
                writer.put(NFTA_CHAIN_TYPE, "filter")
                writer.put(NFTA_CHAIN_POLICY, number: UInt32(NF_ACCEPT))
                writer.nest(NFTA_CHAIN_HOOK) {
                    $0.put(NFTA_HOOK_HOOKNUM, number: hook.kernelNumber)
                    $0.put(NFTA_HOOK_PRIORITY, number: UInt32(bitPattern: priority))
                }
            }
            for (index, flow) in flows.enumerated() {
                let isLast = hook == hooks.last && index == flows.count - 1
                let flags = NLM_F_CREATE | NLM_F_APPEND | (isLast ? NLM_F_ACK : 0)
                message(NFT_MSG_NEWRULE, flags) { writer, table in
                    writer.put(NFTA_RULE_TABLE, table)
                    writer.put(NFTA_RULE_CHAIN, hook.rawValue)
                    writer.nest(NFTA_RULE_EXPRESSIONS) { $0.tracing(flow) }
                }
            }
        }
        frame(UInt16(NFNL_MSG_BATCH_END))
    }

    private mutating func frame(_ type: UInt16) {
        count += 1
        writer.beginMessage(
            type: type, flags: UInt16(NLM_F_REQUEST), sequence: first + UInt32(count),
            family: UInt8(AF_UNSPEC), resource: UInt16(NFNL_SUBSYS_NFTABLES))
        writer.endMessage()
    }

    private mutating func message(
        _ type: nf_tables_msg_types, _ flags: Int32,
        _ attributes: (inout NetlinkWriter, String) -> Void
    ) {
        count += 1
        writer.beginMessage(
            type: messageType(NFNL_SUBSYS_NFTABLES, type.rawValue),
            flags: UInt16(NLM_F_REQUEST | flags), sequence: first + UInt32(count),
            family: family)
        attributes(&writer, table)
        writer.endMessage()
    }
}

extension NetlinkWriter {
    /// Matches a flow's packets and has them traced.
    fileprivate mutating func tracing(_ flow: Flow) {
        let isIPv4 = flow.source.family == .v4
        loadMeta(NFT_META_NFPROTO)
        compare(NFT_CMP_EQ, [UInt8(isIPv4 ? AF_INET : AF_INET6)])
        let length = isIPv4 ? 4 : 16
        let start = isIPv4 ? 12 : 8
        for (offset, address) in [(start, flow.source), (start + length, flow.destination)] {
            loadPayload(
                NFT_PAYLOAD_NETWORK_HEADER, offset: UInt32(offset), length: UInt32(length))
            let shifts = (0..<length).reversed().map { UInt128($0 * 8) }
            compare(NFT_CMP_EQ, shifts.map { UInt8(truncatingIfNeeded: address.value >> $0) })
        }
        let port = flow.port
        loadMeta(NFT_META_L4PROTO)
        compare(NFT_CMP_EQ, [port.protocolNumber])
        if [IPProtocol.tcp, IPProtocol.udp, IPProtocol.sctp].contains(port.protocolNumber) {
            loadPayload(NFT_PAYLOAD_TRANSPORT_HEADER, offset: 2, length: 2)
            compare(
                NFT_CMP_EQ, [UInt8(port.port >> 8), UInt8(truncatingIfNeeded: port.port)])
        }
        expression("immediate") {
            $0.put(NFTA_IMMEDIATE_DREG, number: Register.first.number)
            $0.nest(NFTA_IMMEDIATE_DATA) { $0.put(NFTA_DATA_VALUE, bytes: [1]) }
        }
        storeMeta(NFT_META_NFTRACE)
    }
}
