// SPDX-License-Identifier: GPL-3.0-or-later
//
// Established connections that a new policy set denies. The kernel lets them go on, since only new
// connections are asked; a commit ends them by forgetting them, and a plan says so before.

import WeirKernel
import WeirModel

/// Connections between two parties that a commit would end.
public struct CutGroup: Sendable, Hashable {
    /// Names of services, or the address where it is no endpoint.
    public let source: String
    public let destination: String
    /// `tcp/5432`
    public let port: String
    public let count: Int
}

/// Which live connections a policy set denies.
struct ConnectionCutter {
    private var decider: FlowDecider?
    private let state: PolicyState
    private let table: SetTable?
    private let policySet: PolicySet
    private let view: VantageView

    /// - Parameter table: of the policy set, where there is one already.
    init(_ policySet: PolicySet, state: PolicyState, onHost: Bool, table: SetTable? = nil) {
        self.policySet = policySet
        view = VantageView(onHost: onHost)
        self.state = state
        self.table = table
    }

    func polices(_ connection: Connection) -> Bool {
        !connection.isClosed && view.includes(connection)
    }

    /// A connection that is policed and goes on.
    mutating func leaves(_ connection: Connection) -> Bool {
        polices(connection) && !denies(connection)
    }

    /// Whether the policies refuse a connection that is policed.
    mutating func denies(_ connection: Connection) -> Bool {
        guard polices(connection) else { return false }
        let flow = connection.flow
        if decider == nil { decider = FlowDecider(policySet, in: state, table: table) }
        switch decider?.action(for: flow) {
        case .allow, nil: return false
        case .reject, .drop: return true
        }
    }

    /// By who talks to whom, the largest group first.
    func groups(_ connections: [Connection]) -> [CutGroup] {
        struct Key: Hashable {
            let source: String
            let destination: String
            let port: String
        }
        var counts: [Key: Int] = [:]
        for connection in connections {
            let flow = connection.flow
            let proto = IPProtocol.name(flow.port.protocolNumber)
            let key = Key(
                source: name(flow.source), destination: name(flow.destination),
                port: "\(proto)/\(flow.port.port)")
            counts[key, default: 0] += 1
        }
        return counts.map { key, count in
            CutGroup(
                source: key.source, destination: key.destination, port: key.port, count: count)
        }.sorted {
            ($1.count, $0.source, $0.destination, $0.port)
                < ($0.count, $1.source, $1.destination, $1.port)
        }
    }

    private func name(_ address: IPAddress) -> String {
        let names = (decider?.services(of: address) ?? []).map {
            policySet.landscape.services[$0].name
        }
        return names.isEmpty ? "\(address)" : names.joined(separator: "+")
    }
}
