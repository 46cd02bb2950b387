// SPDX-License-Identifier: GPL-3.0-or-later
//
// Plain policies as JSON for shade-check, with the time that weir takes for a full check of them.

import WeirAnalysis
import WeirModel

struct TermExport {
    let policies: Int
    let endpoints: Int
    let seed: UInt64

    func run() {
        var maker = SyntheticLandscape(
            services: max(20, endpoints * 6 / 100), endpoints: endpoints, seed: seed)
        let policySet = maker.plainPolicySet(policies)
        let clock = ContinuousClock()
        var times: [Duration] = []
        var count = 0
        for _ in 0..<5 {
            times.append(
                clock.measure {
                    count =
                        analyze(
                            policySet, options: AnalysisOptions(epochSeconds: 1_795_392_000)
                        ).count
                })
        }
        let best = times.min() ?? .zero
        let (seconds, attoseconds) = best.components
        let milliseconds = Double(seconds) * 1e3 + Double(attoseconds) / 1e15
        print("{\"weirMilliseconds\": \(milliseconds), \"findings\": \(count), \"terms\": [")
        var table = SetTable(policySet)
        for (index, policy) in policySet.policies.enumerated() {
            let interaction = policy.interactions[0]
            let port = PortPoint(rawValue: interaction.ports.intervals[0].first).port
            print(
                "  {\"name\": \"\(policy.name)\", \"allow\": \(policy.decision?.action == .allow),"
                    + " \"port\": \(port),"
                    + " \"source\": \(addresses(interaction.source, &table)),"
                    + " \"destination\": \(addresses(interaction.destination, &table))}"
                    + (index + 1 < policySet.policies.count ? "," : ""))
        }
        print("]}")
    }

    /// A list of addresses; empty for everywhere.
    private func addresses(_ set: AddressSet, _ table: inout SetTable) -> String {
        if set == .any { return "[]" }
        let id = table.intern(set)
        let found = table[id].flatMap { table.classes.classes[$0].endpoints4 }.sorted()
        return "[" + found.map { "\"\(IPAddress.v4($0))\"" }.joined(separator: ",") + "]"
    }
}
