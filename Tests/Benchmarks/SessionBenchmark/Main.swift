// SPDX-License-Identifier: GPL-3.0-or-later
//
// From a typed line to enforcement, piece by piece, in milliseconds. The namespace is the caller's:
//
//     swift build -c release --product session-benchmark
//     unshare -n .build/release/session-benchmark PATH
//
// With `env PATH=/none` before it, git is left out.
//
// PATH is a copy of a policy set, since it is committed to; WEIR_STATE names the state directory.

import WeirModel
import WeirRuleset
import WeirSession

@main
enum Main {
    static func main() throws {
        let root = CommandLine.arguments.dropFirst().first ?? "."
        let session = measure("read and parse") { PolicySession(root) }
        _ = measure("resolve and check, whole set") { session.checked }
        _ = try measure("first commit") {
            try session.commit(CommitOptions(message: "benchmark"))
        }
        var totals: [Double] = []
        for round in 0..<9 {
            print("round \(round)")
            unsafe spent = 0
            let text = "policy bench { from s1 to s2 on tcp/\(9000 + round); drop }"
            let reader = PromptReader(
                draft: session.work.draft, layer: session.work.draft.layerNames.first ?? "")
            guard case .edits(let edits) = measure("  read the line", { reader.read(text) }) else {
                print("the line was refused")
                return
            }
            _ = try measure("  stage it") { try session.stage(edits) }
            let draft = session.work.draft
            _ = measure("  (resolve alone)") { draft.load() }
            _ = measure("  resolve and check") { session.checked }
            let (plan, policySet) = try measure("  (plan alone)") { try session.plan() }
            let options = LoweringOptions(
                revision: plan.program.ruleset.revision, state: PolicyState(epochSeconds: 0))
            _ = measure("  (lower alone)") {
                lower(policySet, options: options, previous: plan.kernel)
            }
            _ = measure("  (delta alone)") {
                plan.program.ruleset.delta(from: plan.kernel, nowMilliseconds: 0)
            }
            _ = try measure("  commit") {
                try session.commit(CommitOptions(message: "benchmark"))
            }
            totals.append(unsafe spent)
        }
        let median = totals.sorted()[totals.count / 2]
        print("median of line, staging, check and commit together: \(rounded(median)) ms")
    }

    /// Of what an operator waits for; what stands in brackets is measured besides.
    nonisolated(unsafe) private static var spent = 0.0

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    private static func measure<Value>(
        _ what: String, _ body: () throws -> Value
    ) rethrows -> Value {
        let clock = ContinuousClock()
        let start = clock.now
        let value = try body()
        let taken = clock.now - start
        let milliseconds =
            Double(taken.components.attoseconds) / 1e15
            + Double(taken.components.seconds) * 1e3
        if !what.hasPrefix("  (") { unsafe spent += milliseconds }
        print("\(what): \(rounded(milliseconds)) ms")
        return value
    }
}
