// SPDX-License-Identifier: GPL-3.0-or-later
//
// A set of addresses as the policies mean it, names resolved. Membership here is by definition,
// slow and obvious; `AddressClasses` is the fast equivalent, and tests hold one against the other.

/// A resolved set expression over a ``Landscape``.
public indirect enum AddressSet: Hashable, Sendable {
    /// Every address of both families.
    case any
    /// Every endpoint of every service.
    case `internal`
    /// Every address that is no endpoint.
    case external
    /// The endpoints of a service, by index in the landscape.
    case service(Int)
    /// Every address in a zone's ranges, endpoint or not, by index in the landscape.
    case zone(Int)
    /// The endpoints of every service whose labels pass all tests.
    case labels([LabelTest])
    case range(AddressRange)
    case union(AddressSet, AddressSet)
    case intersection(AddressSet, AddressSet)
    case difference(AddressSet, AddressSet)
}

/// One requirement of a label selector.
public enum LabelTest: Hashable, Sendable {
    case isIn(key: String, values: [String])
    case exists(key: String)
    case absent(key: String)

    public func holds(for labels: [String: String]) -> Bool {
        switch self {
        case .isIn(let key, let values): labels[key].map(values.contains) ?? false
        case .exists(let key): labels[key] != nil
        case .absent(let key): labels[key] == nil
        }
    }
}

extension Landscape {
    /// Whether an address is in a set, by definition. Linear in the landscape.
    public func contains(_ set: AddressSet, _ address: IPAddress) -> Bool {
        switch set {
        case .any: true
        case .internal: services.contains { $0.endpoints.contains(address) }
        case .external: !contains(.internal, address)
        case .service(let index): services[index].endpoints.contains(address)
        case .zone(let index): zones[index].ranges.contains { $0.contains(address) }
        case .labels(let tests):
            services.contains { service in
                tests.allSatisfy { $0.holds(for: service.labels) }
                    && service.endpoints.contains(address)
            }
        case .range(let range): range.contains(address)
        case .union(let a, let b): contains(a, address) || contains(b, address)
        case .intersection(let a, let b): contains(a, address) && contains(b, address)
        case .difference(let a, let b): contains(a, address) && !contains(b, address)
        }
    }

    /// The zone that an address lies in, by index; nil outside all zones.
    public func zone(of address: IPAddress) -> Int? {
        zones.firstIndex { $0.ranges.contains { $0.contains(address) } }
    }
}
