// SPDX-License-Identifier: GPL-3.0-or-later
//
// The checker against the oracle on random policy sets: the same findings for every code, every
// witness replayed. WEIR_ORACLE_CASES sets how many; optimized builds try 50,000 of themselves.

import FoundationEssentials
import Testing
import WeirAnalysis
import WeirModel

@Suite struct OracleTests {
    static let count: Int = {
        if let text = ProcessInfo.processInfo.environment["WEIR_ORACLE_CASES"],
            let number = Int(text)
        {
            return number
        }
        #if DEBUG
            return 400
        #else
            return 50_000
        #endif
    }()

    static let seed: UInt64 =
        ProcessInfo.processInfo.environment["WEIR_ORACLE_SEED"].flatMap { UInt64($0) }
        ?? .random(in: 0 ... .max)

    struct Case {
        let policySet: PolicySet
        let options: AnalysisOptions

        init(seed: UInt64) {
            var maker = PolicySetMaker(seed: seed)
            policySet = maker.policySet()
            let (a, b) = (maker.address(), maker.address())
            let channel = ProtectedChannel(
                .operatorConnection,
                Flow(
                    source: a, destination: a.family == b.family ? b : a,
                    port: PortPoint(protocolNumber: IPProtocol.tcp, port: 81)))
            options = AnalysisOptions(
                epochSeconds: monday + Int64.random(in: 0..<7200, using: &maker.rng) / 3600 * 3600,
                channels: maker.rng.chance(40) ? [channel] : [])
        }
    }

    /// What is wrong with the checker's findings for a case; nil if nothing is.
    static func fault(_ seed: UInt64, undecided: inout Int, counts: inout [String: Int])
        -> String?
    {
        let item = Case(seed: seed)
        let found = analyze(item.policySet, options: item.options)
        let oracle = Oracle(item.policySet, now: item.options.epochSeconds)
        let cutOff = found.filter { $0.certainty == .undecided }
        undecided += cutOff.count
        let keys = found.compactMap { Key($0) }
        let own = Set(keys)
        for key in keys { counts["\(key.code.rawValue) \(key.reason)", default: 0] += 1 }
        if own.count != keys.count { return "a finding is reported twice: \(keys)" }
        let wanted = oracle.keys(channels: item.options.channels)
        let missed = wanted.subtracting(own).filter { key in
            !cutOff.contains { $0.code == key.code }
        }
        let wrong = own.subtracting(wanted)
        if !missed.isEmpty || !wrong.isEmpty {
            return "missed \(missed.map(\.description).sorted()), "
                + "false \(wrong.map(\.description).sorted())"
        }
        if let finding = found.first(where: {
            $0.certainty != .undecided && !oracle.policySet.replays($0)
        }) {
            return "the witness does not replay: \(finding)"
        }
        if let finding = found.first(where: {
            $0.code == .shadowedPolicy && !oracle.namesAllDeciders($0)
        }) {
            return "somebody else decides above too: \(finding)"
        }
        let hasLoop = wanted.contains { $0.code == .overrideCycle }
        return hasLoop ? nil : oracle.disagreesWithDecide(seed)
    }

    @Test func `the checker and the oracle find the same`() {
        print("OracleTests seed \(Self.seed), \(Self.count) cases")
        var undecided = 0
        var counts: [String: Int] = [:]
        for index in 0..<Self.count {
            let seed = Self.seed &+ UInt64(index)
            if let fault = Self.fault(seed, undecided: &undecided, counts: &counts) {
                Issue.record("case \(seed): \(fault)")
                return
            }
        }
        let total = counts.values.reduce(0, +)
        print("OracleTests:", counts.map { "\($0.key) \($0.value)" }.sorted())
        print("OracleTests: \(undecided) of \(total) undecided")
        #expect(undecided * 1000 <= total)
        // Rare kinds show in large runs only.
        #expect(Self.count < 10_000 || counts.count == FindingCode.allCases.count + 5)
    }
}

extension Oracle {
    /// Whether the policies named by `shadowed-policy` alone keep the policy from deciding.
    func namesAllDeciders(_ finding: Finding) -> Bool {
        guard finding.certainty != .undecided, finding.witness?.defaultLayer == nil else {
            return true
        }
        let subject = finding.policies[0].policy.index
        let named = finding.policies.dropFirst().reduce(UInt32(0)) {
            $0 | 1 << UInt32($1.policy.index)
        }
        return kinds.allSatisfy { kind in
            !has(kind.policies, subject)
                || moments.allSatisfy { moment in
                    !has(moment.inForce, subject) || kind.policies & moment.inForce & named != 0
                }
        }
    }

    /// The masks say the same as `decide` for a few flows and states of the case.
    func disagreesWithDecide(_ seed: UInt64) -> String? {
        var rng = SeededGenerator(state: seed)
        for _ in 0..<3 {
            let (item, moment) = (rng.pick(cases), rng.pick(moments))
            let mine = decided(item.policies & moment.inForce)
            let verdict = policySet.decide(item.flow, in: moment.state)
            if mine.action != verdict.action {
                return "the oracle is wrong about \(item.flow) in \(moment.state)"
            }
        }
        return nil
    }
}
