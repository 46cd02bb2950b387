// SPDX-License-Identifier: GPL-3.0-or-later
//
// `weir check --fix`: makes the automatic fixes one after the other, each only where the finding is
// gone after it and no error has come, and writes the files at the end, all or none.

public import WeirAnalysis
public import WeirDiagnostics
public import WeirResolve
import WeirSyntax

/// The automatic fixes of a policy set.
public struct FixRun {
    /// A fix that was made.
    public struct Made: Sendable {
        public let diagnostic: Diagnostic
        public let fix: FixIt
    }

    /// A finding without its place, which moves; with what stands there, for two may read alike.
    private struct Identity: Hashable {
        let code: String
        let message: String
        let text: String?

        init(_ diagnostic: Diagnostic, _ sources: SourceMap) {
            (code, message) = (diagnostic.code, diagnostic.message)
            text = diagnostic.range.map { sources[$0.source].text(in: $0.bytes) }
        }
    }

    private struct Candidate {
        let identity: Identity
        let made: Made
    }

    private let base: PolicyDraft
    private var draft: PolicyDraft
    private let options: AnalysisOptions
    /// What did not mend what it was to mend.
    private var refused: Set<Identity> = []
    private static let most = 10_000
    /// The policy set with the fixes that were made.
    public private(set) var checked: CheckedPolicySet
    private var diagnostics: [Diagnostic]
    public private(set) var count = 0

    /// - Parameter path: a policy set, as ``PolicySetLoader`` takes it.
    public init(
        _ path: String, tree: any PolicySource = WorkTree(), options: AnalysisOptions
    ) {
        base = PolicyDraft(reading: path, tree: tree)
        draft = base
        self.options = options
        checked = CheckedPolicySet(base.load(), options: options)
        diagnostics = checked.diagnostics
    }

    /// Makes fixes until there are none left.
    /// - Parameter report: hears of each that was made, with the texts that its places are in.
    public mutating func run(_ report: (Made, SourceMap) -> Void) {
        while count < Self.most {
            let candidates = self.candidates()
            if candidates.isEmpty { return }
            if attempt(candidates, report) { continue }
            for candidate in candidates where attempt([candidate], report) { break }
        }
    }

    /// Fixes that can be made at once: apart from each other, and a removal for being redundant
    /// alone, since what makes it so may be redundant as well.
    private func candidates() -> [Candidate] {
        var found: [Candidate] = []
        var taken: [SourceRange] = []
        for diagnostic in diagnostics {
            guard diagnostic.fixIts.count == 1, diagnostic.fixIts[0].isAutomatic else { continue }
            let identity = Identity(diagnostic, checked.sources)
            let ranges = diagnostic.fixIts[0].edits.map(\.range)
            guard !refused.contains(identity),
                !ranges.contains(where: { range in taken.contains { isNear(range, $0) } })
            else { continue }
            let candidate = Candidate(
                identity: identity,
                made: Made(diagnostic: diagnostic, fix: diagnostic.fixIts[0]))
            if diagnostic.code == FindingCode.redundantPolicy.rawValue {
                if found.isEmpty { return [candidate] }
                continue
            }
            found.append(candidate)
            taken += ranges
        }
        return found
    }

    /// Whether two edits are on neighbouring lines.
    private func isNear(_ a: SourceRange, _ b: SourceRange) -> Bool {
        guard a.source == b.source else { return false }
        let text = checked.sources[a.source]
        func lines(_ range: SourceRange) -> ClosedRange<Int> {
            let first = text.position(at: range.start).line
            return first - 1...text.position(at: range.end).line + 1
        }
        return lines(a).overlaps(lines(b))
    }

    private static func counts(_ list: [Diagnostic], _ sources: SourceMap) -> [Identity: Int] {
        Dictionary(list.map { (Identity($0, sources), 1) }, uniquingKeysWith: +)
    }

    private mutating func attempt(
        _ candidates: [Candidate], _ report: (Made, SourceMap) -> Void
    ) -> Bool {
        var next = draft
        next.apply(candidates.flatMap(\.made.fix.edits))
        let result = CheckedPolicySet(next.load(), options: options)
        let found = result.diagnostics
        let left = Self.counts(found, result.sources)
        var wanted = Self.counts(diagnostics, checked.sources)
        for candidate in candidates { wanted[candidate.identity, default: 0] -= 1 }
        let errors = { (list: [Diagnostic]) in list.count { $0.severity == .error } }
        guard errors(found) <= errors(diagnostics),
            (result.policySet == nil) == (checked.policySet == nil),
            candidates.allSatisfy({
                left[$0.identity, default: 0] <= wanted[$0.identity, default: 0]
            })
        else {
            if candidates.count == 1 { refused.insert(candidates[0].identity) }
            return false
        }
        for candidate in candidates { report(candidate.made, checked.sources) }
        count += candidates.count
        draft = next
        (checked, diagnostics) = (result, found)
        return true
    }

    /// Writes the files that the fixes changed; refuses where one is not as it was read.
    /// - Returns: their paths.
    public func write() throws(StagingError) -> [String] {
        let paths = draft.changedPaths(from: base)
        for path in paths where (try? DurableFile.read(path)) != base.files[path]?.bytes {
            throw StagingError(
                "\(quoted(path)) changed meanwhile; nothing was written",
                help: "run it again over what is there now")
        }
        for path in paths {
            guard let file = draft.files[path] else { continue }
            do throws(FileFailure) {
                try DurableFile.write(file.bytes, to: path)
            } catch {
                throw StagingError(error.message, help: "make it writable, and run it again")
            }
        }
        return paths
    }
}
