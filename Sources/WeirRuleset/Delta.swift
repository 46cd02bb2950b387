// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a commit changes, as data: operations in the order in which the kernel can take them, each
// with the place it comes from, so that an error leads back to a policy and a plan can be read.

/// The difference between the table in the kernel and the one that is wanted.
public struct Delta: Sendable, Equatable {
    public var family: TableFamily
    public var table: String
    /// What the table enforces afterwards; nil when the table is deleted.
    public var revision: Revision?
    /// In the order of the transaction.
    public var operations: [Operation]
    /// Sets with intervals: rules that look something up in them compare in network byte order.
    public var intervalSets: Set<String>
    /// What starts again from nothing although it goes on being wanted.
    public var restarts: [Restart]
    public var counts: Counts

    public init(
        family: TableFamily = .inet, table: String = "weir", revision: Revision? = nil,
        operations: [Operation] = [], intervalSets: Set<String> = [], restarts: [Restart] = [],
        counts: Counts = Counts()
    ) {
        self.family = family
        self.table = table
        self.revision = revision
        self.operations = operations
        self.intervalSets = intervalSets
        self.restarts = restarts
        self.counts = counts
    }

    /// Nothing to do: the kernel holds what is wanted.
    public var isEmpty: Bool { operations.isEmpty }

    /// One step of the transaction.
    public struct Operation: Sendable, Equatable {
        public var kind: Kind
        /// The policy that it comes from; empty where it belongs to many. Elements say their own.
        public var origin: String

        public init(_ kind: Kind, origin: String = "") {
            self.kind = kind
            self.origin = origin
        }
    }

    public enum Kind: Sendable, Equatable {
        case createTable(comment: String)
        case deleteTable
        /// All rules of the chain.
        case flushChain(String)
        case deleteElements([KeyedElement], set: String, NamedSet)
        case deleteSet(String)
        case deleteObject(String, type: UInt32)
        case deleteChain(String)
        case addObject(String, NamedObject)
        /// The set without elements.
        case addSet(String, NamedSet)
        case addChain(String, Chain.Hook?)
        case addElements([KeyedElement], set: String, NamedSet)
        /// At the end of the chain.
        case addRule(Rule, chain: String)
    }

    /// An element with its key; operations hold them sorted by key.
    public struct KeyedElement: Sendable, Hashable {
        public var key: ElementKey
        public var element: Element

        public init(_ key: ElementKey, _ element: Element) {
            self.key = key
            self.element = element
        }
    }

    /// State that is lost because what it belongs to had to be replaced.
    public struct Restart: Sendable, Hashable {
        public enum Kind: String, Sendable, Hashable {
            case counter, limit
            /// A number of connections: those that exist are forgotten.
            case cap
            /// What a dynamic set has learned.
            case learned
        }
        public var kind: Kind
        /// The object's or set's name; for a cap the element's key as nft writes it.
        public var name: String
        /// The policy.
        public var origin: String

        public init(_ kind: Kind, _ name: String, origin: String) {
            self.kind = kind
            self.name = name
            self.origin = origin
        }
    }

    public struct Counts: Sendable, Hashable {
        public var setsAdded = 0
        public var setsRemoved = 0
        public var setsReplaced = 0
        public var objectsAdded = 0
        public var objectsRemoved = 0
        public var objectsReplaced = 0
        public var chainsAdded = 0
        public var chainsRemoved = 0
        public var chainsChanged = 0
        public var rulesWritten = 0
        public var elementsAdded = 0
        public var elementsRemoved = 0
        public var elementsChanged = 0

        public init() {}
    }

    /// Takes the whole table out of the kernel.
    public static func removing(_ table: KernelTable) -> Delta {
        var delta = Delta(family: table.family, table: table.name)
        delta.operations = [Operation(.deleteTable)]
        delta.counts.setsRemoved = table.sets.count + table.foreignSets.count
        delta.counts.objectsRemoved = table.objects.count + table.foreignObjects.count
        delta.counts.chainsRemoved = table.chains.count
        delta.counts.elementsRemoved = table.sets.values.reduce(0) { $0 + $1.elements.count }
        return delta
    }
}

extension Delta.Counts {
    /// One line for each kind of thing that changes: "elements: 3 added, 1 changed".
    public var summary: [String] {
        func line(_ what: String, _ parts: [(Int, String)]) -> String? {
            let said = parts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
            return said.isEmpty ? nil : "\(what): \(said.joined(separator: ", "))"
        }
        return [
            line(
                "sets",
                [(setsAdded, "added"), (setsRemoved, "removed"), (setsReplaced, "replaced")]),
            line(
                "counters and limits",
                [
                    (objectsAdded, "added"), (objectsRemoved, "removed"),
                    (objectsReplaced, "replaced"),
                ]),
            line(
                "chains",
                [(chainsAdded, "added"), (chainsRemoved, "removed"), (chainsChanged, "changed")]),
            line("rules", [(rulesWritten, "written")]),
            line(
                "elements",
                [
                    (elementsAdded, "added"), (elementsRemoved, "removed"),
                    (elementsChanged, "changed"),
                ]),
        ].compactMap { $0 }
    }
}
