// SPDX-License-Identifier: GPL-3.0-or-later
//
// `from S to D on P` and `between A and B on P` to interactions in one direction each, cut by
// destination service where a port name means different ports at different services.

import WeirDiagnostics
import WeirModel
import WeirSyntax

extension Resolver {
    /// The interactions of a clause; nil where something in it is wrong, which is reported.
    ///
    /// A port name is looked up among the declared ports, then at the destination's services. It
    /// matches only services that have it; where none has, that is an error, and where one that
    /// the destination names (by itself or in a group) has not, a warning. Broad destinations
    /// (`internal`, a selector, a zone) simply mean those that have it. `between` looks the name
    /// up on the side that is the destination of each direction; a side where nobody has it is
    /// reached on the ports of the other side.
    mutating func interactions(_ clause: InteractionClause) -> [Interaction]? {
        let source = checkedSet(clause.source)
        let destination = checkedSet(clause.destination)
        let demand = clause.ports.map { portDemand($0) }
        guard let source, let destination, demand?.isGood ?? true else { return nil }
        if clause.direction == .fromTo {
            for port in demand?.declared ?? [] { warnOfOtherMeaning(port, at: destination.set) }
        }
        var directions = [(source.set, destination.set)]
        if clause.direction == .between, source.set != destination.set {
            directions.append((destination.set, source.set))
        }
        let relation: ZoneRelation? =
            switch clause.zoneRelation {
            case nil: nil
            case .across: .across
            case .within: .within
            }
        var isGood = true
        var pieces: [(from: AddressSet, to: AddressSet, ports: PortSet)] = []
        if let demand {
            for name in demand.names {
                guard let found = named(name, directions, clause) else {
                    isGood = false
                    continue
                }
                pieces += found
            }
            if !demand.fixed.isEmpty {
                pieces += directions.map { ($0.0, $0.1, PortSet(demand.fixed)) }
            }
        } else {
            pieces = directions.map { ($0.0, $0.1, .any) }
        }
        guard isGood else { return nil }
        return pieces.map {
            Interaction(
                source: $0.from, destination: $0.to, ports: $0.ports, zoneRelation: relation,
                origin: clause.range)
        }
    }

    /// What a port name adds in each direction; nil where nobody has it.
    private mutating func named(
        _ name: Name, _ directions: [(AddressSet, AddressSet)], _ clause: InteractionClause
    ) -> [(from: AddressSet, to: AddressSet, ports: PortSet)]? {
        let found = directions.map { destinationPorts(name.text, $0.1) }
        guard found.contains(where: { !$0.isEmpty }) else {
            let candidates =
                directions.flatMap { portNames(at: $0.1) } + Array(ports.keys)
            let place =
                clause.direction == .between
                ? "either side" : shown(clause.destination.range)
            reportUnknownPort(
                name, among: candidates, where: place,
                related: declarations(of: directions.map(\.1)))
            return nil
        }
        for (_, destination) in directions.prefix(clause.direction == .between ? 0 : 1) {
            warnOfServicesWithout(name, in: destination)
        }
        let everywhere = PortSet(found.flatMap { $0 }.flatMap(\.ports.intervals))
        return zip(directions, found).flatMap {
            direction, parts -> [(from: AddressSet, to: AddressSet, ports: PortSet)] in
            parts.isEmpty
                ? [(direction.0, direction.1, everywhere)]
                : parts.map { (direction.0, $0.destination, $0.ports) }
        }
    }

    /// Port names of the services that a destination names one by one.
    private func portNames(at destination: AddressSet) -> [String] {
        destination.namedServices.flatMap { landscape.services[$0].ports.keys }
    }

    private func declarations(of destinations: [AddressSet]) -> [RelatedPlace] {
        let services = destinations.flatMap(\.namedServices)
        guard services.count == 1, let origin = landscape.services[services[0]].origin else {
            return []
        }
        return [RelatedPlace(range: origin, message: "the service and its ports")]
    }

    /// A declared port is meant even where the destination has another port of that name.
    private mutating func warnOfOtherMeaning(
        _ port: (name: Name, ports: PortSet), at destination: AddressSet
    ) {
        let name = port.name.text
        for index in Set(destination.namedServices).sorted() {
            let service = landscape.services[index]
            guard let own = service.ports[name], own != port.ports else { continue }
            var places: [RelatedPlace] = []
            if let declared = ports[name]?.declaration.name.range {
                places.append(RelatedPlace(range: declared, message: "the declared port"))
            }
            if let origin = service.origin {
                places.append(RelatedPlace(range: origin, message: "the service and its ports"))
            }
            findings.warning(
                "port-differs",
                "\(quoted(name)) is `\(port.ports)` here, but \(quoted(service.name)) has it at"
                    + " `\(own)`",
                at: port.name.range, related: places,
                help: "rename the declared port, or write `\(own)`")
        }
    }

    private mutating func warnOfServicesWithout(_ name: Name, in destination: AddressSet) {
        let lacking = Set(destination.namedServices).sorted().filter {
            landscape.services[$0].ports[name.text] == nil
        }
        guard !lacking.isEmpty else { return }
        let extent = extents.extent(of: destination)
        for service in lacking where extents.overlap(extent, service: service) {
            findings.warning(
                "port-not-everywhere",
                "\(quoted(landscape.services[service].name)) has no port \(quoted(name.text)):"
                    + " this clause leaves it out",
                at: name.range,
                related: landscape.services[service].origin.map {
                    [RelatedPlace(range: $0, message: "the service and its ports")]
                } ?? [],
                help: "give the port's number, or declare the port in the inventory")
        }
    }
}
