// SPDX-License-Identifier: GPL-3.0-or-later
//
// From the tree of an inventory to a landscape: zones and services, each value checked where it
// stands. Every function takes one node and reports all that is wrong below it.

public import WeirDiagnostics
public import WeirModel

/// Reads one inventory (design, section 2).
///
/// The landscape holds what could be read; it is to be used only if no diagnostic is an error.
/// Names of services, zones, labels and ports are at most 100 bytes. Amounts "per endpoint" are
/// multiplied by the service's own endpoints. Never fails on any bytes.
public func readInventory(_ text: SourceText, id: SourceID) -> (Landscape, [Diagnostic]) {
    if let offset = firstInvalidUTF8(text.bytes) {
        let place = SourceRange(source: id, start: offset, end: offset + 1)
        let diagnostic = Diagnostic(
            .error, "invalid-utf8", "the inventory is not UTF-8 here", at: place,
            help: "save the file as UTF-8")
        return (Landscape(), [diagnostic])
    }
    let (root, diagnostic) = YamlComposer.compose(text, id: id)
    if let diagnostic { return (Landscape(), [diagnostic]) }
    guard let root, !root.isNull else {
        let diagnostic = Diagnostic(
            .error, "empty-inventory", "the inventory is empty",
            at: SourceRange(source: id, start: 0, end: 0),
            help: "declare `services:` or `zones:`, `services: {}` if there are none yet")
        return (Landscape(), [diagnostic])
    }
    var reader = InventoryReader()
    reader.readInventory(root)
    return (
        Landscape(services: reader.services, zones: reader.zones), reader.findings.finish()
    )
}

/// Offset of the first byte that is no part of valid UTF-8.
private func firstInvalidUTF8(_ bytes: [UInt8]) -> Int? {
    if String(validating: bytes, as: UTF8.self) != nil { return nil }
    var decoder = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var offset = 0
    while true {
        switch decoder.parseScalar(from: &iterator) {
        case .valid(let scalar): offset += scalar.count
        case .error: return min(offset, max(0, bytes.count - 1))
        case .emptyInput: return nil
        }
    }
}

/// The state of reading one inventory.
struct InventoryReader {
    /// One `key: value` of a mapping.
    struct Field {
        let key: String
        let keyRange: SourceRange
        let value: YamlNode
    }

    /// Longest name in bytes: it must fit into a kernel comment with its prefix.
    static let nameLimit = 100

    var findings = InventoryFindings()
    var services: [Service] = []
    var zones: [Zone] = []

    mutating func readInventory(_ root: YamlNode) {
        for field in fields(of: root, what: "the inventory", known: ["zones", "services"]) {
            switch field.key {
            case "zones": readZones(field.value)
            default: readServices(field.value)
            }
        }
        reportOverlaps(of: zones, into: &findings)
    }

    // MARK: zones

    private mutating func readZones(_ node: YamlNode) {
        for field in fields(of: node, what: "`zones`") {
            guard checkName(field, what: "zone") else { continue }
            var ranges: [AddressRange] = []
            for item in items(of: field.value, what: "zone \(quoted(field.key))") {
                if let range = readRange(item) { ranges.append(range) }
            }
            zones.append(Zone(name: field.key, ranges: ranges, origin: field.keyRange))
        }
    }

    private mutating func readRange(_ node: YamlNode) -> AddressRange? {
        guard let text = scalar(node, what: "an address range") else { return nil }
        switch AddressRange.parse(text) {
        case .success(let range): return range
        case .failure(let error):
            reportAddress(text, error, at: node.range)
            return nil
        }
    }

    // MARK: services

    private mutating func readServices(_ node: YamlNode) {
        for field in fields(of: node, what: "`services`") {
            guard checkName(field, what: "service") else { continue }
            readService(field)
        }
    }

    private mutating func readService(_ service: Field) {
        let what = "service \(quoted(service.key))"
        let parts = fields(
            of: service.value, what: what, known: ["labels", "ports", "capacity", "endpoints"])
        let part = { (key: String) in parts.first { $0.key == key }?.value }
        // A misspelt `endpoints` was reported as an unknown key: one message is enough.
        if part("endpoints") == nil, case .mapping(let entries) = service.value.content,
            entries.count == parts.count
        {
            findings.error(
                "missing-endpoints", "\(what) does not say what its endpoints are",
                at: service.keyRange,
                help: "add `endpoints:` with its addresses, `endpoints: []` if it has none now")
        }
        let endpoints = part("endpoints").map { readEndpoints($0, what) } ?? []
        services.append(
            Service(
                name: service.key,
                labels: part("labels").map { readLabels($0, what) } ?? [:],
                ports: part("ports").map { readPorts($0, what) } ?? [:],
                capacity: part("capacity").map {
                    readCapacity($0, what, endpointCount: endpoints.count)
                } ?? Capacity(),
                endpoints: endpoints, origin: service.keyRange))
    }

    private mutating func readLabels(_ node: YamlNode, _ what: String) -> [String: String] {
        var labels: [String: String] = [:]
        for field in fields(of: node, what: "the labels of \(what)") {
            guard checkName(field, what: "label"),
                let value = scalar(field.value, what: "label \(quoted(field.key))")
            else { continue }
            guard isName(value) else {
                reportName(value, what: "label value", at: field.value.range)
                continue
            }
            labels[field.key] = value
        }
        return labels
    }

    private mutating func readPorts(_ node: YamlNode, _ what: String) -> [String: PortSet] {
        var ports: [String: PortSet] = [:]
        for field in fields(of: node, what: "the ports of \(what)") {
            guard checkName(field, what: "port") else { continue }
            if let set = readPortSet(field.value, name: field.key) { ports[field.key] = set }
        }
        return ports
    }

    private mutating func readEndpoints(_ node: YamlNode, _ what: String) -> [IPAddress] {
        let items = items(of: node, what: "the endpoints of \(what)")
        var addresses: [IPAddress] = []
        addresses.reserveCapacity(items.count)
        var seen: [IPAddress: SourceRange] = [:]
        seen.reserveCapacity(items.count)
        for item in items {
            guard let address = readEndpoint(item) else { continue }
            if let first = seen.updateValue(item.range, forKey: address) {
                findings.error(
                    "duplicate-endpoint", "\(what) has the endpoint `\(address)` twice",
                    at: item.range,
                    related: [RelatedPlace(range: first, message: "first here")],
                    help: "remove one of them")
                seen[address] = first
                continue
            }
            addresses.append(address)
        }
        return addresses
    }

    private mutating func readEndpoint(_ node: YamlNode) -> IPAddress? {
        guard let text = scalar(node, what: "an endpoint") else { return nil }
        if let address = IPAddress(text) { return address }
        switch AddressRange.parse(text) {
        case .success(let range):
            let help =
                range.first == range.last
                ? "write `\(IPAddress(family: range.family, value: range.first))`"
                : "list its addresses; blocks belong into `zones:` or into a policy"
            findings.error(
                "endpoint-is-block", "an endpoint is one address, not \(quoted(text))",
                at: node.range, help: help)
        case .failure(.hostBitsSet):
            let address = text.prefix { $0 != "/" }
            findings.error(
                "endpoint-is-block", "an endpoint is one address, not \(quoted(text))",
                at: node.range, help: "write `\(address)`")
        case .failure(let error):
            reportAddress(text, error, at: node.range)
        }
        return nil
    }

    private mutating func reportAddress(
        _ text: String, _ error: AddressRange.ParseError, at range: SourceRange
    ) {
        let (message, help) = describe(error, in: text)
        findings.error("bad-address", message, at: range, help: help)
    }
}

/// What is wrong with a text as an address or range of addresses, and what to do.
private func describe(
    _ error: AddressRange.ParseError, in text: String
) -> (message: String, help: String) {
    switch error {
    case .notAnAddress(let part):
        (
            "\(quoted(part)) is no IPv4 or IPv6 address",
            "write `10.1.3.10` or `\"2001:db8::10\"`; names are not looked up"
        )
    case .badPrefixLength(let length):
        (
            "\(quoted(length)) is no prefix length of \(quoted(text))",
            "a prefix has 0 to 32 bits for IPv4 and 0 to 128 for IPv6"
        )
    case .hostBitsSet(let block):
        ("\(quoted(text)) has bits set below its prefix", "did you mean `\(block)`?")
    case .mixedFamilies:
        ("\(quoted(text)) mixes IPv4 and IPv6", "write one range for each family")
    case .reversed: ("\(quoted(text)) runs backwards", "write the lower address first")
    }
}
