// SPDX-License-Identifier: GPL-3.0-or-later
//
// An analyzer that follows an edit says what a full check says, witnesses included: random
// sequences of edits, compared after every step. WEIR_EDIT_SEQUENCES sets how many.

import FoundationEssentials
import Testing
import WeirAnalysis
import WeirModel

/// A policy set under random edits.
struct RandomEdits {
    var maker: PolicySetMaker
    var policySet: PolicySet
    private var added = 0

    init(seed: UInt64) {
        maker = PolicySetMaker(seed: seed)
        // Ranges of addresses cost a full check, so most sequences do without.
        maker.hasLiterals = maker.rng.chance(15)
        if maker.rng.chance(10) { maker.mostPolicies = 24 }
        policySet = maker.policySet()
    }

    /// Makes the next edit and says what it was.
    mutating func next() -> PolicyEdit {
        let roll = Int.random(in: 0..<100, using: &maker.rng)
        if roll < 12 { return changeEndpoints() }
        if roll < 50, !policySet.policies.isEmpty { return replace() }
        if roll < 75, policySet.policies.count < maker.mostPolicies + 3 { return add() }
        if policySet.policies.count > 1 { return remove() }
        return .replaced(PolicyID(index: 0))
    }

    private mutating func replace() -> PolicyEdit {
        let index = Int.random(in: policySet.policies.indices, using: &maker.rng)
        let old = policySet.policies[index]
        var policy = old
        switch Int.random(in: 0..<6, using: &maker.rng) {
        case 0: policy.activation = maker.activation()
        case 1: policy.decision = maker.policy("", old.layer, policySet.landscape).decision
        case 2: policy.caps = maker.caps(policySet.landscape)
        case 3: break
        default: policy = maker.policy(old.name, old.layer, policySet.landscape)
        }
        policySet.policies[index] = policy
        maker.declareOverrides(&policySet.policies, of: index)
        return .replaced(PolicyID(index: index))
    }

    /// One endpoint more or less.
    private mutating func changeEndpoints() -> PolicyEdit {
        let index = Int.random(in: policySet.landscape.services.indices, using: &maker.rng)
        let old = policySet.landscape.services[index]
        var endpoints = old.endpoints
        if endpoints.isEmpty || maker.rng.chance(60) {
            endpoints.append(maker.address())
        } else {
            endpoints.remove(at: Int.random(in: endpoints.indices, using: &maker.rng))
        }
        policySet.landscape.services[index] = Service(
            name: old.name, labels: old.labels, ports: old.ports, capacity: old.capacity,
            endpoints: endpoints)
        return .endpoints
    }

    private mutating func add() -> PolicyEdit {
        added += 1
        let layer = Int.random(in: policySet.layers.indices, using: &maker.rng)
        let name = "p\(Int.random(in: 0...9, using: &maker.rng))x\(added)"
        let index = policySet.policies.count {
            $0.layer < layer || $0.layer == layer && $0.name < name
        }
        renumber { $0.index >= index ? PolicyID(index: $0.index + 1) : $0 }
        policySet.policies.insert(
            maker.policy(name, layer, policySet.landscape), at: index)
        maker.declareOverrides(&policySet.policies, of: index)
        return .added(PolicyID(index: index))
    }

    private mutating func remove() -> PolicyEdit {
        let index = Int.random(in: policySet.policies.indices, using: &maker.rng)
        let id = PolicyID(index: index)
        let isTriggered = policySet.triggers.contains { $0.policy == id || $0.enables == id }
        policySet.policies.remove(at: index)
        for other in policySet.policies.indices {
            policySet.policies[other].overriding.removeAll { $0.policy == id }
        }
        policySet.triggers.removeAll { $0.policy == id || $0.enables == id }
        renumber { $0.index > index ? PolicyID(index: $0.index - 1) : $0 }
        return isTriggered ? .other : .removed(id)
    }

    private mutating func renumber(_ name: (PolicyID) -> PolicyID) {
        for index in policySet.policies.indices {
            policySet.policies[index].overriding = policySet.policies[index].overriding.map {
                Override(policy: name($0.policy))
            }
        }
        policySet.triggers = policySet.triggers.map {
            Trigger(
                policy: name($0.policy), signal: $0.signal, comparison: $0.comparison,
                threshold: $0.threshold, holdSeconds: $0.holdSeconds, enables: name($0.enables),
                enableSeconds: $0.enableSeconds)
        }
    }
}

@Suite struct IncrementalTests {
    static let count: Int = {
        if let text = ProcessInfo.processInfo.environment["WEIR_EDIT_SEQUENCES"],
            let number = Int(text)
        {
            return number
        }
        #if DEBUG
            return 150
        #else
            return 10_000
        #endif
    }()

    @Test func `an edit gives what a full check gives`() {
        let seed = OracleTests.seed
        print("IncrementalTests seed \(seed), \(Self.count) sequences")
        for number in 0..<Self.count {
            let own = seed &+ UInt64(number)
            var edits = RandomEdits(seed: own)
            let options = OracleTests.Case(seed: own).options
            var analyzer = Analyzer(edits.policySet, options: options)
            for step in 0..<8 {
                let edit = edits.next()
                analyzer.apply(edit, giving: edits.policySet)
                let full = analyze(edits.policySet, options: options)
                let found = analyzer.findings
                if found == full { continue }
                let missed = full.filter { !found.contains($0) }
                let wrong = found.filter { !full.contains($0) }
                Issue.record(
                    "sequence \(own), step \(step), \(edit): missed \(missed), wrong \(wrong)")
                return
            }
        }
    }
}
