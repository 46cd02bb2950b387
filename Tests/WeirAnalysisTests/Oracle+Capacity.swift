// SPDX-License-Identifier: GPL-3.0-or-later
//
// What caps and limits let through to a service against its declared capacity, in every state,
// by trying every family of caps.

import WeirAnalysis
import WeirModel

extension Oracle {
    func overcommitted() -> Set<Key> {
        var keys: Set<Key> = []
        for (index, service) in policySet.landscape.services.enumerated() {
            let dedicated = policySet.policies.indices.filter { policy in
                isLive(policy)
                    && flows(policy).allSatisfy {
                        policySet.landscape.contains(
                            .service(index), cases[$0].flow.destination)
                    }
            }
            let mask = dedicated.reduce(UInt32(0)) { $0 | 1 << UInt32($1) }
            if let bound = service.capacity.connections {
                keys.formUnion(
                    exceeding(index, mask, bound, "connections", { caps($0) }, leaves))
            }
            if let rate = service.capacity.connectionRate {
                keys.formUnion(
                    exceeding(
                        index, mask, product(rate.amount, 3_600 / rate.intervalSeconds), "rate",
                        limits, hourly))
            }
        }
        return keys
    }

    private func limits(_ mask: UInt32) -> [Part] {
        members(mask).flatMap { policy in
            policySet.policies[policy].limits.enumerated()
                .filter { $1.unit == .connections && $1.excess != .markECN }
                .map { Part(policy: policy, isCap: false, index: $0.offset) }
        }
    }

    private func hourly(_ part: Part, _ flows: [Int]) -> UInt64 {
        let limit = policySet.policies[part.policy].limits[part.index]
        return product(
            product(limit.rate.amount, 3_600 / limit.rate.intervalSeconds),
            counters(limit.scope, flows.filter { has(cases[$0].policies, part.policy) }))
    }

    private func exceeding(
        _ service: Int, _ dedicated: UInt32, _ bound: UInt64, _ reason: String,
        _ parts: (UInt32) -> [Part], _ weight: @escaping (Part, [Int]) -> UInt64
    ) -> Set<Key> {
        let bad = moments.filter { moment in
            let own = members(moment.inForce & dedicated)
                .filter { !parts(1 << UInt32($0)).isEmpty }
            guard members(moment.enabled).allSatisfy(own.contains) else { return false }
            let all = cases.indices.filter { index in
                own.contains { has(cases[index].policies, $0) }
                    && decided(cases[index].policies & moment.inForce).mayAdmit
            }
            return !all.isEmpty && leastCover(all, parts(moment.inForce), weight) > bound
        }
        guard !bad.isEmpty else { return [] }
        return [
            key(
                .overcommittedCapacity, [service], reason: reason,
                possible: !bad.contains { $0.enabled == 0 })
        ]
    }
}
