// SPDX-License-Identifier: GPL-3.0-or-later
//
// The fast view of sets held against the slow one: random landscapes, random set expressions,
// and every interesting address.

import Testing
import WeirModel

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct SetTableTests {
    static func address(_ rng: inout SeededGenerator) -> IPAddress {
        Bool.random(using: &rng)
            ? .v4(0x0A00_0000 + UInt32.random(in: 0..<24, using: &rng))
            : .v6(UInt128.random(in: 0..<24, using: &rng))
    }

    static func landscape(_ rng: inout SeededGenerator) -> Landscape {
        let services = (0..<Int.random(in: 0...4, using: &rng)).map { index in
            Service(
                name: "s\(index)", labels: ["k": ["a", "b"].randomElement(using: &rng) ?? "a"],
                endpoints: (0..<Int.random(in: 0...5, using: &rng)).map { _ in address(&rng) })
        }
        let zones = [
            Zone(
                name: "z0",
                ranges: [
                    AddressRange(family: .v4, first: 0x0A00_0000, last: 0x0A00_0009),
                    AddressRange(family: .v6, first: 0, last: 7),
                ]),
            Zone(
                name: "z1",
                ranges: [AddressRange(family: .v4, first: 0x0A00_000A, last: 0x0A00_0010)]),
        ]
        return Landscape(services: services, zones: zones)
    }

    static func set(
        _ rng: inout SeededGenerator, _ landscape: Landscape, depth: Int = 3
    ) -> AddressSet {
        switch Int.random(in: 0..<(depth > 0 ? 10 : 7), using: &rng) {
        case 0: return .any
        case 1: return .internal
        case 2: return .external
        case 3 where !landscape.services.isEmpty:
            return .service(Int.random(in: landscape.services.indices, using: &rng))
        case 3, 4: return .zone(Int.random(in: 0...1, using: &rng))
        case 5:
            return .labels([
                .isIn(key: "k", values: [["a", "b"].randomElement(using: &rng) ?? "a"])
            ])
        case 6:
            let a = address(&rng)
            let last = min(a.value + UInt128.random(in: 0..<6, using: &rng), a.family.maximum)
            return .range(AddressRange(family: a.family, first: a.value, last: last))
        case 7:
            return .union(
                set(&rng, landscape, depth: depth - 1), set(&rng, landscape, depth: depth - 1))
        case 8:
            return .intersection(
                set(&rng, landscape, depth: depth - 1), set(&rng, landscape, depth: depth - 1))
        default:
            return .difference(
                set(&rng, landscape, depth: depth - 1), set(&rng, landscape, depth: depth - 1))
        }
    }

    @Test(arguments: [UInt64.random(in: 0 ... .max)])
    func `classes agree with definitions`(seed: UInt64) {
        print("SetTableTests seed \(seed)")
        var rng = SeededGenerator(state: seed)
        for _ in 0..<300 {
            let landscape = Self.landscape(&rng)
            let interactions = (0..<4).map { _ in
                Interaction(
                    source: Self.set(&rng, landscape), destination: Self.set(&rng, landscape),
                    zoneRelation: [nil, .across, .within].randomElement(using: &rng) ?? nil)
            }
            let policySet = PolicySet(
                landscape: landscape, layers: [Layer(name: "l")],
                policies: [Policy(name: "p", layer: 0, interactions: interactions)])
            var table = SetTable(policySet)
            let samples =
                (0..<26).map { IPAddress.v4(0x0A00_0000 + $0) } + (0..<26).map { .v6($0) }
                + [.v4(0), .v4(.max), .v6(.max)]
            for interaction in interactions {
                let boxes = table.boxes(interaction)
                let source = table.intern(interaction.source)
                for a in samples {
                    let from = table.classes.classIndex(of: a)
                    #expect(
                        table[source].contains(from) == landscape.contains(interaction.source, a))
                    for b in samples where b.family == a.family {
                        let to = table.classes.classIndex(of: b)
                        let fast = boxes.contains {
                            table[$0.source].contains(from) && table[$0.destination].contains(to)
                        }
                        let flow = Flow(
                            source: a, destination: b,
                            port: PortPoint(protocolNumber: 6, port: 80))
                        #expect(fast == policySet.matches(interaction, flow))
                    }
                }
            }
            for (index, item) in table.classes.classes.enumerated() {
                for family in AddressFamily.allCases {
                    guard let address = item.representative(family) else { continue }
                    #expect(table.classes.classIndex(of: address) == index)
                }
            }
        }
    }
}
