// SPDX-License-Identifier: GPL-3.0-or-later
//
// From what the checker keeps to what it says: slots become policies, pairs become findings, and
// everything gets its place in the report.

import WeirDiagnostics
import WeirModel

extension Analyzer {
    /// All findings, in a fixed order.
    public var findings: [Finding] {
        var found = loops.map(loopFinding)
        for slot in policies.order { found += nameFindings[slot] }
        found += assertionFacts.flatMap(\.emptiness)
        if loops.isEmpty {
            // While policies override each other in a loop nobody stands, and what depends on
            // who stands has no meaning.
            for slot in policies.order { found += facts[slot].findings }
            found += pairFindings()
            found += assertionFacts.flatMap(\.failures) + lockouts.compactMap { $0 }
            found += capacities.values.flatMap(\.findings)
        }
        return ordered(found.map { $0.renamed { PolicyID(index: policies.ranks[$0.index]) } })
    }

    private func ordered(_ findings: [Finding]) -> [Finding] {
        findings.map { ($0, $0.sortKey) }.sorted { a, b in
            if a.0.severity != b.0.severity { return a.0.severity > b.0.severity }
            if a.0.code != b.0.code { return a.0.code.rank < b.0.code.rank }
            return a.1.lexicographicallyPrecedes(b.1)
        }.map(\.0)
    }
}

extension Finding {
    /// The same finding with other identifiers.
    func renamed(_ name: (PolicyID) -> PolicyID) -> Finding {
        Finding(
            code: code, severity: severity, certainty: certainty,
            policies: policies.map { Involved(name($0.policy), $0.role, $0.part) },
            subject: subject,
            witness: witness.map { witness in
                Witness(
                    flow: witness.flow,
                    state: PolicyState(
                        epochSeconds: witness.state.epochSeconds,
                        enabled: Set(witness.state.enabled.map(name))),
                    timeDependent: witness.timeDependent, arithmetic: witness.arithmetic,
                    defaultLayer: witness.defaultLayer)
            }, fix: fix?.renamed(name))
    }

    /// Tells findings of one code apart.
    fileprivate var sortKey: [Int] {
        var key: [Int] =
            switch subject {
            case .policies: []
            case .assertion(let index, let interaction): [index, interaction ?? -1]
            case .service(let index), .channel(let index): [index]
            }
        key.append(-1)
        for involved in policies {
            key.append(involved.policy.index)
            switch involved.part {
            case nil: key.append(-1)
            case .interaction(let index): key += [0, index]
            case .cap(let index): key += [1, index]
            case .limit(let index): key += [2, index]
            case .reservation(let cap, let index): key += [3, cap, index]
            }
        }
        return key
    }
}

extension Finding.FixIntent {
    fileprivate func renamed(_ name: (PolicyID) -> PolicyID) -> Self {
        switch self {
        case .addOverriding(let policy, let other):
            .addOverriding(policy: name(policy), overridden: name(other))
        case .removeOverriding(let policy, let other):
            .removeOverriding(policy: name(policy), overridden: name(other))
        case .removePolicy(let policy): .removePolicy(name(policy))
        case .removePart(let policy, let part): .removePart(name(policy), part)
        }
    }
}
