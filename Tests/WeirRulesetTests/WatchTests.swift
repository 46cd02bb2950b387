// SPDX-License-Identifier: GPL-3.0-or-later
//
// What triggers watch is counted in the kernel, and nothing is where nobody watches.

import Testing
import WeirModel

@testable import WeirRuleset

@Suite struct WatchTests {
    private static func set(_ signals: [Trigger.Signal]) -> PolicySet {
        let policies = ["a", "b"].map { name in
            Policy(
                name: name, layer: 0,
                interactions: [
                    Interaction(
                        source: .any, destination: .any, ports: .ports(IPProtocol.tcp, 80, 80))
                ])
        }
        return PolicySet(
            landscape: Landscape(), layers: [Layer(name: "l")], policies: policies,
            triggers: signals.map { signal in
                Trigger(
                    policy: PolicyID(index: 0), signal: signal, comparison: .greater, threshold: 1,
                    holdSeconds: 1, enables: PolicyID(index: 1), enableSeconds: 1)
            })
    }

    private static func lowered(_ signals: [Trigger.Signal]) throws -> Ruleset {
        let (program, diagnostics) = lower(
            set(signals), options: LoweringOptions(state: PolicyState(epochSeconds: 0)))
        return try #require(program?.ruleset, "\(diagnostics)")
    }

    @Test func `a counter for what is watched, and no rule where nothing is`() throws {
        let plain = try Self.lowered([])
        #expect(!plain.objects.keys.contains { $0.hasPrefix("l.") })
        #expect(plain.chains["known"] == nil && plain.chains["ask_seen"] == nil)
        #expect(try Self.lowered([.connections, .rejected]).chains == plain.chains)
        let rate = try Self.lowered([.rate])
        #expect(rate.objects.keys.filter { $0.hasPrefix("l.") } == ["l.a.seen"])
        #expect(rate.chains["known"] == nil && rate.chains["ask_seen"] != nil)
        for signals in [[Trigger.Signal.bytes], [.packets], [.bytes, .packets]] {
            let metered = try Self.lowered(signals)
            #expect(metered.objects.keys.filter { $0.hasPrefix("l.") } == ["l.a.watched"])
            #expect(metered.chains["watch_original"] != nil && metered.chains["watch_reply"] != nil)
            #expect(metered.sets["watched"]?.elements.count == 1)
        }
    }

    @Test(arguments: [
        ("l.a.allowed", "l.a", CounterMeaning.Subject.allowed),
        ("l.a/2eb.dropped", "l.a.b", .dropped), ("l.a.seen", "l.a", .seen),
        ("l.a.limit2.refused", "l.a", .overLimit(1)), ("l.a.limit1.marked", "l.a", .overLimit(0)),
        ("l.a.cap1.without1.without2.refused", "l.a", .overCap(0)),
        ("l.a.cap1.would-refuse", "l.a", .hypothetical), ("l.a.would-drop", "l.a", .hypothetical),
        ("l.a.watched", "l.a", .watched),
    ])
    func `a counter's name says what it counts`(
        name: String, policy: String, subject: CounterMeaning.Subject
    ) {
        #expect(
            CounterMeaning(counterName: name) == CounterMeaning(policy: policy, subject: subject))
    }

    @Test(arguments: ["weir.marks_full", "base.rejected", "l.a.other", "l.a.limitx.refused", ""])
    func `other counters belong to no policy`(name: String) {
        #expect(CounterMeaning(counterName: name) == nil)
    }
}
