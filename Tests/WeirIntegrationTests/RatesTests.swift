// SPDX-License-Identifier: GPL-3.0-or-later
//
// The rate that each kind of limit really has, against the declared one. A generator sends more
// than is allowed all the time; once the bucket is empty it stays so, and what passes is the rate:
// counted at the gateway's other side, from one thing that passed to the last one in the window,
// so that neither the burst nor the ends of the window count. WEIR_RATES=10 (seconds a
// measurement) runs all three rates of each kind; Tests/Benchmarks/rates prints that table.

import FoundationEssentials
import Glibc
import Synchronization
import Testing
import WeirKernel
import WeirLab
import WeirModel

@Suite(.enabled(if: labCanRun), .serialized)
struct RatesTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let unit: Limit.Unit
        let scope: CountingScope
        let rate: UInt64
        /// Of a datagram with its headers.
        var size = 60
        var sources: Int { scope == .source ? 2 : 1 }

        var testDescription: String { "\(unit) \(scope) \(rate)/s" }
    }

    /// Seconds; nil in CI.
    static let seconds = Double(ProcessInfo.processInfo.environment["WEIR_RATES"] ?? "")

    static var rows: [Row] {
        let scopes = [CountingScope.total, .source]
        guard seconds != nil else {
            return scopes.flatMap {
                [
                    Row(unit: .connections, scope: $0, rate: 200),
                    Row(unit: .packets, scope: $0, rate: 1000),
                    Row(unit: .bytes, scope: $0, rate: 1_000_000, size: 500),
                ]
            }
        }
        return scopes.flatMap { scope in
            [1, 100, 10_000].map { Row(unit: .connections, scope: scope, rate: $0) }
                + [1, 100, 10_000].map { Row(unit: .packets, scope: scope, rate: $0) }
                + [
                    Row(unit: .bytes, scope: scope, rate: 1_000_000, size: 500),
                    Row(unit: .bytes, scope: scope, rate: 30_000_000, size: 1400),
                    Row(unit: .bytes, scope: scope, rate: 1_000_000_000, size: 60_000),
                ]
        }
    }

    @Test(arguments: rows)
    func `the rate is the declared one`(row: Row) throws {
        let gateway = try Gateway(tcp: [], udp: [])
        let lab = gateway.lab
        for segment in lab.segments {
            try lab.gateway.ip("link set \(segment.link) mtu 65000")
            try segment.namespace.ip("link set gate mtu 65000")
            try segment.namespace.loadRuleset(
                "table ip t { chain c { type filter hook input priority 0; policy drop; }; }")
        }
        let sources = (1...row.sources).map { Gateway.address("10.1.0.\($0)") }
        let limit = Limit(
            rate: RatePerInterval(amount: row.rate, intervalSeconds: 1), unit: row.unit,
            scope: row.scope, burst: max(1, row.rate / 5), excess: .drop)
        try gateway.enforce(
            ConstraintTests.policySet([
                Policy(
                    name: "p", layer: 0,
                    interactions: [
                        Interaction(
                            source: .any, destination: ConstraintTests.scape.service("orders-db"))
                    ], limits: [limit])
            ]))
        let units = row.unit == .bytes ? Double(row.rate) / Double(row.size) : Double(row.rate)
        let stream = DatagramStream(
            sources: sources, destination: Gateway.address("10.2.0.1"), port: 7001,
            bytes: row.size, perSecond: Int(units * 1.5 * Double(row.sources)) + 20,
            isManyFlows: row.unit == .connections)
        let isOver = Flag()
        let clients = lab.segment(of: sources[0]).namespace
        let traffic = Background {
            try stream.send(in: clients) { isOver.isSet }
        }
        let link = lab.segment(of: stream.destination).link
        let passed = try lab.gateway.run { () throws in
            try Self.measure(
                link, perUnit: row.unit == .bytes, headers: 14, seconds: Self.seconds ?? 1,
                settles: row.unit == .bytes ? 2.5 : 1)
        }
        isOver.set()
        let sent = try traffic.wait()
        let declared = Double(row.rate) * Double(row.sources)
        let ratio = passed / declared
        let offered = sent * Double(row.unit == .bytes ? row.size : 1) / declared
        print(
            "rate | \(row.testDescription) | declared \(declared) | measured "
                + "\((passed * 100).rounded() / 100) | ratio \((ratio * 1000).rounded() / 1000) | "
                + "offered \((offered * 100).rounded() / 100) times that")
        // What the generator cannot reach says nothing.
        if offered > 1.1 { #expect((0.95...1.05).contains(ratio)) }
    }

    /// What leaves a link a second, packets or bytes.
    static func measure(
        _ link: String, perUnit isBytes: Bool, headers: Int, seconds: Double, settles: Double
    ) throws -> Double {
        usleep(UInt32(settles * 1_000_000))
        func now() -> Double {
            var time = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        func read() throws -> Int {
            let text = try String(contentsOfFile: "/proc/thread-self/net/dev", encoding: .utf8)
            let line = try #require(text.split(separator: "\n").first { $0.contains("\(link):") })
            let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
            let (bytes, packets) = (Int(words[9]) ?? 0, Int(words[10]) ?? 0)
            return isBytes ? bytes - headers * packets : packets
        }
        let begin = now()
        var last = try read()
        var (first, end): ((Double, Int)?, (Double, Int)?) = (nil, nil)
        while now() - begin < seconds + 0.05 || (end?.0 ?? 0) == (first?.0 ?? 0) {
            let value = try read()
            if value != last {
                if first == nil { first = (now(), value) }
                end = (now(), value)
                last = value
            }
            usleep(500)
            guard now() - begin < seconds + 5 else { break }
        }
        guard let first, let end, end.0 > first.0 else { return 0 }
        return Double(end.1 - first.1) / (end.0 - first.0)
    }
}
