// SPDX-License-Identifier: GPL-3.0-or-later
//
// The library's patterns in a policy set that does not declare them: what they mean, where their
// parts stand, and that nobody is bothered by those he does not use.

import Testing
import WeirDiagnostics
import WeirModel
import WeirResolve
import WeirSyntax

@Suite struct LibraryTests {
    static let inventory = """
        zones: {az-a: [10.1.0.0/16], az-b: [10.2.0.0/16]}
        services:
          web: {endpoints: [10.1.0.1, 10.2.0.1]}
          batch: {endpoints: [10.1.0.2, 10.2.0.2]}
          db: {ports: {sql: tcp/5432}, endpoints: [10.1.0.3, 10.2.0.3]}
        """

    static func load(_ text: String) -> LoadedPolicySet {
        let head = "landscape \"i.yaml\"\nlayers { emergency; security }\n"
        return PolicySetLoader(tree: MemoryTree(["p.weir": head + text, "i.yaml": inventory]))
            .load("p.weir")
    }

    /// One policy in the layer emergency.
    static func policy(_ text: String) throws -> Policy {
        let loaded = load("layer emergency { policy p = \(text) }")
        #expect(loaded.diagnostics.isEmpty)
        let policy = try #require(loaded.policySet?.policies.first)
        let origins =
            policy.interactions.map(\.origin) + policy.caps.map(\.origin)
            + policy.caps.flatMap(\.reservations).map(\.origin) + policy.limits.map(\.origin)
            + (policy.decision.map { [$0.origin] } ?? [])
        for origin in origins {
            let range = try #require(origin)
            #expect(loaded.sources[range.source].text(in: range.bytes) == text)
        }
        return policy
    }

    @Test func `the library is sound, and laid out as weir fmt does`() throws {
        let source = PatternLibrary.source
        let parsed = parse(source, id: SourceID(index: 0))
        #expect(parsed.diagnostics.isEmpty)
        #expect(format(parsed).map { Array($0.utf8) } == source.bytes)
        #expect(PatternLibrary.entries.count == parsed.file.declarations.count)
        for entry in PatternLibrary.entries {
            #expect(entry.text.hasPrefix("# "), "\(entry.name) has no comment")
            #expect(entry.text.hasSuffix("}") && entry.text.contains("pattern \(entry.name)("))
        }
    }

    @Test func `every parameter is used`() {
        var used: [String: Set<String>] = [:]
        for entry in PatternLibrary.entries {
            let body = entry.text.drop { $0 != "{" }
            let words = body.split { !($0.isLetter || $0 == "-") }.map(String.init)
            used[entry.name] = Set(words)
            for parameter in entry.parameters {
                #expect(used[entry.name]?.contains(parameter) ?? false, "\(entry.name)")
            }
        }
        #expect(used.count >= 16)
    }

    @Test func `isolation decides`() throws {
        for (text, action) in [
            ("quarantine(web)", Action.drop), ("quarantine-except(web, batch)", .drop),
            ("segment(web or db)", .reject), ("segment-with-hatch(web, batch)", .reject),
            ("bulkhead(internal)", .reject), ("bulkhead-with-hatch(internal, web)", .reject),
            ("shed(batch, db)", .reject), ("failover(batch, db in zone az-b, sql, 5)", .allow),
        ] {
            #expect(try Self.policy(text).decision?.action == action, "\(text)")
        }
        #expect(try Self.policy("bulkhead(internal)").interactions.map(\.zoneRelation) == [.across])
        #expect(try Self.policy("quarantine(web)").interactions.count == 2)
    }

    @Test func `overload constrains and decides nothing`() throws {
        let fast = try Self.policy("fail-fast(batch, db, 5 connections/s)")
        #expect(fast.decision == nil)
        #expect(fast.limits.map(\.excess) == [.reject] && fast.limits.map(\.scope) == [.source])
        let slow = try Self.policy("backpressure(batch, db, 5 connections/m)")
        #expect(slow.limits.map(\.excess) == [.drop] && slow.limits.map(\.scope) == [.source])
        #expect(slow.limits.map(\.rate) == [RatePerInterval(amount: 5, intervalSeconds: 60)])
        let bytes = try Self.policy("trickle(batch, db, 20 MB/s)")
        #expect(bytes.limits.map(\.unit) == [.bytes] && bytes.limits.map(\.excess) == [.drop])
        let warm = try Self.policy("warm-up(db, 20 connections/s, 7)")
        #expect(warm.limits.map(\.burst) == [7] && warm.limits.map(\.scope) == [.total])
        let fair = try Self.policy("fair-share(any, db, 2 connections per endpoint of web)")
        #expect(fair.caps.map(\.connections) == [4] && fair.caps.map(\.scope) == [.source])
        let triage = try Self.policy("shed-by-priority(db, 12, web, 4, batch, 3)")
        #expect(triage.caps.map(\.connections) == [12])
        #expect(triage.caps.first?.reservations.map(\.connections) == [4, 3])
    }

    @Test func `what is not used is nobody's business, and no file of the policy set`() throws {
        let loaded = Self.load("layer emergency { policy p { from web to db; allow } }")
        #expect(loaded.diagnostics.isEmpty)
        #expect(loaded.files.count == 1)
        #expect(loaded.sources.texts.filter(\.isBuiltIn).map(\.name) == ["<library>"])
    }

    @Test func `the head of an instance says what it overrides`() throws {
        let loaded = Self.load(
            """
            layer emergency { policy f overriding security.zones = failover(batch, db, sql, 5) }
            layer security { policy zones = bulkhead(internal) }
            """)
        #expect(loaded.diagnostics.isEmpty)
        let set = try #require(loaded.policySet)
        let failover = try #require(set.policies.first)
        #expect(failover.overriding.map { set.qualifiedName($0.policy) } == ["security.zones"])
    }
}
