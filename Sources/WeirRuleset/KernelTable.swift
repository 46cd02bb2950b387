// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the kernel holds of weir's table, as far as a commit needs to know it. It differs from a
// `Ruleset` in that rules are known by their fingerprints only, and in that it can hold what weir
// would never have written: somebody else may have changed the table.

/// The table as it was read from the kernel.
public struct KernelTable: Sendable, Equatable {
    public var family: TableFamily
    public var name: String
    /// All sets, with the one that holds the revision; dynamic ones without their elements.
    public var sets: [String: NamedSet]
    public var objects: [String: NamedObject]
    public var chains: [String: KernelChain]
    /// Sets that are not, or hold elements that are not, of a form that weir writes.
    public var foreignSets: Set<String>
    /// Objects of such a form, with their kernel type (NFT_OBJECT_*).
    public var foreignObjects: [ForeignObject]

    public init(
        family: TableFamily = .inet, name: String = "weir", sets: [String: NamedSet] = [:],
        objects: [String: NamedObject] = [:], chains: [String: KernelChain] = [:],
        foreignSets: Set<String> = [], foreignObjects: [ForeignObject] = []
    ) {
        self.family = family
        self.name = name
        self.sets = sets
        self.objects = objects
        self.chains = chains
        self.foreignSets = foreignSets
        self.foreignObjects = foreignObjects
    }

    /// What the kernel holds once a ruleset was applied, so that the next delta needs no reading.
    public init(holding ruleset: Ruleset) {
        self.init(
            family: ruleset.family, name: ruleset.name,
            sets: ruleset.allSets.mapValues(\.asHeld), objects: ruleset.objects,
            chains: ruleset.chains.mapValues {
                KernelChain(hook: $0.hook, rules: $0.fingerprints(family: ruleset.family))
            })
    }

    /// As ``init(holding:)``, where a delta from an earlier table has led there: an element whose
    /// end was moved by less than a delta looks at still ends when it did.
    public init(holding ruleset: Ruleset, after earlier: KernelTable?) {
        self.init(holding: ruleset)
        for (name, set) in earlier?.sets ?? [:]
        where set.flags.contains(.timeout) && !set.flags.contains(.dynamic) {
            for (key, element) in set.elements {
                guard let now = sets[name]?.elements[key],
                    now.expiresAtMilliseconds != element.expiresAtMilliseconds,
                    now.isSame(as: element)
                else { continue }
                sets[name]?.elements[key]?.expiresAtMilliseconds = element.expiresAtMilliseconds
            }
        }
    }

    /// Whether two readings are of the same table, unchanged in between. Unlike `==` this takes
    /// expiry times that differ by their rounding for equal, and forgives elements that expired.
    public func isUnchanged(since earlier: KernelTable, nowMilliseconds: Int64) -> Bool {
        guard family == earlier.family, name == earlier.name, objects == earlier.objects,
            chains == earlier.chains, foreignSets == earlier.foreignSets,
            foreignObjects == earlier.foreignObjects, sets.count == earlier.sets.count
        else { return false }
        return sets.allSatisfy { name, set in
            guard let old = earlier.sets[name], set.sameDefinition(as: old) else { return false }
            let soon = nowMilliseconds + expiryToleranceMilliseconds
            let expired = old.elements.filter {
                set.elements[$0.key] == nil && !$0.value.isLive(nowMilliseconds: soon)
            }
            return set.elements.count + expired.count == old.elements.count
                && set.elements.allSatisfy { key, element in
                    old.elements[key].map { element.isSame(as: $0) } ?? false
                }
        }
    }

    /// Which revision the table enforces.
    public var revision: Revision { Revision(set: sets[Revision.setName]) }
}

/// A chain in the kernel.
public struct KernelChain: Sendable, Equatable {
    public var hook: Chain.Hook?
    /// Fingerprints in order; nil for a rule that weir did not write.
    public var rules: [UInt64?]
    /// A chain of a type, policy or device that weir never gives.
    public var isForeign: Bool

    public init(hook: Chain.Hook? = nil, rules: [UInt64?] = [], isForeign: Bool = false) {
        self.hook = hook
        self.rules = rules
        self.isForeign = isForeign
    }
}

/// A stateful object that weir did not write.
public struct ForeignObject: Sendable, Hashable {
    public var name: String
    /// NFT_OBJECT_*
    public var type: UInt32

    public init(name: String, type: UInt32) {
        self.name = name
        self.type = type
    }
}

extension ObjectKind {
    /// NFT_OBJECT_COUNTER, NFT_OBJECT_LIMIT
    public var kernelType: UInt32 { self == .counter ? 1 : 4 }
}

extension NamedObject {
    public var objectKind: ObjectKind {
        switch kind {
        case .counter: .counter
        case .limit: .limit
        }
    }
}

extension Chain {
    func fingerprints(family: TableFamily) -> [UInt64?] {
        rules.map { $0.fingerprint(family: family) }
    }
}

extension NamedSet {
    /// The set as the kernel gives it back: sized as it was declared, comments as nft writes
    /// them, without learned elements.
    var asHeld: NamedSet {
        var result = self
        result.size = effectiveSize
        if flags.contains(.dynamic) { result.elements = [:] }
        return result
    }
}
