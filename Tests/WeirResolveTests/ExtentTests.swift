// SPDX-License-Identifier: GPL-3.0-or-later
//
// The extents that emptiness and counting rest on, against the definition of membership; and that
// large policy sets and damaged ones are resolved in time.

import Testing
import WeirDiagnostics
import WeirInventory
import WeirModel
import WeirSyntax

@testable import WeirResolve

@Suite struct ExtentTests {
    private static let landscape: Landscape = {
        let v4 = { (value: UInt32) in IPAddress.v4(value) }
        return Landscape(
            services: [
                Service(
                    name: "a", labels: ["k": "x"], endpoints: [v4(1), v4(2), v4(5), .v6(3)]),
                Service(name: "b", labels: ["k": "y", "m": "1"], endpoints: [v4(2), v4(3)]),
                Service(name: "c", labels: ["m": "1"], endpoints: []),
                Service(name: "d", endpoints: [v4(.max), v4(0), .v6(.max), .v6(0)]),
            ],
            zones: [
                Zone(
                    name: "z",
                    ranges: [
                        AddressRange(family: .v4, first: 1, last: 3),
                        AddressRange(family: .v6, first: 2, last: 4),
                    ]),
                Zone(name: "y", ranges: [AddressRange(family: .v4, first: 4, last: 4)]),
                Zone(name: "empty", ranges: []),
            ])
    }()

    /// Every address near something declared, and one far from all.
    private static let addresses: [IPAddress] =
        (0...8).map { .v4($0) } + [.v4(.max), .v4(.max - 1), .v4(1 << 20)]
        + (0...6).map { .v6($0) } + [.v6(.max), .v6(.max - 1), .v6(1 << 90)]

    private func randomSet(_ depth: Int, _ random: inout SplitMix) -> AddressSet {
        if depth == 0 || Int.random(in: 0..<4, using: &random) == 0 {
            switch Int.random(in: 0..<9, using: &random) {
            case 0: return .any
            case 1: return .internal
            case 2: return .external
            case 3, 4: return .service(Int.random(in: 0..<4, using: &random))
            case 5: return .zone(Int.random(in: 0..<3, using: &random))
            case 6: return .labels([.isIn(key: "k", values: ["x", "y"]), .absent(key: "m")])
            case 7: return .labels([.exists(key: "m")])
            default:
                let family: AddressFamily = Bool.random(using: &random) ? .v4 : .v6
                let ends = [
                    UInt128.random(in: 0...6, using: &random),
                    UInt128.random(in: 0...6, using: &random),
                ].sorted()
                return .range(AddressRange(family: family, first: ends[0], last: ends[1]))
            }
        }
        let (a, b) = (randomSet(depth - 1, &random), randomSet(depth - 1, &random))
        switch Int.random(in: 0..<3, using: &random) {
        case 0: return .union(a, b)
        case 1: return .intersection(a, b)
        default: return .difference(a, b)
        }
    }

    @Test func `emptiness and endpoint counts agree with the definition`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("extent seed \(seed)")
        var random = SplitMix(state: seed)
        var table = ExtentTable(Self.landscape)
        let endpoints = Set(Self.landscape.services.flatMap(\.endpoints))
        var emptyCount = 0
        for _ in 0..<3_000 {
            let set = randomSet(4, &random)
            let members = Self.addresses.filter { Self.landscape.contains(set, $0) }
            #expect(table.isEmpty(set) == members.isEmpty, "\(set)")
            #expect(
                table.extent(of: set).endpointCount
                    == endpoints.count { Self.landscape.contains(set, $0) }, "\(set)")
            emptyCount += members.isEmpty ? 1 : 0
        }
        #expect(emptyCount > 100)
    }
}

@Suite struct ScaleTests {
    /// Services of a hundred endpoints each, in four zones.
    private static func inventory(services: Int) -> String {
        var text = "zones:\n"
        for zone in 0..<4 { text += "  z\(zone): [10.\(zone * 64).0.0/10]\n" }
        text += "services:\n"
        for service in 0..<services {
            text += "  s\(service):\n    labels: {tier: t\(service % 10), team: team\(service)}\n"
            text += "    ports: {main: tcp/\(1000 + service / 10 % 8)}\n    endpoints: ["
            for endpoint in 0..<100 {
                let number = (service * 100 + endpoint) * 7
                text += "10.\(number >> 16).\(number >> 8 & 255).\(number & 255), "
            }
            text += "]\n"
        }
        return text
    }

    private static func policies(_ count: Int, services: Int) -> String {
        var text = "landscape \"i.yaml\"\nlayers { top; base default reject }\n"
        text += "group many = " + (0..<50).map { "s\($0)" }.joined(separator: " or ") + "\n"
        text += "layer base {\n"
        for index in 0..<count {
            let (a, b) = (index % services, (index * 31 + 7) % services)
            let clause =
                switch index % 5 {
                case 0: "from s\(a) to s\(b) on main; allow"
                case 1: "from [team=team\(a)] to s\(b) in zone z\(index % 4) on main; allow"
                case 2:
                    "from internal except s\(a) to [tier=t\(b % 10)] on tcp/\(index % 60000); allow"
                case 3: "from many to s\(b); cap 5 connections per endpoint of s\(b)"
                default: "from 10.\(index % 256).0.0/16 to [tier=t\(b % 10)] on main; allow"
                }
            text += "    policy p\(index) { \(clause) }\n"
        }
        return text + "}\n"
    }

    @Test func `ten thousand policies and a hundred thousand endpoints resolve in time`() throws {
        var sources = SourceMap()
        let inventory = SourceText(name: "i.yaml", Self.inventory(services: 1_000))
        let text = SourceText(name: "p.weir", Self.policies(10_000, services: 1_000))
        let clock = ContinuousClock()
        var start = clock.now
        let (landscape, errors) = readInventory(inventory, id: sources.add(inventory))
        print("inventory: \(clock.now - start)")
        #expect(errors.isEmpty)
        start = clock.now
        let parsed = parse(text, id: sources.add(text))
        print("parse: \(clock.now - start)")
        #expect(parsed.diagnostics.isEmpty)
        start = clock.now
        let (policySet, diagnostics) = resolve(
            files: [parsed.file], landscape: landscape, sources: sources)
        let elapsed = clock.now - start
        print("resolve: \(elapsed)")
        let errorMessages = diagnostics.filter { $0.severity == .error }.map(\.message)
        #expect(errorMessages == [])
        #expect(policySet.policies.count == 10_000)
        // A debug build on a busy machine is far slower than a release build.
        #expect(elapsed < .seconds(30))
    }

    @Test func `ten thousand unknown names are answered in time`() {
        var sources = SourceMap()
        let text = SourceText(name: "p.weir", Self.policies(10_000, services: 9_999))
        let parsed = parse(text, id: sources.add(text))
        let landscape = Landscape(
            services: (0..<10_000).map { Service(name: "other-\($0)", endpoints: [.v4($0)]) })
        let clock = ContinuousClock()
        let start = clock.now
        let (_, diagnostics) = resolve(
            files: [parsed.file], landscape: landscape, sources: sources)
        print("unknown names: \(clock.now - start)")
        #expect(diagnostics.count { $0.code == "unknown-name" } <= 1_000)
        #expect(diagnostics.count { $0.code == "too-many-findings" } == 2)
        #expect(clock.now - start < .seconds(60))
    }
}

@Suite struct ResolveRobustnessTests {
    @Test func `no damage to a policy set crashes resolution`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("resolve damage seed \(seed)")
        var random = SplitMix(state: seed)
        let words = Sample.policies.split(separator: " ", omittingEmptySubsequences: false)
        for _ in 0..<300 {
            var damaged = words
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let place = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged.remove(at: place)
                case 1: damaged[place] = words.randomElement(using: &random) ?? ""
                default: damaged.swapAt(place, Int.random(in: 0..<damaged.count, using: &random))
                }
            }
            let tree = MemoryTree([
                "inventory.yaml": Sample.inventory, "p.weir": damaged.joined(separator: " "),
            ])
            let loaded = PolicySetLoader(tree: tree).load("p.weir")
            for diagnostic in loaded.diagnostics {
                let range = diagnostic.range
                #expect(range.map { $0.end <= loaded.sources[$0.source].bytes.count } ?? true)
                #expect(
                    diagnostic.help != nil || diagnostic.severity != .error || !isOurs(diagnostic))
            }
            #expect((loaded.policySet == nil) == loaded.diagnostics.hasErrors)
        }
    }

    /// The parser's own messages may do without help.
    private func isOurs(_ diagnostic: Diagnostic) -> Bool {
        ["unknown-name", "unknown-policy", "unknown-port", "duplicate-policy"]
            .contains(diagnostic.code)
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
