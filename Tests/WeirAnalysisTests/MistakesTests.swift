// SPDX-License-Identifier: GPL-3.0-or-later
//
// Six mistakes that people make, each as its file would be written, each with the finding that it
// needs and the policies that the finding names.

import Testing
import WeirAnalysis
import WeirDiagnostics
import WeirModel
import WeirResolve

@Suite struct MistakesTests {
    /// 2026-11-23T00:00:00Z
    static let now: Int64 = 1_795_392_000

    static let head = """
        landscape "inventory.yaml"
        layers {
            emergency
            security
            resilience
            baseline
        }

        """

    static let inventory = """
        services:
          web: {labels: {tier: front}, endpoints: [10.1.0.1, 10.1.0.2, 10.1.0.3]}
          batch: {labels: {tier: batch}, endpoints: [10.1.1.1]}
          db: {labels: {tier: data}, ports: {postgres: tcp/5432}, endpoints: [10.2.0.1]}
          vault: {labels: {tier: data}, endpoints: [10.2.1.1]}
        """

    static func diagnostics(_ policies: String) -> [Diagnostic] {
        let tree = MemoryTree([
            "set/p.weir": head + policies, "set/inventory.yaml": inventory,
        ])
        let loaded = PolicySetLoader(tree: tree).load("set")
        guard let policySet = loaded.policySet else { return loaded.diagnostics }
        let findings = analyze(policySet, options: AnalysisOptions(epochSeconds: now))
        return loaded.diagnostics + findings.map { $0.diagnostic(in: policySet) }
    }

    @Test(arguments: [
        (
            "an allow in the emergency layer voids a segmentation rule",
            """
            layer security { policy segment { from web to vault; drop } }
            layer emergency { policy hotfix { from web to [tier=data]; allow } }
            """, "undeclared-override", ["emergency.hotfix", "security.segment"]
        ),
        (
            "two security policies disagree on one port",
            """
            layer security {
                policy no-db { from web to db on tcp/5000-6000; reject }
                policy db { from web to db on postgres; allow }
            }
            """, "ambiguous-decision", ["security.no-db", "security.db", "tcp/5432"]
        ),
        (
            "a per-source limit makes the total limit unreachable",
            """
            layer resilience {
                policy total { from web to db; limit 300 connections/s }
                policy each { from web to db; limit 50 connections/s per source }
            }
            """, "masked-limit", ["resilience.total", "resilience.each", "3 sources × 50"]
        ),
        (
            "reservations together exceed the cap",
            """
            layer resilience {
                policy places {
                    from any to db
                    cap 10 connections reserve 6 for web reserve 5 for batch
                }
            }
            """, "broken-reservation", ["resilience.places", "11", "10"]
        ),
        (
            "a label matches nothing after a rename",
            """
            layer security { policy old { from [tier=frontend] to db; reject } }
            """, "empty-set", ["tier=frontend"]
        ),
        (
            "a temporary measure's end re-opens a hole",
            """
            layer emergency { policy close until 2026-12-01T00:00Z { from batch to vault; drop } }
            layer baseline { policy jobs { from batch to any; allow } }
            assert never from batch to vault
            """, "assertion-failed", ["baseline.jobs", "2026-12-01T00:00"]
        ),
    ])
    func `a mistake gets the finding it needs`(
        mistake: String, policies: String, code: String, words: [String]
    ) {
        let found = Self.diagnostics(policies).filter { $0.code == code }
        #expect(!found.isEmpty, "\(mistake): \(Self.diagnostics(policies))")
        let text = found.map { ([$0.message] + $0.notes + [$0.help ?? ""]).joined(separator: "\n") }
            .joined(separator: "\n")
        for word in words { #expect(text.contains(word), "\(mistake): no \(word) in \(text)") }
    }
}
