// SPDX-License-Identifier: GPL-3.0-or-later
//
// `checkout -> orders-db tcp/5432`: a flow as an operator types it, for `explain` and `trace`.
// A service stands for its endpoints, so one text may mean many flows.

import WeirDiagnostics
public import WeirModel
import WeirSyntax

/// Why a text is no flow, and what to do.
public struct FlowError: Error, Equatable, Sendable {
    /// Lower case, no final period, the operator's text in backticks.
    public let message: String
    public let help: String
}

/// The most flows that one text stands for; the rest is left out.
public let flowLimit = 1_024

/// Reads `SOURCE [->] DESTINATION PORT` against a policy set.
///
/// - Ends are addresses or names of services, quoted where they hold spaces. A service stands for
///   each of its endpoints, in the order of the inventory.
/// - The port is `tcp/5432`, `udp/53`, `sctp/…`, `icmp/echo-request`, `icmpv6/…`, `icmp/8`, or the
///   name of a port of the destination service. It may be left out where the destination service
///   has exactly one. Of a port that is a list of ranges the first of each is taken.
/// - Returns: every pair of one address family, at most ``flowLimit``, never empty; the first is
///   the pair of first endpoints.
public func parseFlow(_ text: String, in policySet: PolicySet) -> Result<[Flow], FlowError> {
    do throws(FlowError) {
        return .success(try FlowReader(landscape: policySet.landscape).flows(text))
    } catch {
        return .failure(error)
    }
}

private struct FlowReader {
    let landscape: Landscape

    /// One end: its addresses, and the service if a name was given.
    private struct End {
        let text: String
        let addresses: [IPAddress]
        let service: Service?
    }

    func flows(_ text: String) throws(FlowError) -> [Flow] {
        let sample = "write `checkout -> orders-db tcp/5432`"
        var words = try self.words(text)
        if words.count > 1, words[1] == "->" || words[1] == "to" { words.remove(at: 1) }
        if words.count == 4, words[2] == "on" { words.remove(at: 2) }
        guard (2...3).contains(words.count) else {
            throw FlowError(
                message: "\(quoted(text)) is no flow: it has a source, a destination and a port",
                help: sample)
        }
        let source = try end(words[0])
        let destination = try end(words[1])
        let points = try self.points(words.count == 3 ? words[2] : nil, destination)
        var found: [Flow] = []
        for from in source.addresses {
            for to in destination.addresses where to.family == from.family {
                for point in points where Self.isPossible(point, to.family) {
                    guard found.count < flowLimit else { return found }
                    found.append(Flow(source: from, destination: to, port: point))
                }
            }
        }
        guard !found.isEmpty else {
            throw FlowError(
                message: "\(quoted(source.text)) and \(quoted(destination.text)) have no addresses"
                    + " of one family for this port",
                help: "give two IPv4 or two IPv6 addresses; `icmp` is IPv4 and `icmpv6` is IPv6")
        }
        return found
    }

    private static func isPossible(_ point: PortPoint, _ family: AddressFamily) -> Bool {
        switch point.protocolNumber {
        case IPProtocol.icmp: family == .v4
        case IPProtocol.icmpv6: family == .v6
        default: true
        }
    }

    /// Words between spaces; `->` is one of its own; quotes hold a word together.
    private func words(_ text: String) throws(FlowError) -> [String] {
        var words: [String] = []
        var rest = Substring(text)
        while true {
            rest = rest.drop { $0.isWhitespace }
            guard let first = rest.first else { return words }
            if first == "\"" {
                rest = rest.dropFirst()
                let word = rest.prefix { $0 != "\"" }
                guard word.endIndex < rest.endIndex else {
                    throw FlowError(
                        message: "\(quoted(text)) has a quote that does not end",
                        help: "add the closing quote")
                }
                words.append(String(word))
                rest = rest[word.endIndex...].dropFirst()
            } else if rest.hasPrefix("->") {
                words.append("->")
                rest = rest.dropFirst(2)
            } else {
                var end = rest.startIndex
                while end < rest.endIndex, !rest[end].isWhitespace,
                    !rest[end...].hasPrefix("->")
                {
                    end = rest.index(after: end)
                }
                words.append(String(rest[..<end]))
                rest = rest[end...]
            }
        }
    }

    private func end(_ text: String) throws(FlowError) -> End {
        if let address = IPAddress(text) {
            return End(text: text, addresses: [address], service: nil)
        }
        if let service = landscape.services.first(where: { $0.name == text }) {
            guard !service.endpoints.isEmpty else {
                throw FlowError(
                    message: "service \(quoted(text)) has no endpoints", help: "give an address")
            }
            return End(text: text, addresses: service.endpoints, service: service)
        }
        if case .success = AddressRange.parse(text) {
            throw FlowError(
                message: "\(quoted(text)) is more than one address", help: "give one of them")
        }
        if landscape.zones.contains(where: { $0.name == text }) {
            throw FlowError(
                message: "\(quoted(text)) is a zone, not one address",
                help: "give an address in it")
        }
        let near = nearestName(to: text, among: landscape.services.map(\.name))
        throw FlowError(
            message: "\(quoted(text)) is neither an address nor a service",
            help: near.map { "did you mean `\($0)`?" } ?? "give an address")
    }

    private func points(_ text: String?, _ destination: End) throws(FlowError) -> [PortPoint] {
        let named = destination.service?.ports ?? [:]
        guard let text else {
            if named.count == 1, let only = named.values.first { return firsts(of: only) }
            throw FlowError(
                message: "the flow has no port",
                help: named.isEmpty
                    ? "add one, such as `tcp/443`"
                    : "add one, such as `tcp/443`, or one of \(list(named.keys.sorted()))")
        }
        if let set = named[text] { return firsts(of: set) }
        guard let slash = text.firstIndex(of: "/") else {
            let near = nearestName(to: text, among: named.keys)
            throw FlowError(
                message: named.isEmpty || destination.service == nil
                    ? "\(quoted(text)) is no port"
                    : "\(quoted(text)) is no port of \(quoted(destination.text))",
                help: near.map { "did you mean `\($0)`?" }
                    ?? "write `tcp/443` or `icmp/echo-request`"
            )
        }
        return [try point(text, text[..<slash], text[text.index(after: slash)...])]
    }

    private func point(
        _ text: String, _ name: Substring, _ detail: Substring
    ) throws(FlowError) -> PortPoint {
        guard let number = IPProtocol.number(named: name) else {
            let near = nearestName(
                to: String(name), among: ["tcp", "udp", "sctp", "icmp", "icmpv6"])
            throw FlowError(
                message: "\(quoted(String(name))) is no protocol",
                help: near.map { "did you mean `\($0)`?" } ?? "write `tcp/443`")
        }
        if IPProtocol.hasPorts(number) {
            guard let port = UInt16(detail), "\(port)" == detail else {
                throw FlowError(
                    message: "\(quoted(String(detail))) is no port number",
                    help: "write one number from 0 to 65535: `\(name)/443`")
            }
            return PortPoint(protocolNumber: number, port: port)
        }
        let types = number == IPProtocol.icmp ? ICMPTypes.version4 : ICMPTypes.version6
        if let type = types[String(detail)] ?? UInt8(detail) {
            return PortPoint(protocolNumber: number, port: UInt16(type))
        }
        let near = nearestName(to: String(detail), among: types.keys)
        throw FlowError(
            message: "\(quoted(String(detail))) is no type of \(name)",
            help: near.map { "did you mean `\($0)`?" } ?? "write `\(name)/echo-request`")
    }

    private func firsts(of ports: PortSet) -> [PortPoint] {
        ports.intervals.map { PortPoint(rawValue: $0.first) }
    }

    private func list(_ names: [String]) -> String {
        names.map { quoted($0) }.joined(separator: ", ")
    }
}
