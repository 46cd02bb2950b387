// SPDX-License-Identifier: GPL-3.0-or-later
//
// The whole address space cut into the fewest pieces that no set of a policy set divides. Two
// addresses are in one class when they belong to the same services and lie in the same declared
// ranges, so every set is a union of classes, and set algebra becomes bit algebra.

/// One equivalence class of addresses.
public struct AddressClass: Sendable {
    /// Services whose endpoints these are, ascending; empty for addresses that are no endpoint.
    public let services: [Int]
    public let zone: Int?
    /// Endpoint addresses in it, of one service list.
    public internal(set) var endpoints4: [UInt32] = []
    public internal(set) var endpoints6: [UInt128] = []
    /// Where its addresses lie if they are no endpoints. Endpoints of other classes may lie in
    /// these ranges too and do not belong to this class.
    public internal(set) var ranges: [AddressRange] = []
    /// One address of each family that the class has.
    public internal(set) var representative4: UInt32?
    public internal(set) var representative6: UInt128?

    public var isEndpoints: Bool { !services.isEmpty }
    /// Distinct endpoint addresses.
    public var weight: Int { endpoints4.count + endpoints6.count }

    public func representative(_ family: AddressFamily) -> IPAddress? {
        switch family {
        case .v4: representative4.map { .v4($0) }
        case .v6: representative6.map { .v6($0) }
        }
    }
}

/// All classes of a policy set, and what each address belongs to.
public struct AddressClasses: Sendable {
    public private(set) var classes: [AddressClass] = []
    /// Classes that have addresses of a family.
    public private(set) var having4: Bitset
    public private(set) var having6: Bitset
    /// Classes of each service, by its index in the landscape.
    public private(set) var byService: [[Int]]
    /// Classes of each zone, endpoints or not.
    public private(set) var byZone: [Bitset]
    /// Classes of endpoints.
    public private(set) var endpointClasses: Bitset

    private let ranges: RangePartition
    /// Classes inside each declared range.
    private var byRange: [Bitset] = []
    private var endpoints: EndpointIndex
    /// Class of the addresses that are no endpoints, by signature of the range partition.
    private var restClass: [Int?]

    /// Cuts the address space by the landscape's endpoints and zones and by `literals`, the
    /// ranges that policies name.
    public init(landscape: Landscape, literals: some Sequence<AddressRange>) {
        endpoints = EndpointIndex(landscape.services)
        ranges = RangePartition(Array(Set(literals)) + landscape.zones.flatMap(\.ranges))
        byService = [[Int]](repeating: [], count: landscape.services.count)
        restClass = [Int?](repeating: nil, count: ranges.signatures.count)
        having4 = Bitset(capacity: 0)
        having6 = having4
        endpointClasses = having4
        byZone = []
        addEndpoints(landscape)
        addRest(landscape)
        finish(landscape)
    }

    public var count: Int { classes.count }

    public func having(_ family: AddressFamily) -> Bitset { family == .v4 ? having4 : having6 }

    /// The class that an address belongs to.
    public func classIndex(of address: IPAddress) -> Int {
        if let index = endpoints.classIndex(of: address) { return index }
        guard let index = restClass[ranges.signature(of: address)] else {
            preconditionFailure("every address that is no endpoint has a class")
        }
        return index
    }

    /// The classes inside a range that was among the literals or is a zone's.
    public func classes(in range: AddressRange) -> Bitset? {
        ranges.index[range].map { byRange[$0] }
    }

    /// The classes that have other endpoints or representatives than in `other`; nil if they are
    /// not the same classes, or one of them gained or lost a family.
    func changes(from other: AddressClasses) -> Bitset? {
        guard count == other.count, ranges.ranges == other.ranges.ranges,
            byZone == other.byZone, byRange == other.byRange, byService == other.byService,
            having4 == other.having4, having6 == other.having6
        else { return nil }
        var changed = Bitset(capacity: count)
        for (index, (old, new)) in zip(other.classes, classes).enumerated() {
            guard old.services == new.services, old.zone == new.zone else { return nil }
            let isSame =
                old.endpoints4 == new.endpoints4 && old.endpoints6 == new.endpoints6
                && old.representative4 == new.representative4
                && old.representative6 == new.representative6
            if !isSame { changed.insert(index) }
        }
        return changed
    }

    private struct Key: Hashable {
        let signature: Int
        let services: [Int]
    }

    private mutating func addEndpoints(_ landscape: Landscape) {
        var known: [Key: Int] = [:]
        var ordinal = 0
        for (number, service) in landscape.services.enumerated() {
            // Most services share no endpoint and lie in few ranges.
            var own: [Int: Int] = [:]
            for address in service.endpoints {
                let place = endpoints.place(ofEndpoint: ordinal)
                ordinal += 1
                guard endpoints[place] == nil else { continue }
                let signature = ranges.signature(of: address)
                let owners = endpoints.services(at: place)
                let index: Int
                if owners.count == 1 {
                    index = own[signature] ?? newClass(signature, [number], landscape)
                    own[signature] = index
                } else {
                    let key = Key(signature: signature, services: owners.map { Int($0) })
                    index = known[key] ?? newClass(signature, key.services, landscape)
                    known[key] = index
                }
                endpoints[place] = index
                switch address {
                case .v4(let value): classes[index].endpoints4.append(value)
                case .v6(let value): classes[index].endpoints6.append(value)
                }
            }
        }
        for index in classes.indices {
            classes[index].representative4 = classes[index].endpoints4.min()
            classes[index].representative6 = classes[index].endpoints6.min()
            for service in classes[index].services { byService[service].append(index) }
        }
    }

    private mutating func addRest(_ landscape: Landscape) {
        for interval in ranges.intervals {
            guard let free = firstFree(in: interval.range) else { continue }
            let index =
                restClass[interval.signature] ?? newClass(interval.signature, [], landscape)
            restClass[interval.signature] = index
            classes[index].ranges.append(interval.range)
            switch free {
            case .v4(let value):
                classes[index].representative4 = classes[index].representative4 ?? value
            case .v6(let value):
                classes[index].representative6 = classes[index].representative6 ?? value
            }
        }
    }

    /// The least address of a range that is no endpoint. Ends after as many steps as there are
    /// endpoints at the range's start.
    private func firstFree(in range: AddressRange) -> IPAddress? {
        var value = range.first
        while endpoints.classIndex(of: IPAddress(family: range.family, value: value)) != nil {
            guard value < range.last else { return nil }
            value += 1
        }
        return IPAddress(family: range.family, value: value)
    }

    private mutating func newClass(
        _ signature: Int, _ services: [Int], _ landscape: Landscape
    ) -> Int {
        let zone = landscape.zones.firstIndex { zone in
            zone.ranges.contains { range in
                ranges.index[range].map(ranges.signatures[signature].contains) ?? false
            }
        }
        classes.append(AddressClass(services: services, zone: zone))
        signatureOfClass.append(signature)
        return classes.count - 1
    }

    private var signatureOfClass: [Int] = []

    private mutating func finish(_ landscape: Landscape) {
        let empty = Bitset(capacity: classes.count)
        (having4, having6, endpointClasses) = (empty, empty, empty)
        byZone = landscape.zones.map { _ in empty }
        byRange = ranges.ranges.map { _ in empty }
        for (index, item) in classes.enumerated() {
            if item.representative4 != nil { having4.insert(index) }
            if item.representative6 != nil { having6.insert(index) }
            if item.isEndpoints { endpointClasses.insert(index) }
            if let zone = item.zone { byZone[zone].insert(index) }
            for range in ranges.signatures[signatureOfClass[index]] { byRange[range].insert(index) }
        }
    }
}

/// An address that left one class for another.
public struct EndpointMove: Hashable, Sendable {
    public let address: IPAddress
    public let from: Int
    public let to: Int
}

extension AddressClasses {
    /// Takes over that one service has one endpoint more or less, where the classes stay what
    /// they would be if they were made anew.
    ///
    /// - Parameter service: by index, with the endpoints that it has now.
    /// - Returns: nil, and nothing is changed, where that is not so, or more changed than one
    ///   address that is no other service's.
    mutating func move(_ service: Int, from old: [IPAddress], to new: [IPAddress])
        -> EndpointMove?
    {
        let (before, after) = (Set(old), Set(new))
        guard before.count == old.count, after.count == new.count,
            abs(old.count - new.count) == 1, before.symmetricDifference(after).count == 1,
            let address = before.symmetricDifference(after).first
        else { return nil }
        let signature = ranges.signature(of: address)
        let place = ranges.interval(of: address)
        guard let rest = restClass[signature],
            let own = byService[service].first(where: {
                classes[$0].services == [service] && signatureOfClass[$0] == signature
            }), classes[own].representative(address.family) != nil,
            classes[rest].ranges.contains(place.range)
        else { return nil }
        let isNew = after.contains(address)
        guard isNew ? leavesFree(address, in: place.range) : classIndex(of: address) == own,
            isNew || classes[own].count(address.family) > 1,
            keepsOrder(service, new, address, own)
        else { return nil }
        if isNew {
            endpoints.insert(address, class: own)
            classes[own].insert(address)
        } else {
            endpoints.remove(address)
            classes[own].remove(address)
        }
        let list = classes[rest].ranges.filter { $0.family == address.family }
        let least = classes[rest].representative(address.family)
        if isNew, least == address {
            classes[rest].setRepresentative(list.lazy.compactMap(firstFree).first ?? address)
        } else if !isNew, let least, address.value < least.value {
            classes[rest].setRepresentative(address)
        }
        return EndpointMove(
            address: address, from: isNew ? rest : own, to: isNew ? own : rest)
    }

    /// Whether a range has another address than this one that is no endpoint.
    private func leavesFree(_ address: IPAddress, in range: AddressRange) -> Bool {
        guard endpoints.classIndex(of: address) == nil else { return false }
        return range.last - range.first > UInt128(endpoints.count(in: range))
    }

    /// Whether the service's endpoints come upon its classes in the order that these have.
    private func keepsOrder(
        _ service: Int, _ list: [IPAddress], _ address: IPAddress, _ own: Int
    ) -> Bool {
        var last = -1
        var known: Set<Int> = []
        for endpoint in list {
            let index = endpoint == address ? own : classIndex(of: endpoint)
            guard classes[index].services.first == service, known.insert(index).inserted else {
                continue
            }
            guard index > last else { return false }
            last = index
        }
        return true
    }
}

extension AddressClass {
    fileprivate func count(_ family: AddressFamily) -> Int {
        family == .v4 ? endpoints4.count : endpoints6.count
    }

    fileprivate mutating func insert(_ address: IPAddress) {
        switch address {
        case .v4(let value):
            endpoints4.append(value)
            representative4 = min(representative4 ?? value, value)
        case .v6(let value):
            endpoints6.append(value)
            representative6 = min(representative6 ?? value, value)
        }
    }

    fileprivate mutating func remove(_ address: IPAddress) {
        switch address {
        case .v4(let value):
            endpoints4.removeAll { $0 == value }
            representative4 = endpoints4.min()
        case .v6(let value):
            endpoints6.removeAll { $0 == value }
            representative6 = endpoints6.min()
        }
    }

    fileprivate mutating func setRepresentative(_ address: IPAddress) {
        switch address {
        case .v4(let value): representative4 = value
        case .v6(let value): representative6 = value
        }
    }
}

/// The address space cut at the ends of a list of ranges.
struct RangePartition: Sendable {
    struct Interval: Sendable {
        let range: AddressRange
        let signature: Int
    }

    let ranges: [AddressRange]
    let index: [AddressRange: Int]
    /// Both families, IPv4 first, ascending, covering everything.
    private(set) var intervals: [Interval] = []
    /// Which ranges an interval lies in; signature 0 is none.
    private(set) var signatures: [Bitset]
    private var starts4: [UInt32] = []
    private var starts6: [UInt128] = []

    init(_ list: [AddressRange]) {
        ranges = Array(Set(list)).sorted {
            ($0.family.bits, $0.first, $0.last) < ($1.family.bits, $1.first, $1.last)
        }
        index = Dictionary(uniqueKeysWithValues: ranges.enumerated().map { ($1, $0) })
        signatures = [Bitset(capacity: ranges.count)]
        var known = [signatures[0]: 0]
        for family in AddressFamily.allCases {
            let own = ranges.indices.filter { ranges[$0].family == family }
            var opening: [UInt128: [Int]] = [:]
            var closing: [UInt128: [Int]] = [:]
            for number in own {
                opening[ranges[number].first, default: []].append(number)
                if ranges[number].last < family.maximum {
                    closing[ranges[number].last + 1, default: []].append(number)
                }
            }
            let cuts = Set(opening.keys).union(closing.keys).union([0]).sorted()
            var active = Bitset(capacity: ranges.count)
            for (position, start) in cuts.enumerated() {
                for number in closing[start] ?? [] { active.remove(number) }
                for number in opening[start] ?? [] { active.insert(number) }
                let end = position + 1 < cuts.count ? cuts[position + 1] - 1 : family.maximum
                let signature = known[active] ?? signatures.count
                if signature == signatures.count {
                    known[active] = signature
                    signatures.append(active)
                }
                intervals.append(
                    Interval(
                        range: AddressRange(family: family, first: start, last: end),
                        signature: signature))
            }
        }
        starts4 = intervals.filter { $0.range.family == .v4 }.map { UInt32($0.range.first) }
        starts6 = intervals.filter { $0.range.family == .v6 }.map(\.range.first)
    }

    func signature(of address: IPAddress) -> Int {
        switch address {
        case .v4(let value): intervals[Self.last(in: starts4, notAbove: value)].signature
        case .v6(let value):
            intervals[starts4.count + Self.last(in: starts6, notAbove: value)].signature
        }
    }

    func interval(of address: IPAddress) -> Interval {
        switch address {
        case .v4(let value): intervals[Self.last(in: starts4, notAbove: value)]
        case .v6(let value): intervals[starts4.count + Self.last(in: starts6, notAbove: value)]
        }
    }

    private static func last<Value: Comparable>(in starts: [Value], notAbove value: Value) -> Int {
        var (low, high) = (0, starts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= value { low = middle } else { high = middle }
        }
        return low
    }
}
