// SPDX-License-Identifier: GPL-3.0-or-later
//
// What is in force, read from the kernel alone: policies with what their counters say, and how
// long those have that expire.

import ArgumentParser
import FoundationEssentials
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is in force, with counters and time left.")

    @OptionGroup var format: JSONFlag

    func run() throws {
        var committer = try openCommitter()
        let status: KernelStatus?
        do throws(CommitFailure) {
            status = try committer.status()
        } catch {
            throw report(error, SourceMap())
        }
        guard let status else {
            Output.write(
                format.json
                    ? "{\n  \"inForce\" : false,\n  \"version\" : 1\n}"
                    : "no policy is in force: there is no table `weir` in this network namespace")
            return
        }
        let rows = ShownPolicy.all(in: status)
        if format.json {
            Output.write(
                try json(
                    ShowDocument(
                        inForce: true, revision: status.table.revision.contentHash,
                        gitCommit: status.table.revision.gitCommit, policies: rows)))
        } else {
            Output.write(Self.head(status))
            Output.write(Self.table(rows))
        }
    }

    fileprivate static func head(_ status: KernelStatus) -> String {
        "revision \(shortRevision(status.table.revision)), "
            + (status.table.isOnHost ? "polices this host" : "polices what is forwarded")
    }

    fileprivate static func table(_ rows: [ShownPolicy]) -> String {
        let width = rows.map(\.policy.count).max() ?? 0
        return rows.map { row in
            let pad = String(repeating: " ", count: width - row.policy.count)
            let counts = row.counters.map { "\($0.packets) \($0.what)" }.joined(separator: ", ")
            let ending = row.secondsLeft.map { "  \(duration($0)) left" } ?? ""
            let left = row.isOver ? "  over" : ending
            return "  \(row.policy)\(pad)  \(counts)\(left)"
        }.joined(separator: "\n")
    }
}

/// What is in force, for the prompt.
func describeInForce(_ kernel: any PolicyKernel) -> String {
    do throws(CommitFailure) {
        guard let status = try kernel.status() else {
            return "no policy is in force: there is no table `weir` in this network namespace"
        }
        return Show.head(status) + "\n"
            + Show.table(ShownPolicy.all(in: status))
    } catch {
        return WriteFailure.commit(error).words.message
    }
}

/// `1h05m`, `45s`.
func duration(_ seconds: Int64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60)
    func padded(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    if hours > 0 { return "\(hours)h\(padded(minutes))m" }
    return minutes > 0 ? "\(minutes)m\(padded(rest))s" : "\(rest)s"
}

private struct ShowDocument: Encodable {
    let version = 1
    let inForce: Bool
    let revision: String
    let gitCommit: String
    let policies: [ShownPolicy]
}

/// A policy as the kernel knows it.
struct ShownPolicy: Encodable {
    struct Counter: Encodable {
        /// `allowed`, `cap1 refused`, …
        let what: String
        let packets: UInt64
        let bytes: UInt64
    }
    let policy: String
    var counters: [Counter]
    var secondsLeft: Int64?
    /// Whether it ended by itself: its counters stay until the next commit.
    var isOver = false

    /// Policies of a revision that are past their end, by the log; none where it knows nothing.
    private static func endedPolicies(_ revision: Revision) -> [String] {
        let store = RevisionStore(.standard())
        guard let entry = store.latest(contentHash: revision.contentHash),
            let policySet = store.policySet(of: entry)?.enabling(entry.enabled)
        else { return [] }
        let now = currentState().epochSeconds
        return policySet.policyIDs.filter { id in
            policySet[id].activation.until.map { $0 <= now } ?? false
        }.map { policySet.qualifiedName($0) }
    }

    /// All policies in a table, by name.
    static func all(in status: KernelStatus) -> [ShownPolicy] {
        var rows: [String: ShownPolicy] = [:]
        for (name, object) in status.table.objects where object.kind == .counter {
            let value = status.counters[name]
            // A counter of the program's own is news only once it counted.
            if object.comment.contains(" "), value?.packets ?? 0 == 0,
                !object.comment.hasPrefix(defaultCounterPrefix)
            {
                continue
            }
            let what = name.split(separator: ".").dropFirst(2).joined(separator: " ")
            let counter = Counter(
                what: what.isEmpty ? String(name.split(separator: ".").last ?? "") : what,
                packets: value?.packets ?? 0, bytes: value?.bytes ?? 0)
            rows[object.comment, default: ShownPolicy(policy: object.comment, counters: [])]
                .counters.append(counter)
        }
        for name in endedPolicies(status.table.revision) { rows[name]?.isOver = true }
        let now = currentState().epochSeconds * 1000
        for set in status.table.sets.values where set.flags.contains(.timeout) {
            for element in set.elements.values {
                guard let expiry = element.expiresAtMilliseconds else { continue }
                rows[element.comment]?.secondsLeft = max(0, (expiry - now) / 1000)
            }
        }
        return rows.values.map { row in
            var row = row
            row.counters.sort { $0.what < $1.what }
            return row
        }.sorted { $0.policy < $1.policy }
    }
}
