// SPDX-License-Identifier: GPL-3.0-or-later
//
// A packet that is being decided while a commit comes sees the rules of before and, from that
// moment on, the elements of after: together they can refuse what either would have admitted
// (measured: 1 of 50,000 connections at 2,000 a second and a commit a second). So before anybody
// is told of a refusal, the number of the commit in the rules is held against the one in a set;
// where they differ the packet is dropped without a word, and TCP asks again a second later.

import WeirModel

/// The number of a commit: in the one rule of a chain, and the one element of a set.
enum CommitNumber {
    static let chain = "stamp"
    static let set = "committed"

    static func next(after table: KernelTable?) -> UInt32 {
        guard let held = held(table) else { return 1 }
        return held == .max ? 1 : held + 1
    }

    static func held(_ table: KernelTable?) -> UInt32? {
        guard let set = table?.sets[set], set.elements.count == 1, let key = set.elements.keys.first
        else { return nil }
        return UInt32(truncatingIfNeeded: key.first)
    }

    /// Whether a table holds both places, so that they can be compared apart from the rest.
    static func isHeld(_ table: KernelTable) -> Bool {
        held(table) != nil && !table.foreignSets.contains(set)
            && table.chains[chain].map { !$0.isForeign && $0.hook == nil } == true
    }
}

extension Program {
    /// The chain and the set that say which commit this is.
    mutating func addCommitCheck() {
        sets[CommitNumber.set] = NamedSet(
            key: [.mark], size: 64,
            elements: [ElementKey(UInt128(parts.commitNumber)): Element()])
        chains[CommitNumber.chain] = Chain(
            rules: [Rule([.set(.mark, parts.commitNumber)])])
        chains["torn"] = Chain(rules: [
            Rule([.counter(ProgramName.torn), .verdict(.drop)], comment: "a commit came meanwhile")
        ])
        objects[ProgramName.torn] = NamedObject(
            kind: .counter, comment: "packets decided across a commit")
    }

    /// What comes before a refusal is told.
    static let checkingCommit = [
        Rule([.verdict(.jump(CommitNumber.chain))]),
        Rule([.missing([.mark], set: CommitNumber.set), .verdict(.goto("torn"))]),
    ]
}

extension Delta.Operation {
    /// Whether it only says which commit this is.
    public var isCommitNumber: Bool {
        switch kind {
        case .flushChain(CommitNumber.chain), .addRule(_, CommitNumber.chain),
            .deleteElements(_, CommitNumber.set, _), .addElements(_, CommitNumber.set, _):
            true
        default: false
        }
    }
}
