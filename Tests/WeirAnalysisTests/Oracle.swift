// SPDX-License-Identifier: GPL-3.0-or-later
//
// The checker's definitions (docs/checker.md) once more, by enumeration: every kind of address,
// every port that can be told apart, every instant, every set of enabled standby policies. It
// uses membership by definition and shares nothing with the engine.

import WeirAnalysis
import WeirModel

/// A finding reduced to what both sides must agree on.
struct Key: Hashable, CustomStringConvertible {
    let code: FindingCode
    /// Policies, parts, services: whatever identifies the finding within its code.
    let about: [Int]
    /// Which of the reasons of `broken-reservation`, and the like.
    var reason = ""
    var severity = ""
    var certainty = ""

    var description: String { "\(code.rawValue)\(about) \(reason) \(severity) \(certainty)" }
}

/// A small policy set taken apart. Sets of policies are masks.
struct Oracle {
    struct Place {
        let address: IPAddress
        let weight: UInt64
    }

    struct Case {
        let source: Int
        let destination: Int
        let flow: Flow
        /// Policies whose interactions contain the flow.
        let policies: UInt32
        let assertions: UInt32
    }

    struct Moment {
        let state: PolicyState
        let inForce: UInt32
        let enabled: UInt32
    }

    let policySet: PolicySet
    let now: Int64
    private(set) var places: [Place] = []
    private(set) var cases: [Case] = []
    private(set) var moments: [Moment] = []
    /// One case of each distinct pair of masks.
    private(set) var kinds: [Case] = []
    let overriders: [UInt32]
    let deciders: UInt32
    let standby: UInt32

    init(_ original: PolicySet, now: Int64) {
        var policySet = original
        for index in policySet.policies.indices {
            if let duration = policySet.policies[index].activation.forSeconds,
                policySet.policies[index].activation.until == nil
            {
                policySet.policies[index].activation.until = now + duration
            }
        }
        self.policySet = policySet
        self.now = now
        func mask(_ holds: (PolicyID) -> Bool) -> UInt32 {
            policySet.policyIDs.reduce(0) { holds($1) ? $0 | 1 << UInt32($1.index) : $0 }
        }
        deciders = mask { policySet[$0].decision != nil }
        standby = mask { policySet[$0].activation.standby }
        overriders = policySet.policyIDs.map { target in
            mask { id in
                policySet[id].layer == policySet[target].layer
                    && policySet[id].decision != nil
                    && policySet[id].overriding.contains { $0.policy == target }
            }
        }
        findPlaces()
        findCases()
        findMoments()
    }

    /// Addresses that belong to the same sets are one place; those outside the window are alike.
    private mutating func findPlaces() {
        var sets: [AddressSet] = []
        for interaction in policySet.policies.flatMap(\.interactions)
            + policySet.assertions.flatMap(\.interactions)
        {
            sets += [interaction.source, interaction.destination]
        }
        sets += policySet.policies.flatMap(\.caps).flatMap(\.reservations).map(\.beneficiary)
        sets += policySet.landscape.services.indices.map { .service($0) }
        let outside: [(IPAddress, UInt64)] = [
            (.v4(0x0B00_0000), (1 << 32) - 8), (.v6(0xFE00), .max),
        ]
        var index: [[Bool]: Int] = [:]
        var counts: [UInt64] = []
        var first: [IPAddress] = []
        for (address, weight) in PolicySetMaker.window.map({ ($0, UInt64(1)) }) + outside {
            let landscape = policySet.landscape
            let signature =
                sets.map { landscape.contains($0, address) }
                + (-1..<landscape.zones.count).map { (landscape.zone(of: address) ?? -1) == $0 }
                + [address.family == .v4]
            if let known = index[signature] {
                counts[known] = sum(counts[known], weight)
            } else {
                index[signature] = first.count
                first.append(address)
                counts.append(weight)
            }
        }
        places = zip(first, counts).map { Place(address: $0, weight: $1) }
    }

    private mutating func findCases() {
        var cuts: Set<UInt32> = [0]
        for interaction in policySet.policies.flatMap(\.interactions)
            + policySet.assertions.flatMap(\.interactions)
        {
            for interval in interaction.ports.intervals {
                cuts.insert(interval.first)
                if interval.last < PortSet.maximum { cuts.insert(interval.last + 1) }
            }
        }
        var seen: Set<UInt64> = []
        for (source, from) in places.enumerated() {
            for (destination, to) in places.enumerated()
            where from.address.family == to.address.family {
                for port in cuts.sorted() {
                    let flow = Flow(
                        source: from.address, destination: to.address,
                        port: PortPoint(rawValue: port))
                    let item = Case(
                        source: source, destination: destination, flow: flow,
                        policies: policySet.policyIDs.reduce(0) {
                            policySet.matches($1, flow) ? $0 | 1 << UInt32($1.index) : $0
                        },
                        assertions: policySet.assertions.indices.reduce(0) { mask, index in
                            policySet.assertions[index].interactions.contains {
                                policySet.matches($0, flow)
                            } ? mask | 1 << UInt32(index) : mask
                        })
                    cases.append(item)
                    let key = UInt64(item.policies) | UInt64(item.assertions) << 32
                    if seen.insert(key).inserted { kinds.append(item) }
                }
            }
        }
    }

    /// Every hour for eight days after now and after each end is enough: windows open and close
    /// on the hour.
    private mutating func findMoments() {
        let ends = policySet.policies.compactMap(\.activation.until).filter { $0 > now }
        let hasHours = policySet.policies.contains { !$0.activation.during.isEmpty }
        var seen: Set<UInt32> = []
        for start in [now] + ends {
            for hour in 0..<(hasHours ? Int64(192) : 1) {
                let time = start + hour * 3_600
                let all = PolicyState(
                    epochSeconds: time, enabled: Set(policySet.policyIDs))
                let possible = policySet.policyIDs.reduce(UInt32(0)) {
                    policySet.isInForce($1, in: all) ? $0 | 1 << UInt32($1.index) : $0
                }
                guard seen.insert(possible).inserted else { continue }
                addMoments(time, possible)
            }
        }
    }

    private mutating func addMoments(_ time: Int64, _ possible: UInt32) {
        // Every subset of the standby policies.
        var subset: UInt32 = 0
        repeat {
            moments.append(
                Moment(
                    state: PolicyState(
                        epochSeconds: time,
                        enabled: Set(policySet.policyIDs.filter { has(subset, $0.index) })),
                    inForce: possible & (~standby | subset), enabled: subset))
            subset = (subset &- standby) & standby
        } while subset != 0
    }

    func has(_ mask: UInt32, _ index: Int) -> Bool { mask >> UInt32(index) & 1 == 1 }

    func members(_ mask: UInt32) -> [Int] {
        policySet.policies.indices.filter { has(mask, $0) }
    }

    func sum(_ a: UInt64, _ b: UInt64) -> UInt64 {
        a > .max - b ? .max : a + b
    }

    func product(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? .max : value
    }

    /// What is said of a flow by the policies of a mask, all of them in force and matching.
    struct Decided {
        var standing: UInt32 = 0
        /// Standing, and no layer above speaks or has a default.
        var effective: UInt32 = 0
        var mayAdmit = false
        var mayDeny = false
        /// nil where ambiguous.
        var action: Action?
    }

    func decided(_ matching: UInt32) -> Decided {
        var found = Decided()
        var isOpen = true
        let speaking = members(matching & deciders)
        for layer in policySet.layers.indices {
            let own = speaking.filter { policySet.policies[$0].layer == layer }
            let standing = own.filter { policy in
                !own.contains { has(overriders[policy], $0) }
            }
            for policy in standing { found.standing |= 1 << UInt32(policy) }
            guard isOpen else { continue }
            var actions = Set(standing.compactMap { policySet.policies[$0].decision?.action })
            if own.isEmpty {
                guard let action = policySet.layers[layer].defaultAction else { continue }
                actions = [action]
            }
            for policy in standing { found.effective |= 1 << UInt32(policy) }
            isOpen = false
            found.action = actions.count == 1 ? actions.first : nil
            found.mayAdmit = actions.contains(.allow)
            found.mayDeny = actions.contains { $0 != .allow }
        }
        if isOpen {
            found.action = .allow
            found.mayAdmit = true
        }
        return found
    }
}
