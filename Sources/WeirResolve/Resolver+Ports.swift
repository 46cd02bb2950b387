// SPDX-License-Identifier: GPL-3.0-or-later
//
// Ports: numbers, ICMP types, declared ports, and port names that mean what the destination
// service's inventory entry says.

import WeirDiagnostics
import WeirModel
import WeirSyntax

/// The ports of a clause before its destination is known.
struct PortDemand {
    /// What holds for every destination.
    var fixed: [PortSet.Interval] = []
    /// Names to be looked up at the destination services.
    var names: [Name] = []
    /// Declared ports among the fixed ones, to be compared with what services call so.
    var declared: [(name: Name, ports: PortSet)] = []
    var isGood = true
}

/// A part of a destination and what a port name means there.
struct DestinationPorts {
    let destination: AddressSet
    let ports: PortSet
}

struct PortNameQuery: Hashable {
    let name: String
    let destination: AddressSet
}

extension Resolver {
    mutating func resolvePortDeclarations() {
        for name in ports.keys.sorted() { _ = declaredPorts(named: name) }
    }

    /// The ports of a `port` declaration; nil where it could not be resolved.
    private mutating func declaredPorts(named name: String) -> PortSet? {
        guard let port = ports[name] else { return nil }
        switch port.state {
        case .done(let set): return set
        case .underWay:
            findings.error(
                "port-cycle", "port \(quoted(name)) contains itself",
                at: port.declaration.name.range, help: "write its number")
            return nil
        case .untouched: break
        }
        ports[name]?.state = .underWay
        var demand = PortDemand()
        for expression in port.declaration.ports { add(expression, to: &demand) }
        for unknown in demand.names {
            reportUnknownPort(unknown, among: Array(ports.keys), where: "", related: [])
        }
        let set = demand.isGood && demand.names.isEmpty ? PortSet(demand.fixed) : nil
        ports[name]?.state = .done(set)
        return set
    }

    mutating func portDemand(_ expressions: [PortExpression]) -> PortDemand {
        var demand = PortDemand()
        for expression in expressions { add(expression, to: &demand) }
        return demand
    }

    private mutating func add(_ expression: PortExpression, to demand: inout PortDemand) {
        switch expression.kind {
        case .any: demand.fixed += PortSet.any.intervals
        case .transport(let transport, let range):
            let number: UInt8 =
                switch transport {
                case .tcp: IPProtocol.tcp
                case .udp: IPProtocol.udp
                case .sctp: IPProtocol.sctp
                }
            let set = PortSet.ports(number, range?.first ?? 0, range?.last ?? .max)
            demand.fixed += set.intervals
        case .icmp(let version, let type):
            let number = version == .icmp ? IPProtocol.icmp : IPProtocol.icmpv6
            guard let type else {
                demand.fixed += PortSet.all(of: number).intervals
                return
            }
            let known = version == .icmp ? ICMPTypes.version4 : ICMPTypes.version6
            guard let code = known[type.text] else {
                // The parser has refused it.
                demand.isGood = false
                return
            }
            demand.fixed += PortSet.ports(number, UInt16(code), UInt16(code)).intervals
        case .name(let name): add(name, to: &demand)
        }
    }

    private mutating func add(_ name: Name, to demand: inout PortDemand) {
        if let argument = scope?.arguments[name.text] {
            let inner: [PortExpression]
            switch argument.argument {
            case .ports(let list): inner = list
            case .set(.name(let port)):
                inner = [PortExpression(kind: .name(port), range: port.range)]
            case .set(.any(let range)): inner = [PortExpression(kind: .any, range: range)]
            default:
                wrongArgument(argument, name, wanted: "a port")
                demand.isGood = false
                return
            }
            let added = outside { $0.portDemand(inner) }
            demand.fixed += added.fixed
            demand.names += added.names
            demand.declared += added.declared
            demand.isGood = demand.isGood && added.isGood
        } else if ports[name.text] != nil {
            uses.insert(.port(name.text))
            if let set = declaredPorts(named: name.text) {
                demand.fixed += set.intervals
                demand.declared.append((name, set))
            } else {
                demand.isGood = false
            }
        } else if damagedNames.contains(name.text), servicesByPort[name.text] == nil {
            demand.isGood = false
        } else {
            demand.names.append(name)
        }
    }

    // MARK: port names of services

    /// What a port name means at a destination: its services that have a port so named, those of
    /// equal ports together. Empty where none has.
    ///
    /// Where the destination is one service, or all of it means the same, it stays whole;
    /// otherwise it is cut down to the services that have the name.
    mutating func destinationPorts(_ name: String, _ destination: AddressSet) -> [DestinationPorts]
    {
        if case .service(let index) = destination {
            return landscape.services[index].ports[name].map {
                [DestinationPorts(destination: destination, ports: $0)]
            } ?? []
        }
        let query = PortNameQuery(name: name, destination: destination)
        if let known = portNameMemo[query] { return known }
        let named = Set(destination.namedServices)
        let extent = extents.extent(of: destination)
        let meant = destinationServices(destination)
        let having = (servicesByPort[name] ?? []).filter {
            meant?.contains($0) ?? true
                && (named.contains($0) || extents.overlap(extent, service: $0))
        }
        var order: [PortSet] = []
        var byPorts: [PortSet: [Int]] = [:]
        for service in having {
            guard let ports = landscape.services[service].ports[name] else { continue }
            if byPorts[ports] == nil { order.append(ports) }
            byPorts[ports, default: []].append(service)
        }
        let result = order.map { ports in
            let services = byPorts[ports] ?? []
            let isWhole = order.count == 1 && extents.isCovered(extent, by: services)
            return DestinationPorts(
                destination: isWhole
                    ? destination : .intersection(destination, union(of: services[...])),
                ports: ports)
        }
        portNameMemo[query] = result
        return result
    }

    /// The services that a destination is made of; nil where it is made of addresses, so that
    /// every service among them is meant. Another service that merely shares an endpoint is not.
    private mutating func destinationServices(_ set: AddressSet) -> Set<Int>? {
        switch set {
        case .service(let index): return [index]
        case .labels(let tests): return Set(extents.services(passing: tests))
        case .any, .internal, .external, .zone, .range: return nil
        case .difference(let a, _): return destinationServices(a)
        case .union(let a, let b):
            guard let x = destinationServices(a), let y = destinationServices(b) else { return nil }
            return x.union(y)
        case .intersection(let a, let b):
            let (x, y) = (destinationServices(a), destinationServices(b))
            guard let x, let y else { return x ?? y }
            return x.intersection(y)
        }
    }

    /// Balanced, so that a set of thousands of services stays shallow.
    private func union(of services: ArraySlice<Int>) -> AddressSet {
        guard services.count > 1 else { return .service(services[services.startIndex]) }
        let middle = services.startIndex + services.count / 2
        return .union(union(of: services[..<middle]), union(of: services[middle...]))
    }

    mutating func reportUnknownPort(
        _ name: Name, among candidates: [String], where place: String, related: [RelatedPlace]
    ) {
        guard !damagedNames.contains(name.text) else { return }
        let near = findings.nearest(to: name.text, among: candidates)
        findings.error(
            "unknown-port",
            place.isEmpty
                ? "there is no port \(quoted(name.text))"
                : "\(quoted(name.text)) is neither a declared port nor a port of \(place)",
            at: name.range, related: related,
            help: near.map { "did you mean `\($0)`?" }
                ?? "declare it: `port \(spelling(of: name.text)) = tcp/…`",
            fixIts: near.map { [spellingFix(of: name, as: $0)] } ?? [])
    }
}

extension AddressSet {
    /// Services that it names one by one and does not take away again.
    var namedServices: [Int] {
        switch self {
        case .service(let index): [index]
        case .union(let a, let b), .intersection(let a, let b):
            a.namedServices + b.namedServices
        case .difference(let a, _): a.namedServices
        case .any, .internal, .external, .zone, .labels, .range: []
        }
    }
}
