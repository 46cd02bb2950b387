// SPDX-License-Identifier: GPL-3.0-or-later
//
// The text that `weir compile` prints, exactly. That nft reads it and means by it what weir means
// is tested against the kernel, in WeirKernelTests.

import Testing
import WeirRuleset

@Suite struct NftTextTests {
    @Test func `a small table as text`() {
        let now: Int64 = 1_700_000_000_000
        var ruleset = Ruleset(revision: Revision(contentHash: "c0ffee", gitCommit: "beef"))
        ruleset.objects = [
            "allowed": NamedObject(kind: .counter, comment: "security.\"p\"\n"),
            "rate": NamedObject(
                kind: .limit(
                    RateLimit(rate: 20_000, intervalSeconds: 60, burst: 9, unit: .bytes))),
        ]
        ruleset.sets = [
            "adm": NamedSet(
                key: [.classid, .mark, .inetProto, .inetService], kind: .map(.classid),
                flags: .timeout, size: 64,
                elements: [
                    ElementKey(fields: 0x10, 2, 6, 80): Element(
                        value: .number(0x8000_0001), expiresAtMilliseconds: now + 90_061_001,
                        comment: "emergency.failover"),
                    ElementKey(fields: 2, 2, 6, 80): Element(
                        value: .number(1), expiresAtMilliseconds: now),
                    ElementKey(fields: 1, 2, 6, 81): Element(value: .number(0)),
                ]),
            "caps": NamedSet(
                key: [.classid], size: 5, countsConnections: true,
                elements: [ElementKey(1): Element(connectionCount: 6, comment: "c")]),
            "nets": NamedSet(
                key: [.ipv6Address], flags: [.interval, .timeout],
                elements: [ElementKey(1, through: 1 << 127): Element()]),
            "seen": NamedSet(
                key: [.ctID], kind: .map(.mark), flags: [.dynamic, .timeout], size: 4096,
                timeoutMilliseconds: 5000, elements: [ElementKey(1): Element()]),
        ]
        ruleset.chains = [
            "forward": Chain(
                hook: .init(point: .forward, priority: -160),
                rules: [
                    Rule([.connectionState([.related, .established]), .verdict(.accept)]),
                    Rule(
                        [.setFromMap(.priority, [.mark, .ipSource], map: "adm")],
                        comment: "x\"y"),
                ]),
            "none": Chain(),
        ]
        #expect(ruleset.nftText(nowMilliseconds: now) == smallTable)
    }

    @Test(arguments: [
        (0, "0s"), (999, "999ms"), (1000, "1s"), (61_001, "1m1s1ms"), (86_400_000, "1d"),
        (31_536_000_000, "365d"),
    ])
    func `durations are written in units that nft reads`(milliseconds: UInt64, text: String) {
        let set = NamedSet(key: [.mark], flags: .dynamic, timeoutMilliseconds: milliseconds)
        let table = Ruleset(sets: ["s": set]).nftText(nowMilliseconds: 0)
        #expect(table.contains("\t\ttimeout \(text)\n"))
    }

    @Test func `a bridge says its family in its own words`() {
        let rule = Rule([.networkFamily(.ipv6), .verdict(.drop)])
        #expect(rule.nftText(family: .inet) == "meta nfproto ipv6 drop")
        #expect(rule.nftText(family: .bridge) == "meta protocol ip6 drop")
        #expect(rule.fingerprint(family: .inet) != rule.fingerprint(family: .bridge))
    }

    @Test func `comments are cut between characters`() {
        let long = String(repeating: "ä", count: 70)
        #expect(nftSafe(long) == String(repeating: "ä", count: 64))
        #expect(nftSafe("x" + long).utf8.count == 127)
        #expect(nftSafe("tab\tquote\"nul\0del\u{7F}") == "tab quote'nul del ")
    }

    @Test func `a fingerprint tells rules apart and stays the same`() {
        let rule = Rule([.verdict(.accept)])
        #expect(rule.fingerprint() == 0xC7F5_A7CD_FF17_EA4C)
        #expect(rule.fingerprint() != Rule([.verdict(.accept)], comment: "x").fingerprint())
        #expect(rule.fingerprint() != Rule([.verdict(.drop)]).fingerprint())
    }

    @Test func `a revision survives being written into a set`() {
        for revision in [
            Revision(), Revision(contentHash: "ab"), Revision(gitCommit: "cd"),
            Revision(contentHash: "ab", gitCommit: "cd"),
        ] {
            #expect(Revision(set: revision.set) == revision)
        }
        #expect(Revision(set: nil) == Revision())
        let odd = NamedSet(key: [.mark], elements: [ElementKey(1): Element(comment: "odd")])
        #expect(Revision(set: odd) == Revision())
    }
}

private let smallTable = """
    table inet weir
    delete table inet weir

    table inet weir {
    \tcomment "written by weir: change the policies, not this table"

    \tcounter allowed {
    \t\tcomment "security.'p' "
    \t}

    \tlimit rate {
    \t\trate 20000 bytes/minute burst 9 bytes
    \t}

    \tmap adm {
    \t\ttype classid . mark . inet_proto . inet_service : classid
    \t\tsize 64
    \t\tflags timeout
    \t\telements = {
    \t\t\t0:1 . 2 . 6 . 81 : 0:0,
    \t\t\t0:10 . 2 . 6 . 80 timeout 1d1h1m1s1ms comment "emergency.failover" : 8000:1
    \t\t}
    \t}

    \tset caps {
    \t\ttype classid
    \t\tct count 1
    \t\telements = {
    \t\t\t0:1 ct count 6 comment "c"
    \t\t}
    \t}

    \tset nets {
    \t\ttype ipv6_addr
    \t\tflags interval,timeout
    \t\telements = {
    \t\t\t::1-8000::
    \t\t}
    \t}

    \tset revision {
    \t\ttype mark
    \t\telements = {
    \t\t\t1 comment "content c0ffee",
    \t\t\t2 comment "commit beef"
    \t\t}
    \t}

    \tmap seen {
    \t\ttypeof ct id : meta mark
    \t\tsize 4096
    \t\tflags timeout,dynamic
    \t\ttimeout 5s
    \t}

    \tchain forward {
    \t\ttype filter hook forward priority -160; policy accept;
    \t\tct state established,related accept
    \t\tmeta priority set meta mark . ip saddr map @adm comment "x'y"
    \t}

    \tchain none {
    \t}
    }

    """
