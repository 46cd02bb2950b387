// SPDX-License-Identifier: GPL-3.0-or-later
//
// What is known of one policy, and on what it rests. Most policies are proved sound by a single
// flow that they decide; such a proof stands until somebody else comes to match that very flow,
// which is what makes an edit cheap.

import WeirModel

struct SlotFacts {
    /// About the policy alone: coverage, constraints, reservations.
    var findings: [Finding] = []
    /// Live policies, the own one left out, that match the policy's anchor.
    var anchorOwners: [Int] = []
    /// Flows beside the anchor that show the absence of a finding.
    var points: [Point] = []
    /// What does not rest on single flows: look again when something near changes that may bear
    /// on it.
    var broad: Broad = []

    struct Broad: OptionSet {
        let rawValue: UInt16

        /// Who decides above it, everywhere.
        static let shadowed = Broad(rawValue: 1)
        /// That nothing depends on it.
        static let redundant = Broad(rawValue: 2)
        /// That all of some flows is denied, though somebody allows part of it.
        static let dead = Broad(rawValue: 4)
        /// That nobody allows any of some flows.
        static let unallowed = Broad(rawValue: 8)
        /// Who denies all flows of a reservation, and when.
        static let denied = Broad(rawValue: 16)
        /// Which flows may be admitted, and which caps and limits there are.
        static let numbers = Broad(rawValue: 32)
        /// Which caps and limits there are.
        static let constraints = Broad(rawValue: 64)
        /// Reservations of other policies lie in a cap of this one.
        static let promises = Broad(rawValue: 128)
        /// The flows that show something show it at every instant, and not only at theirs.
        static let everyInstant = Broad(rawValue: 256)
    }
}

extension Point {
    mutating func renumber(_ instants: [Int]) {
        self = Point(
            source: source, destination: destination, port: port, instant: instants[instant])
    }
}

/// A pair of policies that decide differently, and where.
struct PairFact {
    enum Conflict {
        case ambiguous, undeclared, narrowed
    }

    /// The one in the higher layer, or first in the policy set.
    let upper: Int
    let lower: Int
    let conflict: Conflict
    /// `covered` where others stand between them everywhere: no finding.
    var result: CoverResult
    /// The witness is the first point that they have in common, so that only a policy that
    /// matches this point can change the result.
    let isFirst: Bool
}

/// All pairs that decide differently.
struct PairTable {
    /// nil where a pair is gone.
    private(set) var facts: [PairFact?] = []
    /// Pairs of each slot.
    private(set) var bySlot: [[Int]]
    private var free: [Int] = []

    init(slots: Int) { bySlot = [[Int]](repeating: [], count: slots) }

    mutating func makeRoom(for slot: Int) {
        while bySlot.count <= slot { bySlot.append([]) }
    }

    mutating func add(_ fact: PairFact) {
        let index = free.popLast() ?? facts.count
        if index == facts.count { facts.append(nil) }
        facts[index] = fact
        bySlot[fact.upper].append(index)
        bySlot[fact.lower].append(index)
    }

    mutating func replace(_ index: Int, _ fact: PairFact) { facts[index] = fact }

    mutating func removeAll(of slot: Int) {
        for index in bySlot[slot] {
            guard let fact = facts[index] else { continue }
            let other = fact.upper == slot ? fact.lower : fact.upper
            bySlot[other].removeAll { $0 == index }
            facts[index] = nil
            free.append(index)
        }
        bySlot[slot] = []
    }

    mutating func renumber(_ instants: [Int]) {
        for index in facts.indices {
            guard case .uncovered(var point)? = facts[index]?.result else { continue }
            point.renumber(instants)
            facts[index]?.result = .uncovered(point)
        }
    }
}

/// What is known of one assertion.
struct AssertionFact {
    var bricks: [Brick] = []
    /// `empty-set`.
    var emptiness: [Finding] = []
    /// `assertion-failed`.
    var failures: [Finding] = []
}

/// What is known of one service's capacity.
struct CapacityFact {
    /// Slots of policies meant for the service.
    var dedicated: [Int]
    var findings: [Finding] = []
    /// Whether what is admitted, and by which other caps, matters at all.
    var dependsOnOthers = false
}
