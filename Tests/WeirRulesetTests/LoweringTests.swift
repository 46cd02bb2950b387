// SPDX-License-Identifier: GPL-3.0-or-later

import Testing
import WeirDiagnostics
import WeirModel
import WeirTesting

@testable import WeirRuleset

@Suite struct LoweringTests {
    static let state = PolicyState(epochSeconds: 1_000)

    /// What the machine must have met, by decide's account.
    static func expectedConstraints(
        _ set: PolicySet, _ verdict: WeirModel.Verdict, _ flow: Flow
    ) -> Int {
        verdict.constraints.reduce(0) { sum, item in
            guard case .cap(let index) = item.kind else { return sum + 1 }
            let cap = set[item.policy].caps[index]
            let outside = cap.reservations.filter {
                !set.landscape.contains($0.beneficiary, flow.source)
            }
            return sum + (1 << outside.count)
        }
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max)])
    func `the machine agrees with decide`(seed: UInt64) throws {
        print("LoweringTests seed \(seed)")
        var random = RandomPolicies(seed: seed)
        for round in 0..<400 {
            let set = random.policySet()
            let (program, diagnostics) = lower(set, options: LoweringOptions(state: Self.state))
            let ruleset = try #require(program?.ruleset, "\(diagnostics)")
            var decider = FlowDecider(set, in: Self.state)
            for _ in 0..<60 {
                let flow = random.flow()
                let mark = random.chance(30) ? UInt32(0x4000) : 0
                let verdict = set.decide(flow, in: Self.state)
                #expect(decider.action(for: flow) == verdict.action, "round \(round): \(flow)")
                let outcome = RulesetMachine.run(flow, mark: mark, through: ruleset)
                let fate: MachineOutcome.Fate =
                    switch verdict.action {
                    case .allow: .accepted
                    case .reject: .rejected
                    case .drop: .dropped
                    case nil: .accepted
                    }
                try #require(verdict.action != nil)
                #expect(outcome.fate == fate, "round \(round): \(flow)")
                #expect(
                    outcome.constraints.count == Self.expectedConstraints(set, verdict, flow),
                    "round \(round): \(flow) \(outcome.constraints)")
                if outcome.fate == .accepted {
                    #expect(outcome.mark == mark && outcome.priority == 0)
                }
                guard outcome.fate == fate, fate != .accepted else { continue }
                guard case .decided(_, let by)? = verdict.decidingLayer.map({ verdict.layers[$0] })
                else { continue }
                let names = by.map {
                    "\(set.qualifiedName($0)).\(fate == .rejected ? "rejected" : "dropped")"
                }
                #expect(outcome.counters.last.map(names.contains) == true)
            }
        }
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max)])
    func `compiling over the own result changes nothing`(seed: UInt64) throws {
        print("LoweringTests seed \(seed)")
        var random = RandomPolicies(seed: seed)
        for _ in 0..<200 {
            let set = random.policySet()
            let options = LoweringOptions(state: Self.state)
            let first = try #require(lower(set, options: options).0?.ruleset)
            let held = KernelTable(holding: first)
            let second = try #require(lower(set, options: options, previous: held).0?.ruleset)
            // All but the number of the commit, which nothing is committed for.
            #expect(second.delta(from: held, nowMilliseconds: 0).isEmpty)
        }
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max)])
    func `an edit leaves the numbers of other policies alone`(seed: UInt64) throws {
        print("LoweringTests seed \(seed)")
        var random = RandomPolicies(seed: seed)
        for _ in 0..<200 {
            var set = random.policySet()
            let options = LoweringOptions(state: Self.state)
            let first = try #require(lower(set, options: options).0?.ruleset)
            set.policies.append(
                Policy(
                    name: "zz", layer: 2,
                    interactions: [Interaction(source: .any, destination: .service(0))],
                    decision: Decision(action: .allow),
                    caps: [Cap(connections: 3)]))
            for index in set.policies.indices.dropLast() where set.policies[index].layer == 2 {
                set.policies[index].overriding.append(
                    Override(policy: PolicyID(index: set.policies.count - 1)))
            }
            let second = try #require(
                lower(set, options: options, previous: KernelTable(holding: first)).0?.ruleset)
            for map in ProgramName.counterMaps + [ProgramName.limits, ProgramName.caps] {
                for (key, element) in first.sets[map]?.elements ?? [:] {
                    #expect(second.sets[map]?.elements[key] == element, "\(map)")
                }
            }
        }
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max)])
    func `what a cache gives is what would be computed`(seed: UInt64) throws {
        print("LoweringTests seed \(seed)")
        var random = RandomPolicies(seed: seed)
        for _ in 0..<40 {
            var set = random.policySet()
            var cache = LoweringCache()
            var kernel: KernelTable?
            for round in 0..<12 {
                let options = LoweringOptions(state: Self.state)
                let fresh = lower(set, options: options, previous: kernel).0?.ruleset
                let cached = lower(set, options: options, previous: kernel, cache: &cache).0
                #expect(fresh == cached?.ruleset)
                if random.chance(70) { kernel = fresh.map(KernelTable.init(holding:)) }
                edit(&set, round, &random)
            }
        }
    }

    /// One edit, of the kinds that move others' numbers too.
    private func edit(_ set: inout PolicySet, _ round: Int, _ random: inout RandomPolicies) {
        let index = random.number(0...(set.policies.count - 1))
        let other = random.policy("n\(random.number(0...99)).\(round)", layers: 3, set.landscape)
        switch random.number(0...7) {
        case 0: set.policies[index].interactions = other.interactions
        case 1: set.policies[index].caps = other.caps
        case 2: set.policies[index].limits = other.limits
        case 3: set.landscape = random.landscape(services: set.landscape.services.count)
        case 4: set.policies[index].decision = other.decision
        case 5:
            set.policies[index].effects = other.effects
            set.policies[index].activation = other.activation
        default:
            for position in set.policies.indices { set.policies[position].overriding = [] }
            if set.policies.count > 2, random.chance(50) { set.policies.remove(at: index) }
            set.policies.append(other)
            set.policies.sort { ($0.layer, $0.name) < ($1.layer, $1.name) }
        }
    }

    @Test func `an explosion is refused with the policies that cause it`() throws {
        let services = (0..<400).map {
            Service(name: "s\($0)", endpoints: [.v4(0x0A00_0000 + UInt32($0))])
        }
        let policies = (0..<30).map { index in
            let side: AddressSet = (0..<200).reduce(.service(index)) {
                .union($0, .service((index * 31 + $1 * (index + 3)) % 397))
            }
            return Policy(
                name: "p\(index)", layer: 0,
                interactions: [Interaction(source: side, destination: side)],
                decision: Decision(action: .allow))
        }
        let set = PolicySet(
            landscape: Landscape(services: services), layers: [Layer(name: "l")],
            policies: policies)
        let (program, diagnostics) = lower(
            set, options: LoweringOptions(elementBudget: 10_000, state: Self.state))
        #expect(program?.ruleset.elementCount == nil)
        #expect(diagnostics.map(\.code) == ["too-many-elements"])
    }
}
