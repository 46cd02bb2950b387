// SPDX-License-Identifier: GPL-3.0-or-later
//
// How many addresses, and therefore how many counters, stand behind a region: what turns "50 per
// source" into a number that can be compared with a total.

import WeirModel

/// Addresses in each class, by family.
struct Census {
    // Wide enough that counting on from all addresses of IPv6 but one loses nothing that shows.
    private var weight4: [UInt128]
    private var weight6: [UInt128]

    init(_ classes: AddressClasses) {
        var endpoints4: [UInt128] = []
        var endpoints6: [UInt128] = []
        for item in classes.classes {
            endpoints4 += item.endpoints4.map { UInt128($0) }
            endpoints6 += item.endpoints6
        }
        endpoints4.sort()
        endpoints6.sort()
        weight4 = classes.classes.map {
            $0.isEndpoints ? UInt128($0.endpoints4.count) : Self.free($0, .v4, endpoints4)
        }
        weight6 = classes.classes.map {
            $0.isEndpoints ? UInt128($0.endpoints6.count) : Self.free($0, .v6, endpoints6)
        }
    }

    /// Classes with another number of addresses than in `other`, which has the same classes.
    func changes(from other: Census) -> [Int] {
        weight4.indices.filter {
            weight4[$0] != other.weight4[$0] || weight6[$0] != other.weight6[$0]
        }
    }

    /// One address left a class for another.
    mutating func follow(_ move: EndpointMove) {
        func change(_ list: inout [UInt128]) {
            list[move.from] -= 1
            list[move.to] = list[move.to] == .max ? .max : list[move.to] + 1
        }
        if move.address.family == .v4 { change(&weight4) } else { change(&weight6) }
    }

    /// Addresses of a family in a set of classes; stops at the greatest number.
    func weight(_ classes: Bitset, _ family: AddressFamily) -> UInt64 {
        var sum: UInt64 = 0
        for index in classes {
            sum = saturatingSum(
                sum, UInt64(clamping: family == .v4 ? weight4[index] : weight6[index]))
        }
        return sum
    }

    /// Addresses of a class's ranges that are no endpoints.
    private static func free(
        _ item: AddressClass, _ family: AddressFamily, _ endpoints: [UInt128]
    ) -> UInt128 {
        var sum: UInt128 = 0
        for range in item.ranges where range.family == family {
            let taken =
                endpoints.count(below: range.last) + endpoints.count(at: range.last)
                - endpoints.count(below: range.first)
            let (size, overflow) = (range.last - range.first).addingReportingOverflow(1)
            let free = overflow ? UInt128.max : size - UInt128(taken)
            let (total, isTooMuch) = sum.addingReportingOverflow(free)
            sum = isTooMuch ? .max : total
        }
        return sum
    }
}

extension [UInt128] {
    /// Members less than a value, in a sorted list without duplicates.
    fileprivate func count(below value: UInt128) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    fileprivate func count(at value: UInt128) -> Int {
        let index = count(below: value)
        return index < count && self[index] == value ? 1 : 0
    }
}

/// Who talks to whom in a region: disjoint groups of sources, each with its destinations.
struct Pairing {
    private struct Row {
        var source: Bitset
        var destination: Bitset
    }

    private let census: Census
    private var bySource: [AddressFamily: [Row]] = [:]
    private var byDestination: [AddressFamily: [Row]] = [:]

    init(_ region: [Cell], _ census: Census) {
        self.census = census
        for cell in region {
            Self.add(cell.source, cell.destination, to: &bySource[cell.family, default: []])
            Self.add(cell.destination, cell.source, to: &byDestination[cell.family, default: []])
        }
    }

    /// How many counters of a scope the region's flows meet.
    func counters(_ scope: CountingScope) -> UInt64 {
        switch scope {
        case .total: return 1
        case .source: return sum(bySource) { row, family in census.weight(row.source, family) }
        case .destination:
            return sum(byDestination) { row, family in census.weight(row.source, family) }
        case .pair:
            return sum(bySource) { row, family in
                saturatingProduct(
                    census.weight(row.source, family), census.weight(row.destination, family))
            }
        }
    }

    /// How many counters of `scope` the flows of one counter of `key` meet, at most and at least.
    func counters(_ scope: CountingScope, per key: CountingScope) -> (most: UInt64, least: UInt64) {
        switch (key, scope) {
        case (.total, _):
            let count = counters(scope)
            return (count, count)
        case (.source, .destination), (.source, .pair): return partners(bySource)
        case (.destination, .source), (.destination, .pair): return partners(byDestination)
        case (.source, _), (.destination, _), (.pair, _): return (1, 1)
        }
    }

    private func partners(_ rows: [AddressFamily: [Row]]) -> (most: UInt64, least: UInt64) {
        let counts = rows.flatMap { family, rows in
            rows.map { census.weight($0.destination, family) }
        }
        return (counts.max() ?? 0, counts.min() ?? 0)
    }

    private func sum(
        _ rows: [AddressFamily: [Row]], _ weight: (Row, AddressFamily) -> UInt64
    ) -> UInt64 {
        rows.reduce(0) { total, entry in
            entry.value.reduce(total) { saturatingSum($0, weight($1, entry.key)) }
        }
    }

    /// Adds a product to rows whose sources are disjoint and stay so.
    private static func add(_ source: Bitset, _ destination: Bitset, to rows: inout [Row]) {
        var rest = source
        var next: [Row] = []
        for row in rows {
            let shared = row.source.intersection(rest)
            guard !shared.isEmpty else {
                next.append(row)
                continue
            }
            rest.subtract(shared)
            next.append(
                Row(source: shared, destination: row.destination.union(destination)))
            let apart = row.source.subtracting(shared)
            if !apart.isEmpty { next.append(Row(source: apart, destination: row.destination)) }
        }
        if !rest.isEmpty { next.append(Row(source: rest, destination: destination)) }
        rows = next
    }
}
