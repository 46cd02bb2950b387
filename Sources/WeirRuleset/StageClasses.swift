// SPDX-License-Identifier: GPL-3.0-or-later
//
// Classes of addresses as a stage sees them: two addresses are one class where none of some sets
// tells them apart. Narrow sets make classes for their stage alone; broad sets, which take in
// nearly every endpoint, share one space of classes, or each stage would repeat the landscape.
// Numbers are those that the kernel already uses for most of a
// class's addresses, so an edit renumbers nothing that it does not touch.

import WeirModel

/// A space of classes for one side of one or several stages: the class maps, and which classes
/// each set consists of.
struct StageClasses: Sendable {
    enum Side: Sendable {
        case source, destination

        var prefix: String { self == .source ? "src" : "dst" }
        var data: FieldType { self == .source ? .classid : .mark }
    }

    /// Class numbers that make up each set.
    private(set) var members: [SetID: [UInt32]] = [:]
    /// By full name; those that would be empty are left out.
    private(set) var maps: [String: NamedSet] = [:]

    private let side: Side
    private let space: String
    /// Tells classes of one cache apart.
    var version = 0

    /// - Parameters:
    ///   - used: the sets to tell apart.
    ///   - space: what the names of the maps begin with.
    init(side: Side, used: [SetID], table: SetTable, space: String, previous: KernelTable?) {
        self.side = side
        self.space = space
        let used = Set(used).sorted()
        // Signatures: which of the used sets each address class lies in.
        var signature = [[Int32]](repeating: [], count: table.classes.count)
        for (position, set) in used.enumerated() {
            for member in table[set] { signature[member].append(Int32(position)) }
        }
        let rest = Self.defaultClass(table.classes).map { signature[$0] } ?? []
        var groups: [[Int32]: [Int]] = [:]
        for index in signature.indices where signature[index] != rest {
            groups[signature[index], default: []].append(index)
        }
        let ordered = groups.sorted { ($0.value.first ?? 0) < ($1.value.first ?? 0) }
        let numbers = recoverNumbers(ordered.map(\.value), table.classes, previous)
        var numberOfClass = [UInt32](repeating: 0, count: table.classes.count)
        for position in rest { members[used[Int(position)], default: []].append(0) }
        for (group, number) in zip(ordered, numbers) {
            for position in group.key { members[used[Int(position)], default: []].append(number) }
            for index in group.value { numberOfClass[index] = number }
        }
        buildMaps(table.classes, numberOfClass)
        for name in maps.keys { maps[name]?.declareSize(previous: previous?.sets[name]) }
    }

    /// The class that needs no map entry: the addresses outside every declared range, or else
    /// those of the largest range.
    private static func defaultClass(_ classes: AddressClasses) -> Int? {
        var best: (index: Int, span: UInt128)?
        for (index, item) in classes.classes.enumerated() {
            for range in item.ranges {
                let shift: UInt128 = range.family == .v4 ? 96 : 0
                let span = (range.last - range.first) << shift
                if best.map({ span > $0.span }) ?? true { best = (index, span) }
            }
        }
        return best?.index
    }

    private func map(_ kind: String, _ family: AddressFamily) -> String {
        "\(space).\(side.prefix)\(kind)\(family == .v4 ? "4" : "6")"
    }

    /// The rules that put a packet's class into the scratch field of this side. Ranges first, so
    /// that an exact address has the last word.
    func lookups(_ direction: ConnectionDirection) -> [Rule] {
        var rules: [Rule] = []
        for kind in ["net", ""] {
            for family in AddressFamily.allCases {
                let name = map(kind, family)
                guard maps[name] != nil else { continue }
                let isSourceField = (side == .source) == (direction == .original)
                let selector: Selector =
                    switch (isSourceField, family) {
                    case (true, .v4): .ipSource
                    case (true, .v6): .ip6Source
                    case (false, .v4): .ipDestination
                    case (false, .v6): .ip6Destination
                    }
                let scratch: Scratch = side == .source ? .priority : .mark
                rules.append(Rule([.setFromMap(scratch, [selector], map: name)]))
            }
        }
        return rules
    }

    /// A number for each group of address classes: what most of its addresses have in the kernel.
    private func recoverNumbers(
        _ groups: [[Int]], _ classes: AddressClasses, _ previous: KernelTable?
    ) -> [UInt32] {
        var numbers = [UInt32](repeating: 0, count: groups.count)
        var pool = IdentifierPool(range: IdentifierRange.classes, reserved: [])
        if let previous {
            let nets: [AddressFamily: [Net]] = [
                .v4: previousNets(.v4, previous), .v6: previousNets(.v6, previous),
            ]
            var wishes: [(votes: Int, group: Int, number: UInt32)] = []
            for (index, group) in groups.enumerated() {
                for (number, votes) in self.votes(group, classes, previous, nets)
                where number != 0 {
                    wishes.append((votes, index, number))
                }
            }
            wishes.sort { ($1.votes, $0.group, $0.number) < ($0.votes, $1.group, $1.number) }
            for wish in wishes where numbers[wish.group] == 0 && pool.claim(wish.number) {
                numbers[wish.group] = wish.number
            }
        }
        for index in groups.indices where numbers[index] == 0 {
            guard let number = pool.allocate() else {
                preconditionFailure("more classes than numbers: the element budget is far below")
            }
            numbers[index] = number
        }
        return numbers
    }

    /// Ranges of a class map that the kernel holds, ascending.
    private func previousNets(_ family: AddressFamily, _ previous: KernelTable) -> [Net] {
        (previous.sets[map("net", family)]?.elements ?? [:]).compactMap { key, element in
            guard case .number(let number) = element.value else { return nil }
            return (key.first, key.last, number)
        }.sorted { $0.first < $1.first }
    }

    private func votes(
        _ group: [Int], _ classes: AddressClasses, _ previous: KernelTable,
        _ nets: [AddressFamily: [Net]]
    ) -> [UInt32: Int] {
        let exact4 = previous.sets[map("", .v4)]?.elements
        let exact6 = previous.sets[map("", .v6)]?.elements
        var votes: [UInt32: Int] = [:]
        func vote(_ element: Element?) {
            if case .number(let number) = element?.value { votes[number, default: 0] += 1 }
        }
        for index in group {
            let item = classes.classes[index]
            if let exact4 {
                for address in item.endpoints4 { vote(exact4[ElementKey(UInt128(address))]) }
            }
            if let exact6 { for address in item.endpoints6 { vote(exact6[ElementKey(address)]) } }
            for range in item.ranges {
                let number = Self.lookup(range.first, in: nets[range.family] ?? [])
                if number != 0 { votes[number, default: 0] += 1 }
            }
        }
        return votes
    }

    private mutating func buildMaps(_ classes: AddressClasses, _ numbers: [UInt32]) {
        for family in AddressFamily.allCases {
            let nets = netRanges(classes, numbers, family)
            var exact: [ElementKey: Element] = [:]
            for (index, item) in classes.classes.enumerated() where item.isEndpoints {
                let value = ElementValue.number(numbers[index])
                let addresses =
                    family == .v4 ? item.endpoints4.map { UInt128($0) } : item.endpoints6
                for address in addresses
                where Self.lookup(address, in: nets) != numbers[index] {
                    exact[ElementKey(address)] = Element(value: value)
                }
            }
            let field: FieldType = family == .v4 ? .ipv4Address : .ipv6Address
            if !exact.isEmpty {
                maps[map("", family)] = NamedSet(
                    key: [field], kind: .map(side.data), elements: exact)
            }
            if !nets.isEmpty {
                var elements: [ElementKey: Element] = [:]
                for net in nets {
                    elements[ElementKey(net.first, through: net.last)] = Element(
                        value: .number(net.number))
                }
                maps[map("net", family)] = NamedSet(
                    key: [field], kind: .map(side.data), flags: [.interval], elements: elements)
            }
        }
    }

    private typealias Net = (first: UInt128, last: UInt128, number: UInt32)

    /// Ranges of addresses that are no endpoints and not of the default class, ascending,
    /// neighbours of one class merged.
    private func netRanges(
        _ classes: AddressClasses, _ numbers: [UInt32], _ family: AddressFamily
    ) -> [Net] {
        var nets: [Net] = []
        for (index, item) in classes.classes.enumerated() where numbers[index] != 0 {
            for range in item.ranges where range.family == family {
                nets.append((range.first, range.last, numbers[index]))
            }
        }
        nets.sort { $0.first < $1.first }
        var merged: [Net] = []
        for net in nets {
            if let last = merged.last, last.number == net.number, last.last + 1 == net.first {
                merged[merged.count - 1].last = net.last
            } else {
                merged.append(net)
            }
        }
        return merged
    }

    private static func lookup(_ address: UInt128, in nets: [Net]) -> UInt32 {
        var (low, high) = (0, nets.count)
        while low < high {
            let middle = (low + high) / 2
            if nets[middle].last < address { low = middle + 1 } else { high = middle }
        }
        return low < nets.count && nets[low].first <= address ? nets[low].number : 0
    }
}
