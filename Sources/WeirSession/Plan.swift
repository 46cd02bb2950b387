// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a commit would do, before it is done: which policies appear, go or change, what the kernel
// has to write, what starts again from nothing. A plan is made against one state of the kernel and
// can be committed only against that state.

public import WeirKernel
public import WeirModel
public import WeirRuleset

/// Policies by qualified name, sorted.
public struct PolicyChanges: Sendable, Equatable {
    public var added: [String] = []
    public var removed: [String] = []
    public var changed: [String] = []

    public var isEmpty: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty }

    public init() {}

    /// Reads the changes off the objects and elements that a delta touches: each says its policy.
    public init(from kernel: KernelTable?, to ruleset: Ruleset, delta: Delta) {
        var touched: Set<String> = []
        for operation in delta.operations {
            touched.insert(operation.origin)
            switch operation.kind {
            case .addElements(let elements, _, _), .deleteElements(let elements, _, _):
                for item in elements { touched.insert(item.element.origin) }
            default: break
            }
        }
        touched = touched.filter { $0.contains(".") && !$0.hasPrefix(defaultCounterPrefix) }
        let before = Presence(kernel?.objects ?? [:], of: touched)
        let after = Presence(ruleset.objects, of: touched)
        for name in touched.sorted() {
            switch (before.has(name), after.has(name)) {
            case (false, true): added.append(name)
            case (true, false): removed.append(name)
            case (true, true): changed.append(name)
            case (false, false): break
            }
        }
    }

    /// Which policies have an object. Few are asked about after an edit, all after an upgrade.
    private struct Presence {
        private let objects: [String: NamedObject]
        private var all: Set<String>?

        init(_ objects: [String: NamedObject], of touched: Set<String>) {
            self.objects = objects
            if touched.count > 16 { all = Set(objects.values.map(\.comment)) }
        }

        func has(_ name: String) -> Bool {
            all?.contains(name) ?? objects.values.contains { $0.comment == name }
        }
    }
}

/// A commit that was worked out and not yet made.
public struct Plan: Sendable {
    public let program: LoweredProgram
    /// What the kernel held; nil for no table.
    public let kernel: KernelTable?
    public let generation: UInt32
    public let delta: Delta
    public let changes: PolicyChanges
    /// Base chains of other tables on the hooks that weir uses.
    public let foreignChains: [ForeignBaseChain]
    /// Live connections that the policy set denies and the commit would end.
    public let cuts: [CutGroup]
    let cutter: ConnectionCutter
    /// Caps that count existing connections from the start.
    public internal(set) var recounts: [CapRecount] = []
    var matcher: CapMatcher?

    public var isEmpty: Bool { delta.isEmpty }

    /// Elements by policy, the largest first.
    public func elementCounts(_ policySet: PolicySet) -> [(name: String, count: Int)] {
        zip(policySet.policyIDs, program.elementsByPolicy)
            .map { (policySet.qualifiedName($0), $1) }
            .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    }
}
