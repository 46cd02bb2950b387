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
            let (moved, move) = space.table.replaceEndpoints(next, literals: literals.keys)
        else { return false }
        var changed = moved
        if let move {
            census.follow(move)
        } else {
            let before = census
            census = Census(space.table.classes)
            for index in census.changes(from: before) { changed.insert(index) }
        }
        landscape = next
        let members = Array(changed)
        let touched = policies.order.filter { slot in
            policies[slot].matters && policies.bricks[slot].contains { touches($0, members) }
        }
        for slot in touched where move.map({ dependsOnAddresses(slot, $0) }) ?? true {
            if policies[slot].constrains || !facts[slot].findings.isEmpty { examine(slot) }
        }
        for index in assertionFacts.indices
        where assertionFacts[index].bricks.contains(where: { touches($0, members) }) {
            assertionFacts[index].failures = failures(index, assertionFacts[index].bricks)
        }
        for index in lockouts.indices { lockouts[index] = lockout(index) }
        for service in Set(touched.flatMap { services[$0] }).sorted() {
            guard let fact = capacities[service],
                fact.dependsOnOthers || fact.dedicated.contains(where: countsAddresses)
            else { continue }
            capacities[service] = capacityFact(service, fact.dedicated)
        }
        return true
    }

    private func touches(_ brick: Brick, _ classes: [Int]) -> Bool {
        let (source, destination) = (space.table[brick.source], space.table[brick.destination])
        return classes.contains { source.contains($0) || destination.contains($0) }
    }

    /// Whether what is known of a policy rests on how many addresses a class has, or is shown by
    /// one that stands for its class no more.
    private func dependsOnAddresses(_ slot: Int, _ move: EndpointMove) -> Bool {
        let known = facts[slot]
        if known.broad.contains(.numbers) { return true }
        if policies[slot].reserves,
            capsCountAddresses(slot) || overlapping(slot).contains(where: capsCountAddresses)
        {
            return true
        }
        if policies.entry(slot).caps.contains(where: { $0.scope == .total }) {
            let promises = policies.reserving.contains { other in
                capsCountAddresses(other)
                    && policies.bricks[other].contains { brick in
                        policies.bricks[slot].contains { space.meets($0, brick) }
                    }
            }
            if promises { return true }
        }
        return known.findings.contains { finding in
            guard let flow = finding.witness?.flow else { return false }
            return [flow.source, flow.destination].contains { !stands($0, move) }
        }
    }

    /// Whether an address stands for the same class as before.
    private func stands(_ address: IPAddress, _ move: EndpointMove) -> Bool {
        let classes = space.table.classes
        return address != move.address
            && classes.classes[classes.classIndex(of: address)].representative(address.family)
                == address
    }

    /// Whether a cap or limit of a policy has a counter for each address.
    private func countsAddresses(_ slot: Int) -> Bool {
        capsCountAddresses(slot)
            || policies.entry(slot).limits.contains { $0.scope != .total }
    }

    private func capsCountAddresses(_ slot: Int) -> Bool {
        policies.entry(slot).caps.contains { $0.scope != .total }
    }
}
