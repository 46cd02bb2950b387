// SPDX-License-Identifier: GPL-3.0-or-later
//
// A stage asks one question of a packet: which of some policies (or caps, or limits) covers it?
// It maps the source to a class, the destination to a class, and both with protocol and port to a
// number, in exact-match lookups whose cost does not grow with the policies. Everything that
// decides is made of stages: the groups of a layer, and the slots of constraints.

import WeirModel

/// One thing that a stage can answer.
struct StageEntry: Equatable, Sendable {
    let boxes: [Box]
    /// The answer, in one of the ranges of ``IdentifierRange``.
    let value: UInt32
    /// The policy, for comments.
    let comment: String
    let expiresAtMilliseconds: Int64?
}

/// What a stage is called and what its elements need.
struct StageName: Hashable, Sendable {
    let text: String
    /// Its elements may expire: the maps carry the timeout flag.
    let timed: Bool

    func map(_ suffix: String) -> String { "\(text).\(suffix)" }
}

/// Which shapes of port a stage's entries have; each has a map of its own and a lookup in this
/// order. A number that one found makes the others miss.
enum PortShape: String, CaseIterable {
    case exact, range, icmp, icmpv6, wholeProtocol = "proto", any

    var selectors: [Selector] {
        switch self {
        case .exact, .range: [.priority, .mark, .l4proto, .destinationPort]
        case .icmp: [.priority, .mark, .icmpType]
        case .icmpv6: [.priority, .mark, .icmpv6Type]
        case .wholeProtocol: [.priority, .mark, .l4proto]
        case .any: [.priority, .mark]
        }
    }

    var key: [FieldType] {
        switch self {
        case .exact, .range: [.classid, .mark, .inetProto, .inetService]
        case .icmp: [.classid, .mark, .icmpType]
        case .icmpv6: [.classid, .mark, .icmpv6Type]
        case .wholeProtocol: [.classid, .mark, .inetProto]
        case .any: [.classid, .mark]
        }
    }
}

/// A stage before it is compiled.
struct StagePlan: Sendable {
    let name: StageName
    let shape: Shape
    let entries: [StageEntry]
    /// The policy that each entry comes from.
    var policies: [PolicyID]
    var hours: [WeeklyHours] = []
    /// Of its constraints, where it is a slot.
    var constraintClasses: Set<ConstraintClass> = []
    /// The layer it belongs to, where it has one.
    var layer: Int?

    var boxes: [Box] { entries.flatMap(\.boxes) }

    /// Equal but for the numbers of the policies.
    func hasSameContent(as other: StagePlan) -> Bool {
        name == other.name && shape == other.shape && hours == other.hours
            && constraintClasses == other.constraintClasses && layer == other.layer
            && entries == other.entries
    }
}

/// A compiled stage: its answer maps, and which policy is to blame for how many elements.
struct CompiledStage: Sendable {
    let name: StageName
    /// The answer maps; the class maps belong to the class spaces.
    private(set) var sets: [String: NamedSet]
    private(set) var elementsByEntry: [Int]
    let shapes: [PortShape]
    /// Elements that entries would make, by entry, before any are made: class pairs × port pieces.
    let estimates: [Int]
    let plan: StagePlan
    private let classLookups: [ConnectionDirection: [Rule]]

    /// The rules that classify a packet and leave the answer in `meta priority`. In the reply
    /// direction source and destination have changed places, and an ICMP type is another one, so
    /// types are not asked.
    func rules(_ direction: ConnectionDirection = .original) -> [Rule] {
        let asked =
            direction == .original ? shapes : shapes.filter { $0 != .icmp && $0 != .icmpv6 }
        return [Rule([.set(.priority, 0), .set(.mark, 0)])] + (classLookups[direction] ?? [])
            + asked.map { shape in
                let key = shape.selectors.map {
                    $0 == .destinationPort && direction == .reply ? .sourcePort : $0
                }
                return Rule([.setFromMap(.priority, key, map: name.map(shape.rawValue))])
            }
    }

    /// Compiles entries into maps; into none where that would make more than `budget` elements
    /// (see ``estimates``). Where two entries claim one key the earlier keeps it, unless it
    /// expires before the later one does: entries of one stage agree wherever they meet.
    init(
        _ plan: StagePlan, sources: StageClasses, destinations: StageClasses,
        previous: KernelTable?, budget: Int
    ) {
        self.plan = plan
        name = plan.name
        var lookups: [ConnectionDirection: [Rule]] = [:]
        for direction in [ConnectionDirection.original, .reply] {
            lookups[direction] = sources.lookups(direction) + destinations.lookups(direction)
        }
        classLookups = lookups
        estimates = plan.entries.map { entry in
            entry.boxes.reduce(0) { sum, box in
                sum + (sources.members[box.source]?.count ?? 0)
                    * (destinations.members[box.destination]?.count ?? 0)
                    * portPieces(box.ports).count
            }
        }
        var emitter = ElementEmitter()
        if estimates.reduce(0, +) <= budget {
            for (index, entry) in plan.entries.enumerated() {
                for box in entry.boxes {
                    emitter.emit(
                        entry, index: index, ports: box.ports,
                        sources: sources.members[box.source] ?? [],
                        destinations: destinations.members[box.destination] ?? [])
                }
            }
        }
        elementsByEntry = emitter.countByEntry(plan.entries.count)
        shapes = PortShape.allCases.filter { emitter.elements[$0]?.isEmpty == false }
        sets = [:]
        for shape in shapes {
            let mapName = name.map(shape.rawValue)
            var flags: NamedSet.Flags = shape == .range ? [.interval] : []
            if name.timed { flags.insert(.timeout) }
            var map = NamedSet(
                key: shape.key, kind: .map(.classid), flags: flags,
                elements: emitter.elements[shape] ?? [:])
            map.declareSize(previous: previous?.sets[mapName])
            sets[mapName] = map
        }
    }
}

extension NamedSet {
    /// Room to grow without replacing the set: twice the elements, at least 1,024, rounded up to a
    /// power of two; what the kernel holds stays as it is while it suffices and is not wasteful.
    mutating func declareSize(previous: NamedSet?) {
        guard !flags.contains(.interval) else { return }
        let count = UInt32(elements.count)
        if let size = previous?.size, count <= size, count >= size / 16 || size <= 1024 {
            self.size = size
            return
        }
        var wanted: UInt32 = 1024
        while wanted < 2 * count { wanted *= 2 }
        size = wanted
    }
}

/// Collects a stage's elements, one dictionary a shape.
private struct ElementEmitter {
    var elements: [PortShape: [ElementKey: Element]] = [:]
    private var owner: [PortShape: [ElementKey: Int]] = [:]
    /// Port intervals already claimed, by class pair and protocol.
    private var claimed: [ElementKey: [(first: UInt16, last: UInt16)]] = [:]

    mutating func emit(
        _ entry: StageEntry, index: Int, ports: PortSet, sources: [UInt32], destinations: [UInt32]
    ) {
        let pieces = portPieces(ports)
        for source in sources {
            for destination in destinations {
                for piece in pieces {
                    emit(entry, index, piece, source, destination)
                }
            }
        }
    }

    func countByEntry(_ count: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: count)
        for owners in owner.values {
            for index in owners.values { counts[index] += 1 }
        }
        return counts
    }

    private mutating func emit(
        _ entry: StageEntry, _ index: Int, _ piece: PortPiece, _ source: UInt32,
        _ destination: UInt32
    ) {
        switch piece {
        case .any:
            claim(.any, ElementKey(fields: source, destination), entry, index)
        case .wholeProtocol(let number):
            claim(
                .wholeProtocol, ElementKey(fields: source, destination, UInt32(number)), entry,
                index)
        case .icmp(let shape, let type):
            claim(shape, ElementKey(fields: source, destination, UInt32(type)), entry, index)
        case .exact(let number, let port):
            claim(
                .exact, ElementKey(fields: source, destination, UInt32(number), UInt32(port)),
                entry, index)
        case .range(let number, let first, let last):
            let scope = ElementKey(fields: source, destination, UInt32(number))
            var free = PortSet.ports(0, first, last)
            for taken in claimed[scope] ?? [] {
                free = free.subtracting(.ports(0, taken.first, taken.last))
            }
            for part in free.intervals {
                let (low, high) = (UInt16(part.first), UInt16(part.last))
                claimed[scope, default: []].append((low, high))
                let base = scope.first << 32
                claim(
                    .range, ElementKey(base | UInt128(low), through: base | UInt128(high)), entry,
                    index)
            }
        }
    }

    private mutating func claim(
        _ shape: PortShape, _ key: ElementKey, _ entry: StageEntry, _ index: Int
    ) {
        if let known = elements[shape]?[key] {
            guard let old = known.expiresAtMilliseconds,
                entry.expiresAtMilliseconds.map({ $0 > old }) ?? true
            else { return }
        }
        elements[shape, default: [:]][key] = Element(
            value: .number(entry.value), expiresAtMilliseconds: entry.expiresAtMilliseconds,
            comment: entry.comment)
        owner[shape, default: [:]][key] = index
    }
}

/// An interval of ``PortSet`` as one lookup can find it.
private enum PortPiece {
    case any
    case wholeProtocol(UInt8)
    case icmp(PortShape, type: UInt16)
    case exact(UInt8, UInt16)
    case range(UInt8, UInt16, UInt16)
}

private func portPieces(_ ports: PortSet) -> [PortPiece] {
    if ports.isAny { return [.any] }
    return ports.intervals.flatMap { interval -> [PortPiece] in
        let low = PortPoint(rawValue: interval.first)
        let high = PortPoint(rawValue: interval.last)
        return (low.protocolNumber...high.protocolNumber).flatMap { number -> [PortPiece] in
            let first = number == low.protocolNumber ? low.port : 0
            let last = number == high.protocolNumber ? high.port : .max
            if first == 0, last == .max { return [.wholeProtocol(number)] }
            switch number {
            case IPProtocol.icmp, IPProtocol.icmpv6:
                let shape: PortShape = number == IPProtocol.icmp ? .icmp : .icmpv6
                return (first...min(last, 255)).map { .icmp(shape, type: $0) }
            default:
                return [first == last ? .exact(number, first) : .range(number, first, last)]
            }
        }
    }
}
