// SPDX-License-Identifier: GPL-3.0-or-later
//
// What was found wrong in one inventory. Bounded, since a wrong file may be wrong in every line
// and nobody reads the ten-thousandth message.

import WeirDiagnostics

/// Collects the diagnostics of one inventory, at most ``limit`` of them.
struct InventoryFindings {
    static let limit = 100
    private(set) var diagnostics: [Diagnostic] = []
    private var suppressed = 0

    mutating func error(
        _ code: String, _ message: String, at range: SourceRange?, related: [RelatedPlace] = [],
        help: String
    ) {
        add(Diagnostic(.error, code, message, at: range, related: related, help: help))
    }

    mutating func add(_ diagnostic: Diagnostic) {
        guard diagnostics.count < Self.limit else {
            suppressed += 1
            return
        }
        diagnostics.append(diagnostic)
    }

    /// All of them in the order of the file, and how many more there were.
    func finish() -> [Diagnostic] {
        let sorted = diagnostics.enumerated().sorted {
            ($0.element.range?.start ?? 0, $0.offset) < ($1.element.range?.start ?? 0, $1.offset)
        }.map(\.element)
        guard suppressed > 0 else { return sorted }
        return sorted + [
            Diagnostic(
                .error, "too-many-errors", "\(suppressed) more errors in this inventory",
                at: sorted.last?.range, help: "mend these first")
        ]
    }
}
