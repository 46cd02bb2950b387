// SPDX-License-Identifier: GPL-3.0-or-later
//
// The patterns that every policy set has without declaring them: a readable file and a page for
// each, carried in the binary so that it needs nothing beside it.

public import WeirDiagnostics
import WeirSyntax

/// weir's own patterns.
public enum PatternLibrary {
    /// One pattern of the library.
    public struct Entry: Sendable {
        public let name: String
        public let parameters: [String]
        /// The declaration with the comment above it, as it stands in the library.
        public let text: String
        /// What an operator should know about it, in Markdown.
        public let page: String
    }

    /// The library as a file; messages call it `<library>`.
    public static let source = SourceText(
        name: "<library>", bytes: PackageResources.library_weir, isBuiltIn: true)

    /// Every pattern, in the order of the file.
    public static let entries: [Entry] =
        parse(source, id: SourceID(index: 0)).file.declarations.compactMap {
            declaration in
            guard case .pattern(let pattern) = declaration else { return nil }
            let name = pattern.name.text
            return Entry(
                name: name, parameters: pattern.parameters.map(\.text),
                text: source.text(in: commentStart(of: pattern)..<pattern.range.end),
                page: String(decoding: pages[name] ?? [], as: UTF8.self))
        }

    /// Where the comment right above a declaration begins.
    private static func commentStart(of pattern: PatternDeclaration) -> Int {
        var line = source.position(at: pattern.range.start).line
        while line > 1, source.line(line - 1).hasPrefix("#") { line -= 1 }
        return source.lineStarts[line - 1]
    }

    /// `docs/patterns/NAME.md` by name.
    private static var pages: [String: [UInt8]] {
        [
            "backpressure": PackageResources.backpressure_md,
            "brownout": PackageResources.brownout_md,
            "bulkhead": PackageResources.bulkhead_md,
            "bulkhead-with-hatch": PackageResources.bulkhead_with_hatch_md,
            "compartment": PackageResources.compartment_md,
            "fail-fast": PackageResources.fail_fast_md,
            "failover": PackageResources.failover_md,
            "fair-share": PackageResources.fair_share_md,
            "quarantine": PackageResources.quarantine_md,
            "quarantine-except": PackageResources.quarantine_except_md,
            "segment": PackageResources.segment_md,
            "segment-with-hatch": PackageResources.segment_with_hatch_md,
            "shed": PackageResources.shed_md,
            "shed-by-priority": PackageResources.shed_by_priority_md,
            "trickle": PackageResources.trickle_md,
            "warm-up": PackageResources.warm_up_md,
        ]
    }
}
