// SPDX-License-Identifier: GPL-3.0-or-later
//
// The grammar of ports. A raw word such as `tcp/8000-8100` is split here into its parts.

import WeirDiagnostics

extension Parser {
    mutating func portList() -> [PortExpression]? {
        let node = open(.portList)
        defer { close(node) }
        var ports: [PortExpression] = []
        repeat {
            if at(.comma) { take(.punctuation) }
            guard let port = portExpression() else { return nil }
            ports.append(port)
        } while at(.comma)
        return ports
    }

    mutating func portExpression() -> PortExpression? {
        let node = open(.portExpression)
        defer { close(node) }
        let start = current.start
        guard at(.word) else {
            return name("a port", isOperand: true).map {
                PortExpression(kind: .name($0), range: range(from: start))
            }
        }
        let word = bytes(current)
        if current.keyword == .any {
            take(.keyword)
            return PortExpression(kind: .any, range: range(from: start))
        }
        if let slash = word.firstIndex(of: UInt8(ascii: "/")), isName(word[..<slash]) {
            return protocolAndPort(slash: slash)
        }
        if KeywordSet.transports.contains(current.keyword) { return bareProtocol() }
        if let first = word.first, isDigit(first) {
            let ports = String(decoding: word, as: UTF8.self)
            error(
                "port-without-protocol", "port \(quoted(word)) needs its protocol",
                at: range(current), help: "write `tcp/\(ports)` or `udp/\(ports)`",
                fixIts: [insertion("tcp/", at: start, "make it TCP")])
            take(.unexpected)
            return PortExpression(kind: .any, range: range(from: start))
        }
        return name("a port", isOperand: true).map {
            PortExpression(kind: .name($0), range: range(from: start))
        }
    }

    private mutating func bareProtocol() -> PortExpression {
        let place = range(current)
        let word = text(current)
        take(.keyword)
        let kind: PortExpression.Kind =
            if let transport = PortExpression.Transport(rawValue: word) {
                .transport(transport, nil)
            } else {
                .icmp(word == "icmp" ? .icmp : .icmpv6, type: nil)
            }
        return PortExpression(kind: kind, range: place)
    }

    private mutating func protocolAndPort(slash: Int) -> PortExpression? {
        let start = current.start
        let word = source.text(in: start..<slash)
        let isKnown = KeywordSet.transports.keywords.contains { $0.text == word }
        if !isKnown {
            let known = KeywordSet.transports.keywords.map(\.text)
            let near =
                ["icmp6", "ipv6-icmp"].contains(word)
                ? "icmpv6" : nearestName(to: word.lowercased(), among: known)
            let place = range(start, slash)
            error(
                "unknown-protocol", "unknown protocol \(quoted(word))", at: place,
                help: near.map { "did you mean `\($0)`?" } ?? "write \(alternatives(known))",
                fixIts: near.map { [replacement(of: place, by: $0)] } ?? [])
            take(.unexpected)
            return PortExpression(kind: .any, range: range(from: start))
        }
        take(prefix: slash - start, .keyword)
        take(prefix: 1, .punctuation)
        guard isAdjacent, at(.word) || at(.string) else {
            let isICMP = word.hasPrefix("icmp")
            error(
                "bad-port",
                "expected \(isICMP ? "a type" : "a port number") right after `\(word)/`",
                at: gap, help: "write `\(word)` alone for all of it")
            return nil
        }
        if let transport = PortExpression.Transport(rawValue: word) {
            let ports = portRange(word)
            return PortExpression(kind: .transport(transport, ports), range: range(from: start))
        }
        let version: PortExpression.ICMPVersion = word == "icmp" ? .icmp : .icmpv6
        let type = icmpType(version)
        return PortExpression(kind: .icmp(version, type: type), range: range(from: start))
    }

    /// `80` or `8000-8100`; what is wrong is reported and taken whole.
    private mutating func portRange(_ transport: String) -> PortExpression.PortRange? {
        let place = range(current)
        let parts = bytes(current).split(
            separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isDigit) }) else {
            let isEvery = current.end - current.start == 1 && source.bytes[current.start] == 0x2A
            error(
                "bad-port", "\(quoted(bytes(current))) is not a port number", at: place,
                help: isEvery
                    ? "write `\(transport)` alone for every port"
                    : isName(bytes(current))
                        ? "a port's name stands without `\(transport)/`"
                        : "write `\(transport)/80` or `\(transport)/8000-8100`")
            take(.unexpected)
            return nil
        }
        let first = portNumber(parts[0])
        guard parts.count == 2 else { return first.map { .init(first: $0, last: $0) } }
        take(prefix: 1, .punctuation)
        guard let first, let last = portNumber(parts[1]) else {
            if first == nil { take(.number) }
            return nil
        }
        guard first <= last else {
            error(
                "reversed-range", "the range \(quoted(source.bytes[place.bytes])) is reversed",
                at: place, help: "write `\(last)-\(first)`",
                fixIts: [replacement(of: place, by: "\(last)-\(first)")])
            return nil
        }
        return .init(first: first, last: last)
    }

    private mutating func portNumber(_ digits: ArraySlice<UInt8>) -> UInt16? {
        let place = range(digits.startIndex, digits.endIndex)
        take(prefix: digits.count, .number)
        if let number = UInt16(String(decoding: digits, as: UTF8.self)) { return number }
        error(
            "port-out-of-range", "port \(quoted(digits)) is more than 65535", at: place,
            help: "ports go up to 65535")
        return nil
    }

    private mutating func icmpType(_ version: PortExpression.ICMPVersion) -> Name? {
        let place = range(current)
        let type = text(current)
        let known = version == .icmp ? ICMPTypes.version4 : ICMPTypes.version6
        guard known[type] == nil else {
            take(.name)
            return Name(text: type, range: place)
        }
        let numbered = known.first { "\($0.value)" == type }?.key
        let meant = numbered ?? nearestName(to: type.lowercased(), among: known.keys)
        error(
            "unknown-icmp-type", "\(quoted(type)) is no type of \(version.rawValue)", at: place,
            help: meant.map { numbered == nil ? "did you mean `\($0)`?" : "write `\($0)`" }
                ?? "types are \(alternatives(known.keys.sorted()))",
            fixIts: meant.map { [replacement(of: place, by: $0)] } ?? [])
        take(.unexpected)
        return nil
    }
}
