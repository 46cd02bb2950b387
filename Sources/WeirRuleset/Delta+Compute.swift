// SPDX-License-Identifier: GPL-3.0-or-later
//
// Computes a delta. The order of the operations is the kernel's: nothing may be deleted while
// something refers to it, so rules go first, then elements, sets, objects and chains; what is
// added comes in the opposite order. What cannot be changed in place is replaced together with
// whatever refers to it, and nothing else is touched.

extension Ruleset {
    /// What has to change for the kernel to hold this ruleset.
    /// - Parameters:
    ///   - kernel: the table as read or as last applied; nil when there is none.
    ///   - nowMilliseconds: since 1970-01-01: an element whose time is over is not added, and one
    ///     in the kernel whose time is over is left to the kernel.
    public func delta(from kernel: KernelTable?, nowMilliseconds: Int64) -> Delta {
        var builder = DeltaBuilder(wanted: self, kernel: kernel, nowMilliseconds: nowMilliseconds)
        return builder.build()
    }
}

/// How far two expiry times may lie apart and still be the same: reading one back from the kernel
/// adds the time since the kernel wrote its answer, and the kernel rounds to clock ticks.
let expiryToleranceMilliseconds: Int64 = 2000

private struct DeltaBuilder {
    let wanted: Ruleset
    let kernel: KernelTable?
    let now: Int64
    let wantedSets: [String: NamedSet]
    let held: KernelTable
    var delta: Delta
    /// Names in the kernel that go, and of these the ones that come back in another form.
    var goneSets: Set<String> = []
    var replacedSets: Set<String> = []
    var replacedObjects: Set<String> = []
    /// Only in the kernel, and only wanted.
    var goneObjects: [String] = []
    var comingObjects: [String] = []
    var replacedChains: Set<String> = []
    var changedChains: Set<String> = []
    var deletions: [Delta.Operation] = []
    var additions: [Delta.Operation] = []

    init(wanted: Ruleset, kernel: KernelTable?, nowMilliseconds: Int64) {
        self.wanted = wanted
        self.kernel = kernel
        self.now = nowMilliseconds
        self.wantedSets = wanted.allSets
        self.held = kernel ?? KernelTable(family: wanted.family, name: wanted.name)
        self.delta = Delta(
            family: wanted.family, table: wanted.name, revision: wanted.revision,
            intervalSets: Set(
                wanted.allSets.filter { $0.value.flags.contains(.interval) }.keys))
    }

    mutating func build() -> Delta {
        if kernel == nil {
            delta.operations.append(.init(.createTable(comment: Ruleset.tableComment)))
        }
        compareDefinitions()
        flushChains()
        compareElements()
        deleteDefinitions()
        addDefinitions()
        delta.operations += deletions + additions
        addRules()
        if isNumbered { number() }
        if let number = wantedSets[CommitNumber.set]?.elements.keys.first,
            let settling = wantedSets[CommitNumber.settling]
        {
            delta.settle(number, settling)
        }
        return delta
    }

    /// Whether the commit's number is apart from the rest: it changes if anything does.
    private var isNumbered: Bool {
        CommitNumber.isHeld(held) && wantedSets[CommitNumber.set]?.elements.count == 1
            && wanted.chains[CommitNumber.chain] != nil
    }

    private mutating func number() {
        guard !delta.operations.isEmpty, let want = wantedSets[CommitNumber.set],
            let have = held.sets[CommitNumber.set]
        else { return }
        let definition = want.definition
        func elements(_ set: NamedSet) -> [Delta.KeyedElement] {
            set.elements.map { .init($0.key, $0.value) }
        }
        let (old, new) = (elements(have), elements(want))
        guard old != new else { return }
        delta.operations.append(
            .init(.deleteElements(old, set: CommitNumber.set, definition)))
        delta.operations.append(.init(.addElements(new, set: CommitNumber.set, definition)))
        delta.operations.append(.init(.flushChain(CommitNumber.chain)))
        for rule in wanted.chains[CommitNumber.chain]?.rules ?? [] {
            delta.operations.append(.init(.addRule(rule, chain: CommitNumber.chain)))
        }
    }

    /// Finds what cannot stay as it is.
    private mutating func compareDefinitions() {
        for (name, set) in held.sets {
            guard let want = wantedSets[name] else {
                goneSets.insert(name)
                continue
            }
            // The kernel takes no new elements into a constant set that rules refer to.
            let isFixed = want.flags.contains(.constant) && want.elements != set.elements
            if held.foreignSets.contains(name) || isFixed || !want.sameDefinition(as: set) {
                replacedSets.insert(name)
            }
        }
        for name in held.foreignSets {
            if wantedSets[name] == nil { goneSets.insert(name) } else { replacedSets.insert(name) }
        }
        var common = 0
        for (name, want) in wanted.objects {
            guard let object = held.objects[name] else {
                comingObjects.append(name)
                continue
            }
            common += 1
            if !want.isSame(as: object) { replacedObjects.insert(name) }
        }
        if common < held.objects.count {
            goneObjects = held.objects.keys.filter { wanted.objects[$0] == nil }
        }
        for foreign in held.foreignObjects where wanted.objects[foreign.name] != nil {
            replacedObjects.insert(foreign.name)
        }
        for (name, chain) in held.chains {
            guard let want = wanted.chains[name] else { continue }
            if chain.isForeign || want.hook != chain.hook { replacedChains.insert(name) }
        }
    }

    /// Deletes the rules of every chain that goes or changes.
    private mutating func flushChains() {
        for (name, chain) in held.chains.sorted(by: { $0.key < $1.key }) {
            if name == CommitNumber.chain, isNumbered { continue }
            if let want = wanted.chains[name], !replacedChains.contains(name) {
                let same =
                    chain.rules == want.fingerprints(family: wanted.family)
                    && !want.rules.contains(where: refersToReplaced)
                if same { continue }
                changedChains.insert(name)
                delta.counts.chainsChanged += 1
            }
            if !chain.rules.isEmpty { deletions.append(.init(.flushChain(name))) }
        }
    }

    private func refersToReplaced(_ rule: Rule) -> Bool {
        rule.statements.contains { statement in
            if let set = statement.referredSet, replacedSets.contains(set) { return true }
            if let object = statement.referredObject, replacedObjects.contains(object) {
                return true
            }
            if let chain = statement.referredChain, replacedChains.contains(chain) { return true }
            return false
        }
    }

    /// Elements of the sets that stay.
    private mutating func compareElements() {
        for (name, want) in wantedSets.sorted(by: { $0.key < $1.key }) {
            if name == CommitNumber.set, isNumbered { continue }
            guard let have = held.sets[name], !replacedSets.contains(name),
                !want.flags.contains(.dynamic)
            else { continue }
            let touchesReplaced =
                want.kind == .objectMap(.counter) || want.kind == .objectMap(.limit)
            if want.elements == have.elements
                && !(touchesReplaced && !replacedObjects.isEmpty)
            {
                continue
            }
            compareElements(of: name, want: want, have: have)
        }
    }

    private mutating func compareElements(of name: String, want: NamedSet, have: NamedSet) {
        var removed: [Delta.KeyedElement] = []
        var added: [Delta.KeyedElement] = []
        var common = 0
        for (key, element) in have.elements {
            guard let new = want.elements[key] else {
                if element.isLive(nowMilliseconds: now) {
                    removed.append(.init(key, element))
                    delta.counts.elementsRemoved += 1
                }
                continue
            }
            common += 1
            if new.isSame(as: element) && !refersToReplaced(new) { continue }
            if !element.isLive(nowMilliseconds: now) {
                if new.isLive(nowMilliseconds: now) {
                    added.append(.init(key, new))
                    delta.counts.elementsAdded += 1
                }
                continue
            }
            removed.append(.init(key, element))
            guard new.isLive(nowMilliseconds: now) else {
                delta.counts.elementsRemoved += 1
                continue
            }
            added.append(.init(key, new))
            delta.counts.elementsChanged += 1
            if want.countsConnections {
                restart(.cap, want.keyText(key), origin: new.origin)
            }
        }
        for (key, element) in common < want.elements.count ? want.elements : [:]
        where have.elements[key] == nil && element.isLive(nowMilliseconds: now) {
            added.append(.init(key, element))
            delta.counts.elementsAdded += 1
        }
        let definition = want.definition
        if !removed.isEmpty {
            removed.sort { $0.key < $1.key }
            deletions.append(.init(.deleteElements(removed, set: name, definition)))
        }
        if !added.isEmpty {
            added.sort { $0.key < $1.key }
            additions.append(.init(.addElements(added, set: name, definition)))
        }
    }

    private func refersToReplaced(_ element: Element) -> Bool {
        guard case .object(let name) = element.value else { return false }
        return replacedObjects.contains(name)
    }

    /// Deletes sets, objects and chains, in this order.
    private mutating func deleteDefinitions() {
        for name in goneSets.union(replacedSets).sorted() {
            deletions.append(.init(.deleteSet(name)))
        }
        delta.counts.setsRemoved = goneSets.count
        delta.counts.setsReplaced = replacedSets.count
        for name in (goneObjects + replacedObjects).sorted() {
            guard let object = held.objects[name] else { continue }
            let isWanted = wanted.objects[name] != nil
            delta.counts.objectsRemoved += isWanted ? 0 : 1
            deletions.append(
                .init(
                    .deleteObject(name, type: object.objectKind.kernelType),
                    origin: object.comment))
        }
        for foreign in held.foreignObjects.sorted(by: { $0.name < $1.name }) {
            delta.counts.objectsRemoved += wanted.objects[foreign.name] == nil ? 1 : 0
            deletions.append(.init(.deleteObject(foreign.name, type: foreign.type)))
        }
        for name in held.chains.keys.sorted() {
            let isWanted = wanted.chains[name] != nil
            guard !isWanted || replacedChains.contains(name) else { continue }
            delta.counts.chainsRemoved += isWanted ? 0 : 1
            delta.counts.chainsChanged += isWanted ? 1 : 0
            deletions.append(.init(.deleteChain(name)))
        }
    }

    /// Objects before the elements that name them, sets before their elements, all before rules.
    private mutating func addDefinitions() {
        var definitions: [Delta.Operation] = []
        for name in replacedObjects.union(comingObjects).sorted() {
            guard let object = wanted.objects[name] else { continue }
            let isReplaced = replacedObjects.contains(name)
            definitions.append(.init(.addObject(name, object), origin: object.comment))
            guard isReplaced else {
                delta.counts.objectsAdded += 1
                continue
            }
            delta.counts.objectsReplaced += 1
            restart(
                object.objectKind == .counter ? .counter : .limit, name, origin: object.comment)
        }
        for (name, chain) in wanted.chains.sorted(by: { $0.key < $1.key })
        where held.chains[name] == nil || replacedChains.contains(name) {
            definitions.append(.init(.addChain(name, chain.hook)))
            delta.counts.chainsAdded += held.chains[name] == nil ? 1 : 0
            changedChains.insert(name)
        }
        for (name, set) in wantedSets.sorted(by: { $0.key < $1.key }) {
            let isReplaced = replacedSets.contains(name)
            guard held.sets[name] == nil || isReplaced else { continue }
            let definition = set.definition
            definitions.append(.init(.addSet(name, definition)))
            delta.counts.setsAdded += isReplaced ? 0 : 1
            if isReplaced { restartsOfReplaced(name, set) }
            let live = set.liveElements(nowMilliseconds: now)
            guard !live.isEmpty else { continue }
            delta.counts.elementsAdded += live.count
            let elements = live.map { Delta.KeyedElement($0.key, $0.value) }
            definitions.append(.init(.addElements(elements, set: name, definition)))
        }
        additions = definitions + additions
    }

    private mutating func restartsOfReplaced(_ name: String, _ set: NamedSet) {
        if set.flags.contains(.dynamic) { restart(.learned, name, origin: "") }
        guard set.countsConnections else { return }
        for (key, element) in set.liveElements(nowMilliseconds: now)
        where held.sets[name]?.elements[key] != nil {
            restart(.cap, set.keyText(key), origin: element.origin)
        }
    }

    private mutating func restart(_ kind: Delta.Restart.Kind, _ name: String, origin: String) {
        delta.restarts.append(.init(kind, name, origin: origin))
    }

    private mutating func addRules() {
        for name in changedChains.sorted() {
            for rule in wanted.chains[name]?.rules ?? [] {
                delta.operations.append(.init(.addRule(rule, chain: name), origin: rule.comment))
                delta.counts.rulesWritten += 1
            }
        }
    }
}

extension Element {
    /// Equal but for the rounding of its expiry, and for what nft's text cannot hold.
    func isSame(as other: Element) -> Bool {
        guard value == other.value, connectionCount == other.connectionCount,
            comment == other.comment || nftSafe(comment) == nftSafe(other.comment)
        else { return false }
        switch (expiresAtMilliseconds, other.expiresAtMilliseconds) {
        case (nil, nil): return true
        case (let a?, let b?): return abs(a - b) <= expiryToleranceMilliseconds
        default: return false
        }
    }
}

extension NamedObject {
    /// Equal but for what nft's text cannot hold.
    fileprivate func isSame(as other: NamedObject) -> Bool {
        kind == other.kind
            && (comment == other.comment || nftSafe(comment) == nftSafe(other.comment))
    }
}

extension Statement {
    /// The set or map that the statement looks something up in or learns into.
    public var referredSet: String? {
        switch self {
        case .lookup(_, let set), .missing(_, let set), .setFromMap(_, _, let set),
            .object(_, _, let set), .learn(_, _, let set), .learnLimit(_, _, let set),
            .learnConnectionCount(_, _, let set):
            set
        default: nil
        }
    }

    /// The named object that the statement uses.
    public var referredObject: String? {
        if case .counter(let name) = self { return name }
        return nil
    }

    /// The chain that the statement leads to.
    public var referredChain: String? {
        switch self {
        case .verdict(.jump(let chain)), .verdict(.goto(let chain)): chain
        default: nil
        }
    }
}
