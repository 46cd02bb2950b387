// SPDX-License-Identifier: GPL-3.0-or-later
//
// A reading of signals as lines of a table, the busiest policy first, and as a document for
// programs. It prints nothing; `weir top` and the prompt's \top do.

import WeirRuleset

/// The signals of one reading, in the order in which an operator wants them.
public struct SignalTable: Sendable {
    public let rows: [PolicySignals]
    private let notes: [String]
    private let heading: String

    public init(_ reading: SignalReading, nowEpochSeconds now: Int64) {
        rows = reading.signals.values.sorted { a, b in
            let (first, second) = (a.load, b.load)
            return first == second ? a.policy < b.policy : first > second
        }
        let name =
            reading.inForce.map {
                "revision \($0.entry.number) (\($0.revision.contentHash.prefix(12)))"
            } ?? "policies that nobody here has committed"
        heading = "\(timestampText(now))  \(name), \(rows.count) policies"
        var notes: [String] = []
        if reading.inForce == nil {
            notes.append("connections are not known: the log does not know what is in force")
        } else if !reading.isAccounted, rows.contains(where: { $0.bytesPerSecond == nil }) {
            notes.append(
                "bytes and packets only where a `when` watches them; for all after "
                    + "`\(ConntrackSetting.accounting.command)`")
        }
        self.notes = notes
    }

    /// A line each; the first is the heading, the second names the columns.
    /// - Parameters:
    ///   - maximumRows: of policies; the rest is counted in a line.
    ///   - paint: puts a text in a colour (an SGR code).
    public func lines(
        maximumRows: Int = .max, paint: (String, String) -> String = { text, _ in text }
    ) -> [String] {
        let shown = rows.prefix(max(1, maximumRows))
        let width = max(6, shown.map(\.policy.count).max() ?? 0)
        var lines = [heading, paint(Self.line("policy", Self.columns.map(\.title), width), "1")]
        for row in shown {
            var cells = Self.columns.map { $0.text(row) }
            let padded = Self.pad(&cells)
            lines.append(
                Self.join(row.policy, width, padded) { index, text in
                    Self.columns[index].colour(row).map { paint(text, $0) } ?? text
                })
        }
        if rows.count > shown.count { lines.append("… and \(rows.count - shown.count) more") }
        return lines + notes
    }

    // MARK: Columns

    private struct Column: Sendable {
        let title: String
        let text: @Sendable (PolicySignals) -> String
        var colour: @Sendable (PolicySignals) -> String? = { _ in nil }
    }

    private static let columnWidth = 9

    private static let columns: [Column] = [
        Column(title: "conns", text: { $0.connections.map(String.init) ?? "-" }),
        Column(title: "new/s", text: { rate($0.newPerSecond) }),
        Column(
            title: "rej/s", text: { rate($0.rejectedPerSecond) },
            colour: { ($0.rejectedPerSecond ?? 0) > 0 ? "31" : nil }),
        Column(
            title: "over/s", text: { rate($0.limitedPerSecond) },
            colour: { ($0.limitedPerSecond ?? 0) > 0 ? "33" : nil }),
        Column(title: "pkts/s", text: { rate($0.packetsPerSecond) }),
        Column(title: "bytes/s", text: { rate($0.bytesPerSecond) }),
        Column(
            title: "cap", text: { $0.capFill.map { "\(Int(($0 * 100).rounded()))%" } ?? "-" },
            colour: { ($0.capFill ?? 0) >= 1 ? "31" : ($0.capFill ?? 0) >= 0.8 ? "33" : nil }),
        Column(title: "left", text: { $0.secondsLeft.map(timeText) ?? "-" }),
    ]

    private static func line(_ first: String, _ cells: [String], _ width: Int) -> String {
        var cells = cells
        return join(first, width, pad(&cells)) { $1 }
    }

    private static func pad(_ cells: inout [String]) -> [String] {
        cells.map { String(repeating: " ", count: max(1, columnWidth - $0.count)) + $0 }
    }

    private static func join(
        _ first: String, _ width: Int, _ cells: [String], _ paint: (Int, String) -> String
    ) -> String {
        first + String(repeating: " ", count: max(0, width - first.count))
            + cells.enumerated().map { paint($0.offset, $0.element) }.joined()
    }

    /// `0`, `3.5`, `812`, `12.3k`, `4.5M`.
    static func rate(_ value: Double?) -> String {
        guard let value else { return "-" }
        if value < 100 { return amountText(value) }
        if value < 10_000 { return "\(Int(value.rounded()))" }
        for (limit, unit) in [(1e6, "k"), (1e9, "M"), (1e12, "G")] where value < limit {
            return amountText(value / limit * 1000) + unit
        }
        return amountText(value / 1e12) + "T"
    }

    private static func timeText(_ seconds: Int64) -> String {
        if seconds < 100 { return "\(seconds)s" }
        if seconds < 6000 { return "\(seconds / 60)m\(seconds % 60)s" }
        if seconds < 172_800 { return "\(seconds / 3600)h\(seconds / 60 % 60)m" }
        return "\(seconds / 86_400)d"
    }
}

extension PolicySignals {
    /// How busy a policy is: what it refuses counts first, then what begins, then what stands.
    fileprivate var load: Double {
        ((rejectedPerSecond ?? 0) + (limitedPerSecond ?? 0)) * 4 + (newPerSecond ?? 0)
            + Double(connections ?? 0) / 1000 + (packetsPerSecond ?? 0) / 1000
    }
}

/// What `weir top --json` prints.
public struct SignalDocument: Encodable, Sendable {
    public let version = 1
    public let epochSeconds: Int64
    /// The content hash in force; empty where there is no table.
    public let revision: String
    public let policies: [PolicySignals]

    public init(_ reading: SignalReading?, revision: String, nowEpochSeconds now: Int64) {
        epochSeconds = now
        self.revision = revision
        policies = reading.map { SignalTable($0, nowEpochSeconds: now).rows } ?? []
    }
}
