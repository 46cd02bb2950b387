// SPDX-License-Identifier: GPL-3.0-or-later
//
// Endpoints come and go while policies stay. As long as the address classes are the same, sets and
// decisions are too; what changes is how many counters there are, and which addresses stand for a
// class in a witness.

import WeirModel

extension Analyzer {
    /// Takes over other endpoints; false, with nothing changed, if that takes a full check.
    mutating func changeEndpoints(to next: Landscape) -> Bool {
        guard next.services.count == landscape.services.count,
            zip(next.services, landscape.services).allSatisfy({ new, old in
                new.name == old.name && new.labels == old.labels && new.capacity == old.capacity
            }), next.zones.map(\.ranges) == landscape.zones.map(\.ranges),
            var changed = space.table.replaceEndpoints(next, literals: literals.keys)
        else { return false }
        let before = census
        census = Census(space.table.classes)
        landscape = next
        for index in census.changes(from: before) { changed.insert(index) }
        let touched = policies.order.filter { slot in
            policies.bricks[slot].contains { touches($0, changed) }
        }
        for slot in touched where policies[slot].matters {
            if policies[slot].constrains || !facts[slot].findings.isEmpty { examine(slot) }
        }
        for index in assertionFacts.indices
        where assertionFacts[index].bricks.contains(where: { touches($0, changed) }) {
            assertionFacts[index].failures = failures(index, assertionFacts[index].bricks)
        }
        for index in lockouts.indices { lockouts[index] = lockout(index) }
        for service in Set(touched.flatMap { services[$0] }).sorted() {
            let dedicated = capacities[service]?.dedicated ?? []
            capacities[service] = capacityFact(service, dedicated)
        }
        return true
    }

    private func touches(_ brick: Brick, _ classes: Bitset) -> Bool {
        space.table[brick.source].intersects(classes)
            || space.table[brick.destination].intersects(classes)
    }
}
