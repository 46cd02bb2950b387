// SPDX-License-Identifier: GPL-3.0-or-later
//
// A plan as an operator reads it, and as a program does.

import FoundationEssentials
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

func shortRevision(_ revision: Revision) -> String {
    let content = String(revision.contentHash.prefix(12))
    return revision.gitCommit.isEmpty
        ? content : "\(content) (commit \(revision.gitCommit.prefix(12)))"
}

/// What a plan would change, a line each.
func describe(_ plan: Plan, _ policySet: PolicySet) -> String {
    var lines: [String] = []
    if plan.isEmpty {
        lines.append("nothing to do: the kernel already enforces this policy set")
    } else {
        lines += policyLines(plan, policySet)
        lines.append("")
        let counts = plan.delta.counts.summary
        lines.append(
            "kernel: " + (counts.isEmpty ? "revision only" : counts.joined(separator: "; ")))
        lines.append(
            "        \(plan.program.ruleset.elementCount) elements in all, at most "
                + "\(plan.program.stageCount) stages for a new connection")
        for restart in plan.delta.restarts {
            lines.append("restarts: \(restart.kind.rawValue) \(restart.name) (\(restart.origin))")
        }
    }
    lines += recountLines(plan)
    for cut in plan.cuts.prefix(20) {
        lines.append(paint("cuts", "31") + ": " + cut.text)
    }
    if plan.cuts.count > 20 { lines.append("cuts: … between \(plan.cuts.count - 20) more pairs") }
    if let unknown = plan.sinceUnknown { lines.append("        " + unknown) }
    for chain in plan.foreignChains {
        lines.append(
            "also there: \(chain.family) table \(chain.table), chain \(chain.chain) on "
                + "\(chain.point.rawValue), priority \(chain.priority)"
                + (chain.dropsByDefault ? ", policy drop" : "")
                + ": it may drop what weir allows")
    }
    return lines.joined(separator: "\n")
}

/// Caps that do not start at nothing.
private func recountLines(_ plan: Plan) -> [String] {
    let shown = 20
    var lines = plan.recounts.prefix(shown).map { cap in
        let one = cap.live == 1
        let each = cap.scope == .total ? "" : " per \(cap.scope.rawValue)"
        var text =
            "counts: \(cap.policy) \(cap.part), at most \(cap.connections)\(each), starts with the "
            + "\(cap.live) connection\(one ? "" : "s") that exist\(one ? "s" : "")"
        if cap.full > 0 {
            text +=
                cap.scope == .total
                ? "; it is full" : "; \(cap.full) \(cap.full == 1 ? "is" : "are") full"
        }
        return text
    }
    if plan.recounts.count > shown {
        lines.append("counts: … and \(plan.recounts.count - shown) more caps")
    }
    return lines
}

private func policyLines(_ plan: Plan, _ policySet: PolicySet) -> [String] {
    let shown = 40
    func list(_ mark: String, _ colour: String, _ names: [String]) -> [String] {
        var lines = names.prefix(shown).map { name in
            "  " + paint(mark, colour) + " " + name + detail(name, policySet)
        }
        if names.count > shown { lines.append("  \(mark) … and \(names.count - shown) more") }
        return lines
    }
    let changes = plan.changes
    if changes.isEmpty { return ["no policy changes"] }
    return list("+", "32", changes.added) + list("~", "33", changes.changed)
        + list("-", "31", changes.removed)
}

private func detail(_ name: String, _ policySet: PolicySet) -> String {
    guard let id = policySet.policyIDs.first(where: { policySet.qualifiedName($0) == name }),
        let description = policySet[id].description
    else { return "" }
    return "  \"\(description)\""
}

func paint(_ text: String, _ code: String) -> String {
    Output.colourOnOutput ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
}

private struct PlanDocument: Encodable {
    struct Restart: Encodable {
        let kind: String
        let name: String
        let policy: String
    }
    struct ForeignChain: Encodable {
        let table: String
        let chain: String
        let family: String
        let hook: String
        let priority: Int32
        let dropsByDefault: Bool
    }
    struct Cut: Encodable {
        let source: String
        let destination: String
        let port: String
        let connections: Int
        /// RFC 3339; absent where conntrack has not written it down.
        let oldest: String?
        let newest: String?
    }
    struct Count: Encodable {
        let policy: String
        let cap: String
        let connections: UInt32
        let per: String
        let live: Int
        let full: Int
    }
    let version = 1
    let changes: Bool
    let revision: String
    let gitCommit: String
    let added: [String]
    let changed: [String]
    let removed: [String]
    let operations: [String]
    let elements: Int
    let stages: Int
    let restarts: [Restart]
    let counts: [Count]
    let cuts: [Cut]
    let foreignChains: [ForeignChain]
}

func planJSON(_ plan: Plan, _ policySet: PolicySet) throws -> String {
    let revision = plan.program.ruleset.revision
    return try json(
        PlanDocument(
            changes: !plan.isEmpty, revision: revision.contentHash,
            gitCommit: revision.gitCommit, added: plan.changes.added,
            changed: plan.changes.changed, removed: plan.changes.removed,
            operations: plan.delta.counts.summary, elements: plan.program.ruleset.elementCount,
            stages: plan.program.stageCount,
            restarts: plan.delta.restarts.map {
                .init(kind: $0.kind.rawValue, name: $0.name, policy: $0.origin)
            },
            counts: plan.recounts.map {
                .init(
                    policy: $0.policy, cap: $0.part, connections: $0.connections,
                    per: $0.scope.rawValue, live: $0.live, full: $0.full)
            },
            cuts: plan.cuts.map {
                .init(
                    source: $0.source, destination: $0.destination, port: $0.port,
                    connections: $0.count,
                    oldest: $0.oldestEpochSeconds.map(timestampText),
                    newest: $0.newestEpochSeconds.map(timestampText))
            },
            foreignChains: plan.foreignChains.map {
                .init(
                    table: $0.table, chain: $0.chain, family: $0.family,
                    hook: $0.point.rawValue, priority: $0.priority,
                    dropsByDefault: $0.dropsByDefault)
            }))
}

/// Any document of weir's, with keys in a fixed order.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
