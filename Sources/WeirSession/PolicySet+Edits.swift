// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which one edit leads from one policy set to the next, for an analysis that goes on from where it
// was; and what `for D` means at a moment.

import WeirAnalysis
public import WeirModel

extension PolicyEdit {
    /// The edit between two policy sets, where it is known which declarations were touched.
    init(
        _ touched: Set<DeclarationName>?, from old: PolicySet, to new: PolicySet
    ) {
        guard let touched, touched.count == 1, let name = touched.first,
            case .policy(let layer, let policy) = name
        else {
            self = .other
            return
        }
        let before = old.policy(named: policy, inLayer: layer)
        let after = new.policy(named: policy, inLayer: layer)
        // A trigger's threshold can be a share of the policy's cap.
        let isWatched = new.triggers.contains { $0.policy == after || $0.enables == after }
        switch (before, after) {
        case _ where isWatched || old.triggers.count != new.triggers.count: self = .other
        case (let before?, let after?)
        where before == after && old.policies.count == new.policies.count:
            self = .replaced(after)
        case (nil, let after?) where old.policies.count + 1 == new.policies.count:
            self = .added(after)
        case (let before?, nil) where old.policies.count == new.policies.count + 1:
            self = .removed(before)
        default: self = .other
        }
    }
}

extension PolicyEdit {
    /// The edits between two policy sets that were made of the same files with other inventories;
    /// nil where more than endpoints changed in these.
    static func endpoints(from old: PolicySet, to new: PolicySet) -> [PolicyEdit]? {
        guard old.policies.count == new.policies.count,
            old.landscape.zones.map(\.name) == new.landscape.zones.map(\.name),
            old.landscape.zones.map(\.ranges) == new.landscape.zones.map(\.ranges),
            old.landscape.services.count == new.landscape.services.count,
            zip(old.landscape.services, new.landscape.services).allSatisfy({ before, after in
                before.name == after.name && before.labels == after.labels
                    && before.ports == after.ports && before.capacity == after.capacity
            }), old.assertions.map(\.connections) == new.assertions.map(\.connections)
        else { return nil }
        let relative = new.policyIDs.filter { id in
            new[id].caps.contains { $0.relativeTo != nil }
                || new[id].limits.contains { $0.relativeTo != nil }
        }
        return [.endpoints] + relative.map(PolicyEdit.replaced)
    }
}

extension PolicySet {
    /// The policy set as it is if its `for D` begin now.
    public func startingDurations(at epochSeconds: Int64) -> PolicySet {
        guard policies.contains(where: { $0.activation.forSeconds != nil }) else { return self }
        var result = self
        for index in policies.indices {
            guard let seconds = policies[index].activation.forSeconds else { continue }
            result.policies[index].activation.forSeconds = nil
            result.policies[index].activation.until = min(
                policies[index].activation.until ?? .max, epochSeconds + seconds)
        }
        return result
    }
}

/// `2026-12-01T18:00:30Z` (RFC 3339), for seconds since 1970-01-01.
public func timestampText(_ epochSeconds: Int64) -> String {
    let days = (epochSeconds >= 0 ? epochSeconds : epochSeconds - 86_399) / 86_400
    let second = epochSeconds - days * 86_400
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": civil_from_days.
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
    let month = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * month + 2) / 5 + 1
    let civilMonth = month < 10 ? month + 3 : month - 9
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let civilYear = "\(year + era * 400 + (civilMonth <= 2 ? 1 : 0))"
    let padded = String(repeating: "0", count: max(0, 4 - civilYear.count)) + civilYear
    return "\(padded)-\(two(civilMonth))-\(two(day))T\(two(second / 3600)):"
        + "\(two(second / 60 % 60)):\(two(second % 60))Z"
}
