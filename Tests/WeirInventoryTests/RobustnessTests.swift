// SPDX-License-Identifier: GPL-3.0-or-later
//
// The inventory reader stands at the edge of the outside world: whatever the bytes, it answers,
// in bounded time and with a bounded number of messages, each inside the file.

import Testing
import WeirDiagnostics
import WeirModel

@testable import WeirInventory

@Suite struct InventoryRobustnessTests {
    private static let pieces = [
        "services:", "zones:", "\n", "\n  ", "\n    ", " ", "\t", ":", ": ", "- ", "[", "]", "{",
        "}", ",", "&a ", "*a", "!x ", "|", ">", "\"", "'", "#", "---\n", "...\n", "%YAML 1.1\n",
        "web", "endpoints:", "labels:", "ports:", "capacity:", "10.0.0.1", "10.0.0.0/8", "::1",
        "tcp/80", "connections: 5", "null", "~", "? ", "<<: ", "\u{FEFF}", "\u{85}", "\u{2028}",
        "é", "\r\n", "\r", "\0", "\u{1B}",
    ]

    @Test func `no bytes crash the reader`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("inventory fuzz seed \(seed)")
        var random = SplitMix(state: seed)
        for _ in 0..<4_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                if Int.random(in: 0..<12, using: &random) == 0 {
                    bytes.append(UInt8.random(in: 0...255, using: &random))
                } else {
                    bytes += Array(Self.pieces.randomElement(using: &random)?.utf8 ?? "".utf8)
                }
            }
            check(bytes)
        }
    }

    @Test func `no damage to a good inventory crashes the reader`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("inventory damage seed \(seed)")
        var random = SplitMix(state: seed)
        let good = Array(
            """
            zones: {az-a: [10.1.0.0/16, "2001:db8:a::/48"]}
            services:
              orders-db: &db
                labels: {tier: data, größe: groß}
                ports: {postgres: tcp/5432}
                capacity: {connections: 100 per endpoint, rate: 20 connections/s}
                endpoints: [10.1.3.10, "2001:db8:a::310"]
              web: *db
            """.utf8)
        for _ in 0..<3_000 {
            var bytes = good
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes.remove(at: place)
                case 1: bytes.insert(bytes.randomElement(using: &random) ?? 0, at: place)
                default: bytes[place] = UInt8.random(in: 0...255, using: &random)
                }
            }
            check(bytes)
        }
    }

    /// Reading ends, and every message points into the file and says what to do.
    private func check(_ bytes: [UInt8]) {
        let (_, diagnostics) = readInventory(
            SourceText(name: "fuzz.yaml", bytes: bytes), id: SourceID(index: 0))
        #expect(diagnostics.count <= InventoryFindings.limit + 1)
        for diagnostic in diagnostics {
            let range = diagnostic.range
            #expect(
                range.map { $0.end <= max(bytes.count, 1) && $0.start <= bytes.count } == true,
                "\(diagnostic.code) \(diagnostic.message): \(bytes)")
            #expect(diagnostic.help != nil)
        }
    }

    @Test func `ten thousand errors are counted and not printed`() {
        let lines = (0..<10_000).map { "  s\($0): {endpoints: [x]}\n" }.joined()
        let (_, diagnostics) = readInventory(
            SourceText(name: "i.yaml", "services:\n" + lines), id: SourceID(index: 0))
        #expect(diagnostics.count == 101)
        #expect(diagnostics.last?.message == "9900 more errors in this inventory")
    }

    @Test func `a hundred thousand endpoints are read in time`() {
        var text = "services:\n"
        for service in 0..<1_000 {
            text += "  service-\(service):\n    labels: {tier: web, team: t\(service % 50)}\n"
            text += "    endpoints: ["
            for endpoint in 0..<100 {
                let number = service * 100 + endpoint
                text += "10.\(number >> 16).\(number >> 8 & 255).\(number & 255), "
            }
            text += "]\n"
        }
        let source = SourceText(name: "large.yaml", text)
        let clock = ContinuousClock()
        let start = clock.now
        let (landscape, diagnostics) = readInventory(source, id: SourceID(index: 0))
        let elapsed = clock.now - start
        print("100,000 endpoints read in \(elapsed)")
        #expect(diagnostics.isEmpty)
        #expect(landscape.services.reduce(0) { $0 + $1.endpoints.count } == 100_000)
        // A debug build on a busy machine is ten times slower than a release build.
        #expect(elapsed < .seconds(10))
    }
}

/// Vigna's splitmix64: small, and the same everywhere.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
