// SPDX-License-Identifier: GPL-3.0-or-later
//
// The checker as CI calls it: what is wrong, for people or programs, all of it or what is new.

import ArgumentParser
import FoundationEssentials
import WeirAnalysis
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Parse, resolve and analyse; needs neither root nor a kernel.",
        discussion: """
            Exit status 1 where a finding is an error; with --against, where a new one is. \
            `weir explain CODE` says more about a finding's code. --fix makes each fix that is the \
            only one of its finding and leaves what is enforced as it is, says what it changed, \
            and reports what is left.
            """)

    enum Style: String, ExpressibleByArgument, CaseIterable { case text, json, sarif }

    @OptionGroup var location: PolicyPath
    @Option(help: "How to print: text, json (docs/findings-schema.md) or sarif (2.1.0).")
    var format = Style.text
    @Option(help: "Report only what is new since this git revision.")
    var against: String?
    @Flag(help: "Write the fixes that leave nothing to choose into the files.")
    var fix = false
    @Option(
        name: .customLong("operator"),
        help: "A flow that no commit may cut, such as '192.0.2.7 -> 10.0.0.1 tcp/22'.")
    var operators: [String] = []

    func validate() throws {
        if fix, against != nil {
            throw ValidationError("--fix mends everything; it does not go with --against")
        }
    }

    func run() throws {
        let loaded = PolicySetLoader().load(location.path)
        let options = AnalysisOptions(
            epochSeconds: currentState().epochSeconds, channels: try channels(loaded))
        let checked =
            fix ? try fixed(options) : CheckedPolicySet(loaded, options: options)
        var shown = checked.diagnostics
        if let against {
            let earlier = try earlier(against, options)
            shown = newDiagnostics(
                shown, in: checked.sources, since: earlier.diagnostics, in: earlier.sources)
        }
        print(shown, checked)
        if shown.hasErrors { throw Stop(checked.isUnreadable ? .unusable : .refused) }
    }

    /// Makes the fixes, telling of each, and writes the files.
    private func fixed(_ options: AnalysisOptions) throws -> CheckedPolicySet {
        var run = FixRun(location.path, options: options)
        run.run { made, sources in
            let renderer = TextRenderer(sources: sources, colour: Output.colourOnError)
            Output.message(renderer.render(made.fix, of: made.diagnostic))
        }
        do throws(StagingError) {
            let paths = try run.write()
            let files = paths.count == 1 ? paths[0] : "\(paths.count) files"
            if run.count > 0 {
                Output.message(
                    "\(run.count) fix\(run.count == 1 ? "" : "es") written to \(files)")
            }
        } catch {
            Output.error(error.message, help: error.help)
            throw Stop(.refused)
        }
        return run.checked
    }

    private func earlier(
        _ revision: String, _ options: AnalysisOptions
    ) throws -> CheckedPolicySet {
        do throws(GitTreeFailure) {
            let tree = try gitTree(of: location.path, at: revision)
            let loaded = PolicySetLoader(tree: tree).load(location.path)
            if loaded.policySet == nil {
                Output.message(
                    "note: revision `\(revision)` has errors itself; all that is new is shown")
            }
            return CheckedPolicySet(loaded, options: options)
        } catch {
            Output.error(error.message, help: "name a commit, tag or branch of the policy set")
            throw Stop(.unusable)
        }
    }

    private func channels(_ loaded: LoadedPolicySet) throws -> [ProtectedChannel] {
        guard let policySet = loaded.policySet else { return [] }
        return try operators.flatMap { text in
            switch parseFlow(text, in: policySet) {
            case .success(let flows):
                return flows.map { ProtectedChannel(.operatorConnection, $0) }
            case .failure(let problem):
                Output.error("--operator: \(problem.message)", help: problem.help)
                throw Stop(.unusable)
            }
        }
    }

    private func print(_ shown: [Diagnostic], _ checked: CheckedPolicySet) {
        switch format {
        case .text:
            Output.diagnostics(shown, checked.sources)
            Output.write(summary(shown, checked.policySet))
        case .json:
            Output.write(
                JSONRenderer(sources: checked.sources).render(
                    shown, details: details(shown, checked)))
        case .sarif:
            let rules = FindingCode.allCases.map { code in
                SARIFRule(
                    id: code.rawValue,
                    summary: String(code.rawValue.map { $0 == "-" ? " " : $0 }),
                    page: page(for: code.rawValue))
            }
            Output.write(
                SARIFRenderer(sources: checked.sources, toolVersion: "1", rules: rules)
                    .render(shown))
        }
    }

    /// What the checker knows of each diagnostic beyond its words.
    private func details(_ shown: [Diagnostic], _ checked: CheckedPolicySet) -> [JSONValue?] {
        guard let policySet = checked.policySet else { return [] }
        let known = Dictionary(
            zip(
                checked.diagnostics.suffix(checked.findings.count),
                checked.findings.map { $0.details(in: policySet) })
        ) { first, _ in first }
        return shown.map { known[$0] }
    }
}
