// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every pattern of the library with real connections, from the operator's text on: each test sees
// something refused that would pass without the pattern, and something beside it that still passes.

import Testing
import WeirLab
import WeirModel
import WeirResolve

@Suite(.enabled(if: labCanRun), .serialized)
struct LibraryTrafficTests {
    static let inventory = """
        zones:
          az-a: [10.1.0.0/16, "fd00:1::/32"]
          az-b: [10.2.0.0/16, "fd00:2::/32"]
        services:
          web: {endpoints: [10.1.0.1, 10.2.0.1, "fd00:1::1", "fd00:2::1"]}
          api: {ports: {http: tcp/7001}, endpoints: [10.1.0.2, 10.2.0.2, "fd00:1::2", "fd00:2::2"]}
          batch: {endpoints: [10.1.0.3, 10.2.0.3, "fd00:1::3", "fd00:2::3"]}
          db: {ports: {sql: tcp/7001}, endpoints: [10.1.0.4, 10.2.0.4, "fd00:1::4", "fd00:2::4"]}
          watch: {endpoints: [10.1.0.5, 10.2.0.5, "fd00:1::5", "fd00:2::5"]}
        """
    static let numbers = ["web": 1, "api": 2, "batch": 3, "db": 4, "watch": 5]

    /// A gateway that has one library pattern in force, as a policy set says it.
    static func gateway(_ policies: String) throws -> Gateway {
        let gateway = try Gateway()
        try gateway.enforce(Self.policySet(policies))
        return gateway
    }

    static func policySet(_ policies: String) throws -> PolicySet {
        let tree = MemoryTree([
            "p.weir": """
            landscape "inventory.yaml"
            layers { emergency; security; baseline }
            \(policies)
            """,
            "inventory.yaml": Self.inventory,
        ])
        let loaded = PolicySetLoader(tree: tree).load("p.weir")
        #expect(loaded.diagnostics.isEmpty)
        return try #require(loaded.policySet)
    }

    /// `web@a` in zone az-a, `db@b6` in az-b over IPv6, or an address.
    static func address(_ text: String) -> String {
        let parts = text.split(separator: "@")
        guard parts.count == 2, let number = Self.numbers[String(parts[0])] else { return text }
        let zone = parts[1].hasPrefix("a") ? 1 : 2
        return parts[1].hasSuffix("6") ? "fd00:\(zone)::\(number)" : "10.\(zone).0.\(number)"
    }

    static func flow(_ source: String, _ destination: String, _ port: UInt16 = 7001) -> Flow {
        Gateway.tcp(Self.address(source), Self.address(destination), port)
    }

    /// Tries `web@a > db@b` and the like, and expects one outcome of all.
    static func expect(
        _ gateway: Gateway, _ flows: String..., are outcome: Outcome,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let probes = flows.map { text -> Flow in
            let ends = text.split(separator: " ")
            return Self.flow(String(ends[0]), String(ends[2]))
        }
        let outcomes = try gateway.lab.probe(probes)
        for (text, found) in zip(flows, outcomes) {
            #expect(found == outcome, "\(text)", sourceLocation: sourceLocation)
        }
    }

    // MARK: isolation

    @Test func `quarantine: nothing in, nothing out, no answer`() throws {
        let gateway = try Self.gateway("layer emergency { policy p = quarantine(batch) }")
        try Self.expect(
            gateway, "batch@a > db@a", "batch@a6 > db@b6", "web@a > batch@b",
            "fd00:1::99 > batch@a6",
            "batch@b > 10.1.9.9", "batch@a > batch@b", are: .dropped)
        try Self.expect(gateway, "web@a > db@b", "web@a6 > db@b6", are: .open)
    }

    @Test func `quarantine-except: investigators come in, nobody comes out`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = quarantine-except(batch, watch) }")
        try Self.expect(gateway, "watch@a > batch@a", "watch@b6 > batch@a6", are: .open)
        try Self.expect(
            gateway, "batch@a > watch@a", "web@a > batch@a", "batch@a6 > db@b6", are: .dropped)
        let held = try gateway.lab.hold(Self.flow("watch@a", "batch@a"), count: 3)
        #expect(try held.exchange() == [.open, .open, .open])
    }

    @Test func `segment: members meet members only`() throws {
        let gateway = try Self.gateway("layer security { policy p = segment(web or api) }")
        try Self.expect(
            gateway, "web@a > api@b", "api@a6 > web@b6", "batch@a > db@b", are: .open)
        try Self.expect(
            gateway, "web@a > db@a", "db@a > api@b", "10.1.9.9 > web@a", "api@a6 > db@b6",
            are: .reset)
    }

    @Test func `segment-with-hatch: the hatch is open both ways`() throws {
        let gateway = try Self.gateway(
            "layer security { policy p = segment-with-hatch(web or api, watch) }")
        try Self.expect(
            gateway, "web@a > api@b", "watch@a > api@a", "web@a6 > watch@b6", are: .open)
        try Self.expect(gateway, "web@a > db@a", "batch@a6 > api@b6", are: .reset)
    }

    @Test func `bulkhead: zones fail alone`() throws {
        let gateway = try Self.gateway("layer security { policy p = bulkhead(internal) }")
        try Self.expect(gateway, "web@a > db@b", "watch@b6 > db@a6", are: .reset)
        try Self.expect(gateway, "web@a > db@a", "web@b6 > db@b6", "10.1.9.9 > db@b", are: .open)
    }

    @Test func `bulkhead-with-hatch: only the hatch crosses`() throws {
        let gateway = try Self.gateway(
            "layer security { policy p = bulkhead-with-hatch(internal, watch) }")
        try Self.expect(gateway, "web@a > db@b", "batch@b6 > db@a6", are: .reset)
        try Self.expect(
            gateway, "watch@a > db@b", "db@a6 > watch@b6", "web@a > db@a", are: .open)
    }

    // MARK: overload

    @Test func `backpressure: each client its rate, and no answer beyond`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = backpressure(batch, db, 2 connections/s) }")
        for source in ["batch@a", "batch@a6"] {
            let destination = source.hasSuffix("6") ? "db@b6" : "db@b"
            let count = OutcomeCount(
                try gateway.lab.hold(Self.flow(source, destination), count: 6).outcomes)
            #expect((1...2).contains(count[.open]), "\(source): \(count)")
            #expect(count[.open] + count[.dropped] == 6, "\(source): \(count)")
        }
        let others = try gateway.lab.hold(Self.flow("web@a", "db@b"), count: 20)
        #expect(others.count == 20)
    }

    @Test func `backpressure: a client that waits gets through by its own retransmission`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = backpressure(batch, db, 2 connections/s) }")
        let begin = ContinuousClock.now
        let held = try gateway.lab.hold(
            Self.flow("batch@a", "db@b"), count: 3, timeoutMilliseconds: 4_000)
        #expect(held.outcomes == [.open, .open, .open])
        // The first retransmission comes after a second (RFC 6298).
        #expect(ContinuousClock.now - begin > .milliseconds(900))
    }

    @Test func `fail-fast: each client its rate, a reset beyond`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = fail-fast(batch, db, 20 connections/s) }")
        let count = try gateway.lab.attempt(Self.flow("batch@a", "db@b"), forMilliseconds: 1000)
        #expect((18...24).contains(count[.open]), "\(count)")
        #expect(count[.reset] > 0 && count[.dropped] == 0, "\(count)")
        // Another client has a rate of its own.
        let other = try gateway.lab.attempt(Self.flow("batch@b6", "db@a6"), forMilliseconds: 1000)
        #expect((18...24).contains(other[.open]), "\(other)")
    }

    @Test func `trickle: all clients share one rate`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = trickle(batch, db, 20 connections/s) }")
        let first = try gateway.lab.attempt(Self.flow("batch@a", "db@b"), forMilliseconds: 1000)
        #expect((18...24).contains(first[.open]), "\(first)")
        #expect(first[.reset] > 0, "\(first)")
        // Nothing is saved for the next one.
        let second = try gateway.lab.hold(Self.flow("batch@b6", "db@a6"), count: 20)
        #expect(second.count < 10, "\(second.count)")
        #expect(try gateway.lab.hold(Self.flow("web@a", "db@b"), count: 20).count == 20)
    }

    @Test func `warm-up: clients get in at the rate and wait meanwhile`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = warm-up(db, 10 connections/s, 5) }")
        let flows = [Flow](repeating: Self.flow("web@a", "db@b"), count: 12)
        let hasty = OutcomeCount(try gateway.lab.probe(flows))
        #expect((5...8).contains(hasty[.open]), "\(hasty)")
        #expect(hasty[.open] + hasty[.dropped] == 12, "\(hasty)")
        let patient = [Flow](repeating: Self.flow("10.1.9.9", "db@a"), count: 10)
        let outcomes = try gateway.lab.probe(patient, timeoutMilliseconds: 4_000)
        #expect(outcomes.allSatisfy { $0 == .open })
        #expect(try gateway.lab.hold(Self.flow("web@a", "api@b"), count: 20).count == 20)
    }

    @Test func `fair-share: nobody takes all places`() throws {
        let gateway = try Self.gateway("layer emergency { policy p = fair-share(any, db, 3) }")
        for source in ["batch@a", "web@a", "web@a6"] {
            let destination = source.hasSuffix("6") ? "db@b6" : "db@b"
            let held = try gateway.lab.hold(Self.flow(source, destination), count: 5)
            #expect(held.outcomes == [.open, .open, .open, .reset, .reset], "\(source)")
        }
    }

    @Test func `compartment: so many places for all of them`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = compartment(web or batch, db, 5) }")
        let first = try gateway.lab.hold(Self.flow("batch@a", "db@b"), count: 3)
        #expect(first.count == 3)
        let second = try gateway.lab.hold(Self.flow("web@a6", "db@b6"), count: 3)
        #expect(second.outcomes == [.open, .open, .reset])
        #expect(try gateway.lab.hold(Self.flow("api@a", "db@b"), count: 6).count == 6)
        first.close(2)
        waitForClockTick()
        #expect(try gateway.lab.hold(Self.flow("web@a", "db@a"), count: 3).count == 2)
    }

    @Test func `brownout: the privileged keep their share`() throws {
        let gateway = try Self.gateway("layer emergency { policy p = brownout(db, 10, api, 4) }")
        let others = try gateway.lab.hold(Self.flow("batch@a", "db@b"), count: 9)
        #expect(others.count == 6)
        let own = try gateway.lab.hold(Self.flow("api@a6", "db@b6"), count: 6)
        #expect(own.outcomes == [.open, .open, .open, .open, .reset, .reset])
    }

    @Test func `shed-by-priority: low first, then normal, critical last`() throws {
        let gateway = try Self.gateway(
            "layer emergency { policy p = shed-by-priority(db, 12, api, 4, web, 3) }")
        let low = try gateway.lab.hold(Self.flow("batch@a", "db@b"), count: 8)
        #expect(low.count == 5)
        let normal = try gateway.lab.hold(Self.flow("web@a6", "db@b6"), count: 6)
        #expect(normal.count == 3)
        let critical = try gateway.lab.hold(Self.flow("api@a", "db@b"), count: 6)
        #expect(critical.count == 4)
        // Places that the low have freed go to whoever asks, as far as the shares leave them.
        low.close(5)
        waitForClockTick()
        #expect(try gateway.lab.hold(Self.flow("web@a", "db@b"), count: 8).count == 5)
    }

    @Test func `shed: turned away at once, the others are served`() throws {
        let gateway = try Self.gateway("layer emergency { policy p = shed(batch, db) }")
        try Self.expect(gateway, "batch@a > db@b", "batch@b6 > db@a6", are: .reset)
        try Self.expect(gateway, "web@a > db@b", "batch@a > api@b", are: .open)
    }

    // MARK: recovery

    @Test func `failover: through a bulkhead, where it says so, and not more than that`() throws {
        let gateway = try Self.gateway(
            """
            layer emergency {
                policy failover overriding security.zones = failover(api, db in zone az-b, sql, 4)
            }
            layer security { policy zones = bulkhead(internal) }
            """)
        let held = try gateway.lab.hold(Self.flow("api@a", "db@b"), count: 6)
        #expect(held.outcomes == [.open, .open, .open, .open, .reset, .reset])
        try Self.expect(gateway, "web@a > db@b", "api@b > db@a", "api@a6 > web@b6", are: .reset)
        // Another port of the standby stays closed.
        #expect(try gateway.lab.probe([Self.flow("api@a", "db@b", 7002)]) == [.reset])
    }
}
