// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every distinct set of a policy set, once, as a bitset over address classes. Policies then refer
// to sets by number, and equal sets are equal numbers whatever expression they were written as.

/// A set in a ``SetTable``.
public struct SetID: Hashable, Sendable, Comparable {
    public let index: Int

    public init(index: Int) { self.index = index }

    public static func < (a: SetID, b: SetID) -> Bool { a.index < b.index }
}

/// Sources × destinations × ports: what a policy matches is a union of these.
public struct Box: Hashable, Sendable {
    public let source: SetID
    public let destination: SetID
    public let ports: PortSet

    public init(source: SetID, destination: SetID, ports: PortSet) {
        self.source = source
        self.destination = destination
        self.ports = ports
    }
}

/// Hash-consed sets over the address classes of one policy set.
public struct SetTable: Sendable {
    public private(set) var classes: AddressClasses
    public private(set) var sets: [Bitset] = []
    private var landscape: Landscape
    private var known: [Bitset: SetID] = [:]
    private var memo: [AddressSet: SetID] = [:]
    private var servicesByLabel: [String: [String: [Int]]] = [:]

    /// Classes for all sets of a policy set.
    public init(_ policySet: PolicySet) {
        self.init(landscape: policySet.landscape, literals: policySet.literalRanges)
    }

    public init(landscape: Landscape, literals: some Sequence<AddressRange>) {
        self.landscape = landscape
        classes = AddressClasses(landscape: landscape, literals: literals)
    }

    public subscript(_ id: SetID) -> Bitset { sets[id.index] }

    /// Takes over a landscape that differs in endpoints only, if these fall into the same classes
    /// as before, so that every set is what it was.
    ///
    /// - Returns: the classes that have other endpoints or another representative now, and what
    ///   moved where that is all; nil, and nothing is changed, if the classes are others.
    public mutating func replaceEndpoints(
        _ landscape: Landscape, literals: some Sequence<AddressRange>
    ) -> (changed: Bitset, move: EndpointMove?)? {
        let old = self.landscape
        let others = landscape.services.indices.filter {
            landscape.services[$0].endpoints != old.services[$0].endpoints
        }
        if others.count == 1,
            let move = classes.move(
                others[0], from: old.services[others[0]].endpoints,
                to: landscape.services[others[0]].endpoints)
        {
            self.landscape = landscape
            return (Bitset(capacity: classes.count, [move.from, move.to]), move)
        }
        let next = AddressClasses(landscape: landscape, literals: literals)
        guard let changed = next.changes(from: classes) else { return nil }
        classes = next
        self.landscape = landscape
        return (changed, nil)
    }

    /// The number of a set of classes.
    public mutating func intern(_ bits: Bitset) -> SetID {
        if let id = known[bits] { return id }
        let id = SetID(index: sets.count)
        sets.append(bits)
        known[bits] = id
        return id
    }

    /// The number of a set expression. Its ranges must be among the table's literals.
    public mutating func intern(_ set: AddressSet) -> SetID {
        if let id = memo[set] { return id }
        let id = intern(bits(set))
        memo[set] = id
        return id
    }

    private mutating func bits(_ set: AddressSet) -> Bitset {
        switch set {
        case .any: return .full(capacity: classes.count)
        case .internal: return classes.endpointClasses
        case .external:
            return Bitset.full(capacity: classes.count).subtracting(classes.endpointClasses)
        case .service(let index):
            return Bitset(capacity: classes.count, classes.byService[index])
        case .zone(let index): return classes.byZone[index]
        case .labels(let tests):
            var bits = Bitset(capacity: classes.count)
            for index in services(passing: tests) {
                for member in classes.byService[index] { bits.insert(member) }
            }
            return bits
        case .range(let range):
            guard let bits = classes.classes(in: range) else {
                preconditionFailure("a range of a policy set is among its literals")
            }
            return bits
        case .union(let a, let b):
            let (left, right) = (intern(a), intern(b))
            return self[left].union(self[right])
        case .intersection(let a, let b):
            let (left, right) = (intern(a), intern(b))
            return self[left].intersection(self[right])
        case .difference(let a, let b):
            let (left, right) = (intern(a), intern(b))
            return self[left].subtracting(self[right])
        }
    }

    /// Services whose labels pass all tests; those with a wanted value are looked up.
    private mutating func services(passing tests: [LabelTest]) -> [Int] {
        var candidates = Array(landscape.services.indices)
        for case .isIn(let key, let values) in tests {
            let byValue = servicesByLabel[key] ?? labelled(key)
            candidates = Set(values).flatMap { byValue[$0] ?? [] }
            break
        }
        return candidates.filter { index in
            tests.allSatisfy { $0.holds(for: landscape.services[index].labels) }
        }
    }

    /// Services by their value of a label.
    private mutating func labelled(_ key: String) -> [String: [Int]] {
        var byValue: [String: [Int]] = [:]
        for (index, service) in landscape.services.enumerated() {
            if let value = service.labels[key] { byValue[value, default: []].append(index) }
        }
        servicesByLabel[key] = byValue
        return byValue
    }

    /// What an interaction matches, as boxes; a zone relation makes one box a zone. Boxes with an
    /// empty side are left out.
    public mutating func boxes(_ interaction: Interaction) -> [Box] {
        let source = intern(interaction.source)
        let destination = intern(interaction.destination)
        guard let relation = interaction.zoneRelation else {
            return box(source, destination, interaction.ports)
        }
        var zoned = Bitset(capacity: classes.count)
        for zone in classes.byZone { zoned.formUnion(zone) }
        return classes.byZone.flatMap { zone -> [Box] in
            let other = relation == .across ? zoned.subtracting(zone) : zone
            let from = intern(self[source].intersection(zone))
            let to = intern(self[destination].intersection(other))
            return box(from, to, interaction.ports)
        }
    }

    private func box(_ source: SetID, _ destination: SetID, _ ports: PortSet) -> [Box] {
        guard !self[source].isEmpty, !self[destination].isEmpty, !ports.isEmpty else { return [] }
        return [Box(source: source, destination: destination, ports: ports)]
    }
}

extension PolicySet {
    /// Every address range that a policy or assertion names.
    public var literalRanges: Set<AddressRange> {
        var found = assertedRanges
        for policy in policies { policy.collectRanges(into: &found) }
        return found
    }

    /// Every address range that an assertion names.
    public var assertedRanges: Set<AddressRange> {
        var found: Set<AddressRange> = []
        for assertion in assertions {
            for interaction in assertion.interactions { interaction.collectRanges(into: &found) }
        }
        return found
    }
}

extension Policy {
    /// Every address range that it names, each once.
    public var literalRanges: [AddressRange] {
        var found: Set<AddressRange> = []
        collectRanges(into: &found)
        return Array(found)
    }

    fileprivate func collectRanges(into found: inout Set<AddressRange>) {
        for interaction in interactions { interaction.collectRanges(into: &found) }
        for cap in caps {
            for reservation in cap.reservations {
                reservation.beneficiary.collectRanges(into: &found)
            }
        }
    }
}

extension Interaction {
    fileprivate func collectRanges(into found: inout Set<AddressRange>) {
        source.collectRanges(into: &found)
        destination.collectRanges(into: &found)
    }
}

extension AddressSet {
    func collectRanges(into found: inout Set<AddressRange>) {
        switch self {
        case .range(let range): found.insert(range)
        case .union(let a, let b), .intersection(let a, let b), .difference(let a, let b):
            a.collectRanges(into: &found)
            b.collectRanges(into: &found)
        case .any, .internal, .external, .service, .zone, .labels: break
        }
    }
}
