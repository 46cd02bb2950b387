// SPDX-License-Identifier: GPL-3.0-or-later
//
// The two values of an inventory that have a grammar of their own: ports (`tcp/5432`,
// `tcp/8000-8100, udp/53`) and capacity (`1000`, `100 per endpoint`, `2000 connections/s`).

import WeirDiagnostics
import WeirModel

extension InventoryReader {
    // MARK: ports

    /// A named port: a comma list in one text, or a list of such texts.
    mutating func readPortSet(_ node: YamlNode, name: String) -> PortSet? {
        var nodes = [node]
        if case .sequence(let items) = node.content { nodes = items }
        guard !nodes.isEmpty else {
            findings.error(
                "bad-port", "port \(quoted(name)) is empty", at: node.range,
                help: "write `tcp/5432`")
            return nil
        }
        var intervals: [PortSet.Interval] = []
        var isGood = true
        for node in nodes {
            guard let text = scalar(node, what: "port \(quoted(name))") else {
                isGood = false
                continue
            }
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                switch parsePorts(trimmed(part)) {
                case .success(let set): intervals += set.intervals
                case .failure(let error):
                    isGood = false
                    findings.error("bad-port", error.message, at: node.range, help: error.help)
                }
            }
        }
        return isGood ? PortSet(intervals) : nil
    }

    // MARK: capacity

    mutating func readCapacity(
        _ node: YamlNode, _ what: String, endpointCount: Int
    ) -> Capacity {
        var capacity = Capacity()
        let parts = fields(
            of: node, what: "the capacity of \(what)", known: ["connections", "rate"])
        for part in parts {
            guard let text = scalar(part.value, what: "`\(part.key)`") else { continue }
            let isRate = part.key == "rate"
            switch parseCapacity(text, isRate: isRate) {
            case .failure(let error):
                findings.error(
                    "bad-capacity", error.message, at: part.value.range, help: error.help)
            case .success(let value):
                let factor = value.isPerEndpoint ? UInt64(endpointCount) : 1
                let (amount, overflow) = value.amount.multipliedReportingOverflow(by: factor)
                guard !overflow else {
                    findings.error(
                        "bad-capacity", "\(quoted(text)) is too much to count",
                        at: part.value.range, help: "write a smaller number")
                    continue
                }
                if isRate {
                    capacity.connectionRate = RatePerInterval(
                        amount: amount, intervalSeconds: value.intervalSeconds)
                } else {
                    capacity.connections = amount
                }
            }
        }
        return capacity
    }
}

/// What is wrong with a value, and what to do.
struct ValueError: Error {
    let message: String
    let help: String
}

private func trimmed(_ text: Substring) -> Substring {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return text
}

/// Reads `tcp/80` or `tcp/8000-8100`.
func parsePorts(_ text: Substring) -> Result<PortSet, ValueError> {
    let failure = { (message: String, help: String) -> Result<PortSet, ValueError> in
        .failure(ValueError(message: message, help: help))
    }
    guard !text.isEmpty else {
        return failure("nothing stands before or after a comma", "write `tcp/80, tcp/443`")
    }
    let shown = quoted(String(text))
    guard let slash = text.firstIndex(of: "/") else {
        if portNumber(text) != nil {
            return failure("port \(shown) does not say its protocol", "write `tcp/\(text)`")
        }
        return failure("\(shown) is no port", "write `tcp/5432`, `udp/53` or `tcp/8000-8100`")
    }
    let (name, ports) = (text[..<slash], text[text.index(after: slash)...])
    guard let number = IPProtocol.number(named: name), IPProtocol.hasPorts(number) else {
        let near = nearestName(to: String(name), among: ["tcp", "udp", "sctp"])
        return failure(
            "\(quoted(String(name))) in \(shown) is no protocol with ports",
            near.map { "did you mean `\($0)`?" } ?? "it is `tcp`, `udp` or `sctp`")
    }
    let ends = ports.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = ends.first.flatMap(portNumber), let last = ends.last.flatMap(portNumber)
    else {
        return failure("\(shown) is no port", "ports run from 1 to 65535: `\(name)/5432`")
    }
    guard first <= last else {
        return failure("\(shown) runs backwards", "write `\(name)/\(last)-\(first)`")
    }
    return .success(.ports(number, first, last))
}

private func portNumber(_ text: Substring) -> UInt16? {
    guard let number = wholeNumber(text), (1...65535).contains(number) else { return nil }
    return UInt16(number)
}

/// Decimal digits only; nil for anything else and for numbers over 64 bits.
private func wholeNumber(_ text: Substring) -> UInt64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return UInt64(text)
}

/// One declared capacity.
struct CapacityValue: Equatable {
    let amount: UInt64
    /// 1, 60 or 3600; 1 where it is no rate.
    let intervalSeconds: UInt64
    let isPerEndpoint: Bool
}

/// Reads `1000`, `100 connections per endpoint`, or for rates `2000 connections/s per endpoint`.
func parseCapacity(_ text: String, isRate: Bool) -> Result<CapacityValue, ValueError> {
    let help =
        isRate
        ? "write `2000 connections/s` or `20 connections/m per endpoint`"
        : "write `1000` or `100 per endpoint`"
    let failure = Result<CapacityValue, ValueError>.failure(
        ValueError(
            message: "\(quoted(text)) is no \(isRate ? "rate of connections" : "number")"
                + "\(isRate ? "" : " of connections")",
            help: help))
    var words = text.split(separator: " ")
    guard let number = words.first else { return failure }
    words.removeFirst()
    guard let amount = wholeNumber(number) else { return failure }
    guard amount > 0 else {
        return .failure(
            ValueError(
                message: "a capacity of 0 takes nothing",
                help: "leave it out if it is not known; to shut a service, write a policy"))
    }
    var interval: UInt64 = 1
    if isRate {
        let intervals: [Substring: UInt64] = [
            "connections/s": 1, "connections/m": 60, "connections/h": 3600,
        ]
        guard let unit = words.first, let seconds = intervals[unit] else { return failure }
        interval = seconds
        words.removeFirst()
    } else if words.first == "connections" {
        words.removeFirst()
    }
    guard words.isEmpty || words == ["per", "endpoint"] else { return failure }
    return .success(
        CapacityValue(amount: amount, intervalSeconds: interval, isPerEndpoint: !words.isEmpty))
}
