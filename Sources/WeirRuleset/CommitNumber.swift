// SPDX-License-Identifier: GPL-3.0-or-later
//
// A packet that is being decided while a commit comes sees the rules of before and, from that
// moment on, the elements of after: together they can refuse what either would have admitted
// (measured: 1 of 50,000 connections at 2,000 a second and a commit a second). So before anybody
// is told of a refusal, the number of the commit in the rules is held against the one in a set;
// where they differ the packet is dropped without a word, and TCP asks again a second later.
//
// Sets with intervals the kernel exchanges last of all (nft_set_ops.commit), so for a moment after
// a commit its rules and exact-match elements meet intervals of before (measured: 143 of 21,744
// connections at 400 commits made for it). A commit that changes intervals therefore writes its
// number into the set `settling` as well, which says the same to packets that it decides, and takes
// it away a moment later; if it is killed before, the kernel does within a second.

import WeirModel

/// The number of a commit: in the one rule of a chain, and the one element of a set.
enum CommitNumber {
    static let chain = "stamp"
    static let set = "committed"
    /// Holds the number for as long as intervals may be those of before.
    static let settling = "settling"

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
        sets[CommitNumber.settling] = NamedSet(
            key: [.mark], flags: [.dynamic, .timeout], size: 64, timeoutMilliseconds: 1_000)
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
        Rule([.lookup([.mark], set: CommitNumber.settling), .verdict(.goto("torn"))]),
    ]
}

extension Delta {
    /// Says that intervals are about to change, if they are.
    mutating func settle(_ number: ElementKey, _ set: NamedSet) {
        guard operations.contains(where: \.changesIntervals) else { return }
        operations.append(
            .init(
                .addElements(
                    [.init(number, Element())], set: CommitNumber.settling, set.definition)))
    }

    /// What remains to be committed a moment after this delta, when no packet can still be on its
    /// way that met intervals of before; nil for nothing.
    public var afterwards: Delta? {
        for operation in operations {
            guard case .addElements(let elements, CommitNumber.settling, let set) = operation.kind
            else { continue }
            return Delta(
                family: family, table: table, revision: revision,
                operations: [
                    .init(.deleteElements(elements, set: CommitNumber.settling, set))
                ])
        }
        return nil
    }
}

extension Delta.Operation {
    fileprivate var changesIntervals: Bool {
        switch kind {
        case .addElements(_, _, let set), .deleteElements(_, _, let set):
            set.flags.contains(.interval)
        default: false
        }
    }
    /// Whether it only says which commit this is.
    public var isCommitNumber: Bool {
        switch kind {
        case .flushChain(CommitNumber.chain), .addRule(_, CommitNumber.chain),
            .deleteElements(_, CommitNumber.set, _), .addElements(_, CommitNumber.set, _),
            .addElements(_, CommitNumber.settling, _):
            true
        default: false
        }
    }
}
