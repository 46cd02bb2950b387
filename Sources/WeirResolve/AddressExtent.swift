// SPDX-License-Identifier: GPL-3.0-or-later
//
// How large a set is, exactly: which endpoints it holds and which ranges of other addresses.
// Only for counting and for finding out that a set is empty; the address classes of the model
// need all sets of a policy set at once, which is too late for a message about one of them.

import WeirModel

/// Sorted, disjoint inclusive intervals.
struct Intervals<Bound: FixedWidthInteger & Sendable>: Sendable {
    typealias Interval = (first: Bound, last: Bound)

    private(set) var list: [Interval]

    /// Sorts and merges.
    init(_ intervals: [Interval]) {
        var merged: [Interval] = []
        for next in intervals.sorted(by: { $0.first < $1.first }) {
            if let last = merged.last, last.last == .max || next.first <= last.last + 1 {
                merged[merged.count - 1].last = Swift.max(last.last, next.last)
            } else {
                merged.append(next)
            }
        }
        list = merged
    }

    private init(sorted: [Interval]) { list = sorted }

    var isEmpty: Bool { list.isEmpty }

    func union(_ other: Intervals) -> Intervals {
        if other.isEmpty { return self }
        return isEmpty ? other : Intervals(list + other.list)
    }

    /// Walks the shorter list and searches the longer one.
    func intersection(_ other: Intervals) -> Intervals {
        guard list.count <= other.list.count else { return other.intersection(self) }
        var found: [Interval] = []
        for interval in list {
            var index = other.firstIndex(endingAtOrAfter: interval.first)
            while index < other.list.count, other.list[index].first <= interval.last {
                found.append(
                    (
                        Swift.max(interval.first, other.list[index].first),
                        Swift.min(interval.last, other.list[index].last)
                    ))
                index += 1
            }
        }
        return Intervals(sorted: found)
    }

    func subtracting(_ other: Intervals) -> Intervals {
        guard !other.isEmpty else { return self }
        var found: [Interval] = []
        for interval in list {
            var start: Bound? = interval.first
            var index = other.firstIndex(endingAtOrAfter: interval.first)
            while let first = start, index < other.list.count,
                other.list[index].first <= interval.last
            {
                let cut = other.list[index]
                if first < cut.first { found.append((first, cut.first - 1)) }
                start = cut.last < interval.last ? cut.last + 1 : nil
                index += 1
            }
            if let first = start { found.append((first, interval.last)) }
        }
        return Intervals(sorted: found)
    }

    private func firstIndex(endingAtOrAfter bound: Bound) -> Int {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if list[middle].last < bound { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// A set of addresses as numbers of endpoints and as ranges, in which every address that is no
/// endpoint belongs to the set.
struct Extent {
    var endpoints: Intervals<Int>
    var rest4: Intervals<UInt128>
    var rest6: Intervals<UInt128>

    /// Distinct endpoint addresses.
    var endpointCount: Int { endpoints.list.reduce(0) { $0 + $1.last - $1.first + 1 } }

    func union(_ other: Extent) -> Extent {
        Extent(
            endpoints: endpoints.union(other.endpoints), rest4: rest4.union(other.rest4),
            rest6: rest6.union(other.rest6))
    }

    func intersection(_ other: Extent) -> Extent {
        Extent(
            endpoints: endpoints.intersection(other.endpoints),
            rest4: rest4.intersection(other.rest4), rest6: rest6.intersection(other.rest6))
    }

    func subtracting(_ other: Extent) -> Extent {
        Extent(
            endpoints: endpoints.subtracting(other.endpoints),
            rest4: rest4.subtracting(other.rest4), rest6: rest6.subtracting(other.rest6))
    }
}

/// Extents of sets over one landscape, computed when somebody asks.
struct ExtentTable: Sendable {
    private let landscape: Landscape
    /// Distinct endpoint addresses, ascending; nil until needed. IPv4 endpoints are numbered
    /// first.
    private var sorted: (v4: [UInt32], v6: [UInt128])?
    private var postings: [String: [String: [Int]]]?
    private var matchingServices: [[LabelTest]: [Int]] = [:]
    private var memo: [AddressSet: Extent] = [:]
    private var endpointMemo: [Int: Intervals<Int>] = [:]
    private var emptiness: [AddressSet: Bool] = [:]

    init(_ landscape: Landscape) { self.landscape = landscape }

    /// Whether no address is in a set.
    mutating func isEmpty(_ set: AddressSet) -> Bool {
        switch set {
        case .any, .external, .range: return false
        case .internal: return landscape.services.allSatisfy(\.endpoints.isEmpty)
        case .service(let index): return landscape.services[index].endpoints.isEmpty
        case .zone(let index): return landscape.zones[index].ranges.isEmpty
        case .labels(let tests):
            return services(passing: tests).allSatisfy {
                landscape.services[$0].endpoints.isEmpty
            }
        case .union(let a, let b): return isEmpty(a) && isEmpty(b)
        case .intersection, .difference:
            if let known = emptiness[set] { return known }
            let result = isEmpty(extent(of: set))
            emptiness[set] = result
            return result
        }
    }

    mutating func isEmpty(_ extent: Extent) -> Bool {
        extent.endpoints.isEmpty && !hasOthers(extent.rest4, .v4) && !hasOthers(extent.rest6, .v6)
    }

    /// Whether two sets have an address in common.
    mutating func overlap(_ a: Extent, service: Int) -> Bool {
        !a.endpoints.intersection(endpoints(of: service)).isEmpty
    }

    /// Whether every address of `a` is one of the endpoints of some of `services`.
    mutating func isCovered(_ a: Extent, by services: [Int]) -> Bool {
        let all = Intervals(services.flatMap { endpoints(of: $0).list })
        return isEmpty(
            a.subtracting(Extent(endpoints: all, rest4: Intervals([]), rest6: Intervals([]))))
    }

    /// Services whose labels pass all tests, ascending.
    mutating func services(passing tests: [LabelTest]) -> [Int] {
        if let known = matchingServices[tests] { return known }
        // The rarest value asked for narrows the search; only the services with it are tested.
        var candidates: [Int]?
        for test in tests {
            let found: [Int]
            switch test {
            case .isIn(let key, let values):
                let byValue = labelPostings()[key] ?? [:]
                found = values.flatMap { byValue[$0] ?? [] }
            case .exists(let key): found = (labelPostings()[key] ?? [:]).values.flatMap { $0 }
            case .absent: continue
            }
            if found.count < candidates?.count ?? .max { candidates = found }
        }
        let result = (candidates?.sorted() ?? Array(landscape.services.indices)).filter { index in
            tests.allSatisfy { $0.holds(for: landscape.services[index].labels) }
        }
        matchingServices[tests] = result
        return result
    }

    /// Services by label key and value.
    mutating func labelPostings() -> [String: [String: [Int]]] {
        if let postings { return postings }
        var built: [String: [String: [Int]]] = [:]
        for (index, service) in landscape.services.enumerated() {
            for (key, value) in service.labels {
                built[key, default: [:]][value, default: []].append(index)
            }
        }
        postings = built
        return built
    }

    mutating func extent(of set: AddressSet) -> Extent {
        switch set {
        case .any: return allEndpoints().union(everythingElse)
        case .internal: return allEndpoints()
        case .external: return everythingElse
        case .service(let index):
            return Extent(endpoints: endpoints(of: index), rest4: .init([]), rest6: .init([]))
        case .range(let range): return extent(of: [range])
        case .intersection(let a, let b): return extent(of: a).intersection(extent(of: b))
        case .difference(let a, let b): return extent(of: a).subtracting(extent(of: b))
        case .zone, .labels, .union: break
        }
        if let known = memo[set] { return known }
        let result: Extent
        switch set {
        case .zone(let index): result = extent(of: landscape.zones[index].ranges)
        case .labels(let tests):
            let found = services(passing: tests).flatMap { endpoints(of: $0).list }
            result = Extent(endpoints: .init(found), rest4: .init([]), rest6: .init([]))
        case .union(let a, let b): result = extent(of: a).union(extent(of: b))
        default: preconditionFailure("other cases have returned")
        }
        memo[set] = result
        return result
    }

    // MARK: endpoints by number

    private mutating func numbers() -> (v4: [UInt32], v6: [UInt128]) {
        if let sorted { return sorted }
        var v4: [UInt32] = []
        var v6: [UInt128] = []
        for service in landscape.services {
            for endpoint in service.endpoints {
                switch endpoint {
                case .v4(let value): v4.append(value)
                case .v6(let value): v6.append(value)
                }
            }
        }
        let built = (v4: distinct(v4.sorted()), v6: distinct(v6.sorted()))
        sorted = built
        return built
    }

    private func distinct<Value: Equatable>(_ values: [Value]) -> [Value] {
        var found: [Value] = []
        found.reserveCapacity(values.count)
        for value in values where found.last != value { found.append(value) }
        return found
    }

    private mutating func endpoints(of service: Int) -> Intervals<Int> {
        if let known = endpointMemo[service] { return known }
        let (v4, v6) = numbers()
        let found = Intervals(
            landscape.services[service].endpoints.map { endpoint in
                let number =
                    switch endpoint {
                    case .v4(let value): index(in: v4, notBelow: value)
                    case .v6(let value): v4.count + index(in: v6, notBelow: value)
                    }
                return (number, number)
            })
        endpointMemo[service] = found
        return found
    }

    private mutating func allEndpoints() -> Extent {
        let (v4, v6) = numbers()
        let count = v4.count + v6.count
        return Extent(
            endpoints: Intervals(count == 0 ? [] : [(0, count - 1)]), rest4: .init([]),
            rest6: .init([]))
    }

    private var everythingElse: Extent {
        Extent(
            endpoints: Intervals([]), rest4: Intervals([(0, AddressFamily.v4.maximum)]),
            rest6: Intervals([(0, AddressFamily.v6.maximum)]))
    }

    private mutating func extent(of ranges: [AddressRange]) -> Extent {
        let pieces = { (family: AddressFamily) in
            ranges.filter { $0.family == family }.map { (first: $0.first, last: $0.last) }
        }
        let inside = ranges.compactMap { range -> Intervals<Int>.Interval? in
            let numbers = numbers(in: range)
            return numbers.isEmpty ? nil : (numbers.lowerBound, numbers.upperBound - 1)
        }
        return Extent(
            endpoints: Intervals(inside), rest4: Intervals(pieces(.v4)),
            rest6: Intervals(pieces(.v6)))
    }

    /// Numbers of the endpoints in a range.
    private mutating func numbers(in range: AddressRange) -> Range<Int> {
        let (v4, v6) = numbers()
        if range.family == .v4 {
            let first = index(in: v4, notBelow: UInt32(range.first))
            let last = UInt32(range.last)
            let end = last == .max ? v4.count : index(in: v4, notBelow: last + 1)
            return first..<max(first, end)
        }
        let first = index(in: v6, notBelow: range.first)
        let end = range.last == .max ? v6.count : index(in: v6, notBelow: range.last + 1)
        return v4.count + first..<v4.count + max(first, end)
    }

    private func index<Value: Comparable>(in values: [Value], notBelow value: Value) -> Int {
        var (low, high) = (0, values.count)
        while low < high {
            let middle = (low + high) / 2
            if values[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Whether ranges hold an address that is no endpoint.
    private mutating func hasOthers(_ ranges: Intervals<UInt128>, _ family: AddressFamily) -> Bool {
        for (first, last) in ranges.list {
            let inside = numbers(in: AddressRange(family: family, first: first, last: last)).count
            if last - first >= UInt128(inside) { return true }
        }
        return false
    }
}
