// SPDX-License-Identifier: GPL-3.0-or-later
//
// A fix keeps its word: the finding is gone after it, the file still parses and keeps its layout,
// and nothing else in it has changed. For the pages' Avoid blocks and for random policy sets.

import FoundationEssentials
import Testing
import WeirAnalysis
import WeirDiagnostics
import WeirModel
import WeirResolve
import WeirSyntax

@testable import WeirSession

/// A policy set of one file with the edits that its findings ask for.
struct FixLab {
    static let inventory = """
        zones:
          az-a: [10.1.0.0/16]
          az-b: [10.2.0.0/16]
        services:
          web: {labels: {tier: web}, endpoints: [10.1.1.1, 10.2.1.1]}
          checkout: {labels: {tier: app}, endpoints: [10.1.2.1, 10.2.2.1]}
          api: {labels: {tier: app}, endpoints: [10.1.6.1, 10.2.6.1]}
          orders-db:
            labels: {tier: data}
            capacity: {connections: 1000}
            endpoints: [10.1.3.10, 10.2.3.10]
          vault: {labels: {tier: data}, endpoints: [10.1.5.1]}
          monitoring: {labels: {tier: ops}, endpoints: [10.1.9.9]}
          backup: {labels: {tier: batch}, endpoints: [10.2.8.1]}
        """

    let text: String
    let checked: CheckedPolicySet

    /// 2026-11-23T00:00:00Z
    static let options = AnalysisOptions(epochSeconds: 1_795_392_000)

    init(_ text: String) {
        self.text = text
        let tree = MemoryTree(["s/i.yaml": Self.inventory, "s/p.weir": text])
        let loaded = PolicySetLoader(tree: tree).load("s")
        checked = CheckedPolicySet(loaded, options: Self.options)
    }

    var isFormatted: Bool { checked.loaded.files.first.flatMap { format($0) } == text }

    func applying(_ fix: FixIt) -> String {
        let edits = SyntaxEdits(checked.loaded.files[0])
        return String(decoding: edits.applying(fix.edits), as: UTF8.self)
    }

    private func marked(_ diagnostic: Diagnostic) -> String? {
        diagnostic.range.map { checked.sources[$0.source].text(in: $0.bytes) }
    }

    /// Whether the same is admitted and denied as in another policy set, with standby policies
    /// and without.
    private func decides(as other: FixLab) -> Bool {
        guard let mine = checked.policySet, let theirs = other.checked.policySet else {
            return checked.policySet == nil
        }
        func action(_ set: PolicySet, _ flow: Flow, _ isEnabled: Bool) -> Action {
            let standby = set.policyIDs.filter { set[$0].activation.standby && isEnabled }
            let state = PolicyState(
                epochSeconds: Self.options.epochSeconds, enabled: Set(standby))
            let verdict = set.decide(flow, in: state)
            return verdict.action ?? .allow
        }
        let addresses: [IPAddress] = [
            0x0A01_0101, 0x0A02_0201, 0x0A01_0601, 0x0A02_030A, 0x0B00_0001,
        ]
        .map { .v4($0) }
        return addresses.allSatisfy { source in
            addresses.allSatisfy { destination in
                ([80, 5432, 5500] as [UInt16]).allSatisfy { port in
                    let flow = Flow(
                        source: source, destination: destination,
                        port: PortPoint(protocolNumber: IPProtocol.tcp, port: port))
                    return [false, true].allSatisfy {
                        action(mine, flow, $0) == action(theirs, flow, $0)
                    }
                }
            }
        }
    }

    /// What is wrong with a fix; nil if nothing is.
    func fault(of fix: FixIt, for diagnostic: Diagnostic) -> String? {
        let after = FixLab(applying(fix))
        guard after.checked.policySet != nil else {
            return "it does not resolve: \(after.checked.diagnostics.map(\.message))"
        }
        if isFormatted, !after.isFormatted { return "it is not in canonical layout" }
        // Two caps may read alike in words.
        func count(_ lab: FixLab) -> Int {
            lab.checked.diagnostics.count { other in
                other.code == diagnostic.code && other.message == diagnostic.message
                    && (fix.isAutomatic || other.notes == diagnostic.notes)
                    && lab.marked(other) == marked(diagnostic)
            }
        }
        if count(after) >= count(self) { return "the finding is still there" }
        if fix.isAutomatic, !decides(as: after) { return "another flow is admitted" }
        return nil
    }
}

@Suite struct FixTests {
    static let layers = "layers { emergency; security; resilience; baseline default reject }\n\n"

    @Test(arguments: [
        (FindingCode.undeclaredOverride, 1, false), (.ambiguousDecision, 2, false),
        (.overrideCycle, 2, false), (.overrideUnused, 1, true), (.expiredPolicy, 1, true),
        (.shadowedPolicy, 1, false), (.redundantPolicy, 1, true), (.deadConstraint, 1, true),
        (.maskedLimit, 1, true), (.brokenReservation, 3, false),
        (.overcommittedCapacity, 2, false),
    ])
    func `the fixes of a page mend its Avoid block`(
        code: FindingCode, count: Int, isAutomatic: Bool
    ) throws {
        let block = code.page.avoid + "\n"
        let head = "landscape \"i.yaml\"\n" + (block.contains("layers {") ? "" : Self.layers)
        let lab = FixLab(head + block)
        let found = try #require(lab.checked.diagnostics.first { $0.code == code.rawValue })
        #expect(found.fixIts.count == count, "\(found.fixIts)")
        for fix in found.fixIts {
            #expect(fix.isAutomatic == isAutomatic)
            #expect(lab.fault(of: fix, for: found) == nil, "\(fix)\n\(lab.applying(fix))")
        }
    }

    @Test func `a fix reads as if written by hand`() throws {
        let text = """
            landscape "i.yaml"
            layers { emergency; security; resilience; baseline }

            group nobody = web   # never used

            port also-nobody = tcp/1

            layer emergency {
                policy failover { from checkout to orders-db in zone az-b on tcp/5432; allow }
                # over long ago
                policy shed until 2020-01-01T00:00Z { from api to any; reject }

                policy other { from checkout to api; allow overriding security.bulkhead }
            }

            layer security {
                policy bulkhead { from internal to internal across zones; reject }
            }

            """
        var run = FixRun(
            "s", tree: MemoryTree(["s/i.yaml": FixLab.inventory, "s/p.weir": text]),
            options: FixLab.options)
        var told: [String] = []
        run.run { made, sources in
            told.append(TextRenderer(sources: sources).render(made.fix, of: made.diagnostic))
        }
        let after = run.checked.sources.texts.first { $0.name == "s/p.weir" }
        #expect(
            after?.text(in: 0..<10_000) == """
                landscape "i.yaml"
                layers { emergency; security; resilience; baseline }

                # never used

                layer emergency {
                    policy failover { from checkout to orders-db in zone az-b on tcp/5432; allow }
                    # over long ago

                    policy other { from checkout to api; allow overriding security.bulkhead }
                }

                layer security {
                    policy bulkhead { from internal to internal across zones; reject }
                }

                """)
        #expect(told.count == 3 && run.count == 3)
        // That an override is meant is for a person to say.
        #expect(!told.contains { $0.contains("undeclared-override") }, "\(told)")
        #expect(told.contains { $0.contains("fixed[unused-name]") }, "\(told)")
    }

    @Test func `what is mutually redundant is not all removed`() throws {
        let text = """
            landscape "i.yaml"
            layers { security; baseline default reject }
            layer baseline {
                policy one { from web to api on tcp/443; allow }
                policy two { from web to api on tcp/443; allow }
            }

            """
        var run = FixRun(
            "s", tree: MemoryTree(["s/i.yaml": FixLab.inventory, "s/p.weir": text]),
            options: FixLab.options)
        run.run { _, _ in }
        #expect(run.count == 1)
        #expect(run.checked.policySet?.policies.count == 1)
    }

    @Test func `a reservation that is denied gets a way through`() throws {
        let text = """
            landscape "i.yaml"
            layers { security; resilience; baseline }
            layer security {
                policy freeze { from any to orders-db; reject }
            }
            layer resilience {
                policy protect { from any to orders-db on tcp/5432; cap 300 connections reserve 20 for web }
            }

            """
        let lab = FixLab(text)
        let found = try #require(
            lab.checked.diagnostics.first { $0.code == "broken-reservation" })
        let fix = try #require(found.fixIts.first)
        #expect(lab.fault(of: fix, for: found) == nil)
        #expect(
            lab.applying(fix).contains(
                """
                    policy protect-passage {
                        from web to orders-db on tcp/5432
                        allow overriding freeze
                    }

                """))
    }

    static let count: Int = {
        if let text = ProcessInfo.processInfo.environment["WEIR_FIX_CASES"],
            let number = Int(text)
        {
            return number
        }
        #if DEBUG
            return 60
        #else
            return 400
        #endif
    }()

    @Test func `every fix of a random policy set mends it`() {
        let seed =
            ProcessInfo.processInfo.environment["WEIR_FIX_SEED"].flatMap { UInt64($0) }
            ?? .random(in: 0 ... .max)
        print("FixTests seed \(seed), \(Self.count) cases")
        var counts: [String: Int] = [:]
        var formatted = 0
        for number in 0..<Self.count {
            var maker = RandomPolicyText(seed: seed &+ UInt64(number))
            let lab = FixLab(maker.text())
            if lab.isFormatted { formatted += 1 }
            for diagnostic in lab.checked.diagnostics {
                for fix in diagnostic.fixIts {
                    counts[diagnostic.code, default: 0] += 1
                    guard let fault = lab.fault(of: fix, for: diagnostic) else { continue }
                    Issue.record(
                        """
                        case \(seed &+ UInt64(number)), \(diagnostic.code): \(fault)
                        \(TextRenderer(sources: lab.checked.sources).render(diagnostic))
                        \(fix.message)
                        \(lab.text)
                        ----
                        \(lab.applying(fix))
                        """)
                    return
                }
            }
        }
        print(
            "FixTests: \(formatted) in canonical layout;",
            counts.map { "\($0.key) \($0.value)" }.sorted())
        #expect(counts.count >= 8 && formatted > Self.count / 4)
    }
}

/// Policy files in canonical layout, of few names, so that everything collides.
struct RandomPolicyText {
    private var rng: SplitMix

    init(seed: UInt64) { rng = SplitMix(state: seed) }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    private mutating func pick(_ list: [String]) -> String {
        list[Int.random(in: list.indices, using: &rng)]
    }

    private mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &rng) < percent
    }

    private mutating func number() -> Int { 10 * Int.random(in: 1...90, using: &rng) }

    mutating func text() -> String {
        let layers = ["emergency", "security", "resilience", "baseline"]
        var names: [(layer: Int, name: String)] = []
        for layer in layers.indices {
            for _ in 0..<Int.random(in: 0...3, using: &rng) {
                names.append((layer, "p\(names.count)"))
            }
        }
        var out = "landscape \"i.yaml\"\n\nlayers {\n    emergency\n    security\n    resilience\n"
        out += "    baseline\(chance(50) ? " default reject" : "")\n}\n"
        if chance(50) { out += "\ngroup nobody = web\n" }
        for (layer, layerName) in layers.enumerated() {
            let own = names.filter { $0.layer == layer }
            guard !own.isEmpty else { continue }
            out += "\nlayer \(layerName) {\n"
            for (index, item) in own.enumerated() {
                if index > 0, chance(50) { out += "\n" }
                if chance(20) { out += "    # about \(item.name)\n" }
                let below = names.filter {
                    $0.layer > layer || $0.layer == layer && $0.name > item.name
                }
                .map { $0.layer == layer ? $0.name : "\(layers[$0.layer]).\($0.name)" }
                out += policy(item.name, below)
            }
            out += "}\n"
        }
        return out
    }

    private mutating func policy(_ name: String, _ below: [String]) -> String {
        let sets = ["any", "web", "checkout", "internal", "[tier=app]", "web or api"]
        var clauses = [
            "from \(pick(sets)) to \(pick(["any", "orders-db", "internal", "api"]))"
                + pick(["", "", " on tcp/5432", " on tcp/5000-6000"])
                + (chance(15) ? " across zones" : "")
        ]
        let isConstraint = chance(45)
        if !isConstraint || chance(25) {
            var decision = pick(["allow", "allow", "reject", "drop"])
            let over = below.filter { _ in chance(20) }
            if !over.isEmpty { decision += " overriding \(over.joined(separator: ", "))" }
            clauses.append(decision)
        }
        if isConstraint {
            for _ in 0..<Int.random(in: 1...2, using: &rng) { clauses.append(constraint()) }
        }
        let head =
            "policy \(name)" + (chance(8) ? " until 2020-01-01T00:00Z" : "")
            + (chance(12) ? " standby" : "")
        let line = "    \(head) { \(clauses.joined(separator: "; ")) }\n"
        if chance(50), line.utf8.count <= 101 { return line }
        let body = clauses.map { "        \($0)\(chance(10) ? "  # why" : "")\n" }.joined()
        return "    \(head) {\n\(body)    }\n"
    }

    private mutating func constraint() -> String {
        let scope = pick(["", "", " per source", " per destination"])
        if chance(30) { return "limit \(number()) connections/s\(scope)" }
        let amount =
            chance(20) ? "\(number()) connections per endpoint of web" : "\(number()) connections"
        var text = "cap \(amount)\(scope)"
        for _ in 0..<(chance(50) ? Int.random(in: 1...2, using: &rng) : 0) {
            text += " reserve \(number()) for \(pick(["web", "checkout", "api"]))"
        }
        return text
    }
}
