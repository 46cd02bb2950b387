// SPDX-License-Identifier: GPL-3.0-or-later
//
// weir-bench analysis: how long the checker takes for a whole policy set and for one edit, on a
// synthetic landscape. `swift run -c release weir-bench analysis`.
// weir-bench terms: the same for plain allow and deny policies, which it also prints for other
// tools to check (see shade-check beside this directory).

import Glibc
import WeirAnalysis
import WeirModel

@main enum Main {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let numbers = arguments.dropFirst().compactMap { Int($0) }
        let policies = numbers.first
        let endpoints = numbers.dropFirst().first
        let seed = UInt64(numbers.dropFirst(2).first ?? 1)
        switch arguments.first {
        case "analysis":
            AnalysisBenchmark(
                policies: policies ?? 10_000, endpoints: endpoints ?? 100_000, seed: seed
            ).run()
        case "terms":
            TermExport(policies: policies ?? 1_000, endpoints: endpoints ?? 10_000, seed: seed)
                .run()
        default:
            print("usage: weir-bench analysis|terms [POLICIES [ENDPOINTS [SEED]]]")
            exit(2)
        }
    }
}

struct AnalysisBenchmark {
    let policies: Int
    let endpoints: Int
    let seed: UInt64
    var edits = 20_000

    func run() {
        var maker = SyntheticLandscape(
            services: max(20, endpoints * 6 / 100), endpoints: endpoints, seed: seed)
        let policySet = maker.policySet(policies)
        let options = AnalysisOptions(epochSeconds: 1_795_392_000)
        let clock = ContinuousClock()
        var analyzer: Analyzer?
        let full = clock.measure { analyzer = Analyzer(policySet, options: options) }
        guard let analyzer else { return }
        let findings = analyzer.findings
        print("policies \(policies), endpoints \(endpoints), seed \(seed)")
        print("full check: \(milliseconds(full)) ms, \(findings.count) findings")
        var counts: [FindingCode: Int] = [:]
        for finding in findings { counts[finding.code, default: 0] += 1 }
        for code in FindingCode.allCases where counts[code] != nil {
            print("  \(code.rawValue) \(counts[code] ?? 0)")
        }
        print("peak memory: \(peakKilobytes() / 1024) MB")
        let assembly = clock.measure { _ = analyzer.findings }
        print("putting all findings in order: \(milliseconds(assembly)) ms")
        timeEdits(policySet, analyzer, &maker)
    }

    /// Replaces policies by others of the same kind, one at a time.
    private func timeEdits(
        _ original: PolicySet, _ initial: Analyzer, _ maker: inout SyntheticLandscape
    ) {
        var policySet = original
        var analyzer = initial
        let clock = ContinuousClock()
        var times: [Double] = []
        // What the edit itself takes, whatever else the machine does.
        var processorTimes: [Double] = []
        for number in 0..<edits {
            let index = Int.random(in: policySet.policies.indices, using: &maker.rng)
            let old = policySet.policies[index]
            var policy = maker.policy(number)
            guard policy.layer == old.layer else { continue }
            policy.name = old.name
            policySet.policies[index] = policy
            let before = threadMicroseconds()
            let time = clock.measure {
                analyzer.apply(.replaced(PolicyID(index: index)), giving: policySet)
            }
            times.append(milliseconds(time) * 1000)
            processorTimes.append(threadMicroseconds() - before)
        }
        print("\(times.count) edits: \(quantiles(times))")
        print("  processor time: \(quantiles(processorTimes))")
        timeEndpoints(&policySet, &analyzer, &maker)
        let same = analyzer.findings == analyze(policySet, options: analyzer.options)
        print("findings after the edits are those of a full check: \(same)")
    }

    /// Takes one endpoint of a service away and brings it back, as autoscaling does.
    private func timeEndpoints(
        _ policySet: inout PolicySet, _ analyzer: inout Analyzer, _ maker: inout SyntheticLandscape
    ) {
        let clock = ContinuousClock()
        var times: [Double] = []
        for _ in 0..<100 {
            let index = Int.random(in: policySet.landscape.services.indices, using: &maker.rng)
            let service = policySet.landscape.services[index]
            for endpoints in [Array(service.endpoints.dropLast()), service.endpoints] {
                policySet.landscape.services[index] = Service(
                    name: service.name, labels: service.labels, capacity: service.capacity,
                    endpoints: endpoints)
                let time = clock.measure { analyzer.apply(.endpoints, giving: policySet) }
                times.append(milliseconds(time) * 1000)
            }
        }
        print("\(times.count) endpoints gone or come: \(quantiles(times))")
    }

    private func quantiles(_ times: [Double]) -> String {
        let sorted = times.sorted()
        func at(_ share: Double) -> Int { Int(sorted[Int(Double(sorted.count - 1) * share)]) }
        return "p50 \(at(0.5)) µs, p90 \(at(0.9)) µs, p99 \(at(0.99)) µs, most \(at(1)) µs"
    }

    private func threadMicroseconds() -> Double {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return 0 }
        return Double(time.tv_sec) * 1e6 + Double(time.tv_nsec) / 1e3
    }

    private func milliseconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) * 1e3 + (Double(attoseconds) / 1e12).rounded() / 1e3
    }

    private func peakKilobytes() -> Int {
        var usage = rusage()
        guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        return usage.ru_maxrss
    }
}
