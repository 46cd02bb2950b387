// SPDX-License-Identifier: GPL-3.0-or-later
//
// A ruleset that uses every statement, every kind of set and every kind of element once, so that
// what is written to the kernel can be held against what nft makes of the same text.

import WeirModel
import WeirRuleset

/// - Parameter now: elements that expire do so ten minutes later.
func everyStatement(now: Int64) -> Ruleset {
    var ruleset = Ruleset()
    ruleset.revision = Revision(contentHash: "c0ffee", gitCommit: "deadbeef")
    ruleset.objects = [
        "allowed_1": NamedObject(kind: .counter, comment: "emergency.failover"),
        "rejected_2": NamedObject(kind: .counter),
        "rate_1": NamedObject(
            kind: .limit(RateLimit(rate: 50, burst: 7)), comment: "resilience.protect"),
        "bytes_1": NamedObject(
            kind: .limit(
                RateLimit(rate: 5_000_000, burst: 100_000, unit: .bytes, over: true))),
    ]
    ruleset.sets = exactMaps(now: now)
    for more in [intervalSets(now: now), otherSets()] {
        ruleset.sets.merge(more) { set, _ in set }
    }
    ruleset.chains = everyChain()
    return ruleset
}

private let interaction: [FieldType] = [.classid, .mark, .inetProto, .inetService]

private func exactMaps(now: Int64) -> [String: NamedSet] {
    let v4 = { (text: String) in IPAddress(text)!.value }
    let v6 = { (text: String) in ElementKey(IPAddress(text)!.value) }
    let inTenMinutes = now + 600_000
    return [
        "src4": NamedSet(
            key: [.ipv4Address], kind: .map(.classid), size: 64,
            elements: [
                ElementKey(v4("10.0.0.1")): Element(value: .number(1)),
                ElementKey(v4("10.0.0.2")): Element(
                    value: .number(0x8000_0001), comment: "says \"hi\""),
            ]),
        "dst6": NamedSet(
            key: [.ipv6Address], kind: .map(.mark),
            elements: [v6("fd00::1"): Element(value: .number(7))]),
        "adm": NamedSet(
            key: interaction, kind: .map(.classid), flags: .timeout, size: 1024,
            elements: [
                ElementKey(fields: 1, 2, 6, 80): Element(
                    value: .number(0x8000_0001), expiresAtMilliseconds: inTenMinutes,
                    comment: "emergency.failover"),
                ElementKey(fields: 1, 2, 17, 53): Element(value: .number(0x8000_0002)),
            ]),
        "counters": NamedSet(
            key: [.classid], kind: .objectMap(.counter), size: 100,
            elements: [
                ElementKey(0x8000_0001): Element(value: .object("allowed_1"), comment: "one"),
                ElementKey(0x9000_0002): Element(value: .object("rejected_2")),
            ]),
        "rates": NamedSet(
            key: interaction, kind: .objectMap(.limit),
            elements: [ElementKey(fields: 1, 2, 6, 80): Element(value: .object("rate_1"))]),
    ]
}

private func intervalSets(now: Int64) -> [String: NamedSet] {
    let v4 = { (text: String) in IPAddress(text)!.value }
    let inTenMinutes = now + 600_000
    return [
        "ranges": NamedSet(
            key: [.classid, .ipv4Address, .inetService], kind: .map(.classid), flags: .interval,
            elements: [
                ElementKey(fields: 1, 0, 80).through(1, .max, 90): Element(
                    value: .number(5), comment: "range"),
                ElementKey(fields: 2, 1, 443): Element(value: .number(6)),
            ]),
        "networks": NamedSet(
            key: [.ipv4Address], kind: .map(.classid), flags: [.interval, .timeout],
            elements: [
                ElementKey(v4("10.0.0.0"), through: v4("10.255.255.255")): Element(
                    value: .number(1), comment: "ten"),
                ElementKey(v4("11.0.0.0"), through: v4("12.0.0.7")): Element(
                    value: .number(2), expiresAtMilliseconds: inTenMinutes),
                ElementKey(v4("240.0.0.0"), through: v4("255.255.255.255")): Element(
                    value: .number(3), comment: "to the end"),
            ]),
        "classes": NamedSet(
            key: [.classid], flags: .interval,
            elements: [ElementKey(0x7000_0000, through: 0x7000_FFFF): Element()]),
        "ports": NamedSet(
            key: [.inetService], flags: .interval,
            elements: [ElementKey(0, through: 1023): Element(), ElementKey(8080): Element()]),
    ]
}

private func otherSets() -> [String: NamedSet] {
    [
        "types4": NamedSet(
            key: [.classid, .mark, .icmpType], elements: [ElementKey(fields: 1, 2, 8): Element()]),
        "types6": NamedSet(
            key: [.classid, .icmpv6Type], elements: [ElementKey(fields: 1, 128): Element()]),
        "echo": NamedSet(key: [.icmpType], elements: [ElementKey(8): Element()]),
        "echo6": NamedSet(key: [.icmpv6Type], elements: [ElementKey(128): Element()]),
        "tos": NamedSet(
            key: [.dscp], elements: [ElementKey(8): Element(), ElementKey(46): Element()]),
        "fixed": NamedSet(
            key: [.mark], flags: .constant, elements: [ElementKey(3): Element()]),
        "caps": NamedSet(
            key: [.classid], countsConnections: true,
            elements: [
                ElementKey(0x7000_0001): Element(connectionCount: 6, comment: "resilience.protect"),
                ElementKey(0x7000_0002): Element(connectionCount: 4),
            ]),
        "marks": NamedSet(
            key: [.ctID], kind: .map(.mark), flags: [.dynamic, .timeout], size: 4096,
            timeoutMilliseconds: 5000),
        "sources": NamedSet(
            key: [.classid, .ipv4Address], flags: [.dynamic, .timeout], size: 65535,
            timeoutMilliseconds: 60_000),
        "sources6": NamedSet(
            key: [.classid, .ipv6Address], flags: [.dynamic, .timeout], size: 65535,
            timeoutMilliseconds: 90_061_001),
        "counted": NamedSet(
            key: [.classid, .ipv4Address], flags: .dynamic, size: 1000),
    ]
}

extension ElementKey {
    fileprivate func through(_ fields: UInt32...) -> ElementKey {
        ElementKey(first, through: fields.reduce(UInt128(0)) { $0 << 32 | UInt128($1) })
    }
}

private func everyChain() -> [String: Chain] {
    let key: [Selector] = [.priority, .mark, .l4proto, .destinationPort]
    return [
        "forward": Chain(
            hook: .init(point: .forward, priority: -160),
            rules: [
                Rule([.connectionState([.established, .related]), .verdict(.accept)]),
                Rule([.connectionState([.new]), .equals(.mark, 0), .verdict(.goto("admit"))]),
                Rule(
                    [.learn([.ctID], data: .mark, map: "marks"), .verdict(.goto("admit"))],
                    comment: "keep the \"mark\""),
                Rule([.verdict(.drop)]),
            ]),
        "admit": Chain(rules: admitRules(key)),
        "limits": Chain(rules: limitRules(key)),
        "refuse": Chain(
            rules: [
                Rule([.l4proto(6), .rejectWithReset]),
                Rule([.rejectWithReset]),
                Rule([.rejectProhibited]),
            ]),
        "effects": Chain(
            rules: [
                Rule([.inputInterface("eth0"), .outputInterface("vlan*"), .verdict(.accept)]),
                Rule([.sample(oneIn: 10), .log(prefix: "weir: shed ", group: 5)]),
                Rule([.setDSCP(.ipv4, 46)]),
                Rule([.setDSCP(.ipv6, 46)]),
                Rule([.ecnCapable(.ipv4), .markECN(.ipv4)]),
                Rule([.ecnCapable(.ipv6), .markECN(.ipv6)]),
                Rule([.connectionConfirmed, .verdict(.return)]),
                Rule([.hopLimit(255), .lookup([.icmpv6Type], set: "echo6"), .verdict(.accept)]),
                Rule([.setConnectionZone(0xFE17)]),
                Rule([.day(1), .hours(32_400, 61_199), .verdict(.return)]),
                Rule([.connectionDirection(.original), .verdict(.jump("empty"))]),
                Rule([.connectionDirection(.reply), .verdict(.jump("empty"))]),
                Rule([.lookup([.sourcePort], set: "ports"), .verdict(.return)]),
                Rule([.lookup([.dscp], set: "tos"), .set(.priority, 2)]),
                Rule([.lookup([.mark], set: "fixed"), .verdict(.return)]),
                Rule([.networkFamily(.ipv6), .verdict(.return)], comment: "no IPv4 here"),
            ]),
        "empty": Chain(),
    ]
}

private func admitRules(_ key: [Selector]) -> [Rule] {
    [
        Rule([.set(.priority, 0), .set(.mark, 0)]),
        Rule([.setFromMap(.priority, [.ipSource], map: "src4")]),
        Rule([.setFromMap(.priority, [.ipDestination], map: "networks")]),
        Rule([.setFromMap(.mark, [.ip6Destination], map: "dst6")]),
        Rule([.setFromMap(.mark, [.ip6Source], map: "dst6")]),
        Rule([.setFromMap(.priority, key, map: "adm")]),
        Rule([.setFromMap(.priority, [.priority, .ipSource, .destinationPort], map: "ranges")]),
        Rule([.inRange(.priority, 0x8000_0000, 0x8FFF_FFFF), .verdict(.jump("limits"))]),
        Rule([.inRange(.mark, 1, 5), .verdict(.goto("refuse"))]),
        Rule([.differs(.priority, 0), .differs(.mark, 0), .verdict(.jump("empty"))]),
        Rule([.equals(.priority, 0x8000_0001), .counter("allowed_1"), .verdict(.accept)]),
        Rule([.lookup([.priority, .mark, .icmpType], set: "types4"), .verdict(.accept)]),
        Rule([.lookup([.priority, .icmpv6Type], set: "types6"), .verdict(.accept)]),
        Rule([.lookup([.icmpType], set: "echo"), .verdict(.accept)]),
        Rule([.missing([.destinationPort], set: "ports"), .verdict(.accept)]),
        Rule([.set(.mark, 0), .setFromMap(.mark, [.ctID], map: "marks")]),
        Rule([.verdict(.goto("effects"))]),
    ]
}

private func limitRules(_ key: [Selector]) -> [Rule] {
    let perSource = RateLimit(rate: 100, burst: 200)
    return [
        Rule([.object(.counter, [.priority], map: "counters")], comment: "counts"),
        Rule([.object(.limit, key, map: "rates"), .verdict(.return)]),
        Rule([.limit(RateLimit(rate: 9, intervalSeconds: 60, burst: 5)), .verdict(.accept)]),
        Rule([
            .limit(RateLimit(rate: 3000, burst: 4096, unit: .bytes, over: true)), .verdict(.drop),
        ]),
        Rule([
            .networkFamily(.ipv4),
            .learnLimit([.priority, .ipSource], perSource, set: "sources"), .verdict(.return),
        ]),
        Rule([
            .learnLimit([.priority, .ip6Source], perSource, set: "sources6"), .verdict(.return),
        ]),
        Rule([
            .learnConnectionCount([.priority, .ipSource], 5, set: "counted"), .verdict(.return),
        ]),
        Rule([.lookup([.priority], set: "caps"), .verdict(.return)]),
        Rule([.lookup([.priority], set: "classes"), .verdict(.return)]),
        Rule([.verdict(.goto("refuse"))]),
    ]
}
