// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whom a commit hits, by name: an operator who is asked to confirm thinks in services, not in
// policies.

public import WeirModel

/// The ends of a policy that a commit touches.
public struct AffectedServices: Sendable {
    public let policy: String
    /// `+`, `~`
    public let mark: String
    public let sources: [String]
    public let destinations: [String]

    /// `~ resilience.calm: web, mobile -> api`
    public var text: String {
        "\(mark) \(policy): \(Self.list(sources)) -> \(Self.list(destinations))"
    }

    private static func list(_ names: [String]) -> String {
        if names.isEmpty { return "addresses outside the inventory" }
        let shown = names.prefix(4).joined(separator: ", ")
        return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
    }
}

extension Plan {
    /// The services at both ends of the policies that this plan adds or changes, at most `limit`.
    public func affectedServices(_ set: PolicySet, limit: Int = 20) -> [AffectedServices] {
        let names = changes.added.map { ("+", $0) } + changes.changed.map { ("~", $0) }
        return names.prefix(limit).compactMap { mark, name in
            guard let id = set.policyIDs.first(where: { set.qualifiedName($0) == name }) else {
                return nil
            }
            func services(_ ends: [AddressSet]) -> [String] {
                set.landscape.services.filter { service in
                    service.endpoints.contains { address in
                        ends.contains { set.landscape.contains($0, address) }
                    }
                }.map(\.name)
            }
            return AffectedServices(
                policy: name, mark: mark, sources: services(set[id].interactions.map(\.source)),
                destinations: services(set[id].interactions.map(\.destination)))
        }
    }
}
