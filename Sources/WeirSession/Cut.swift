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
    /// Since when the oldest and the newest of them stand, in seconds since 1970-01-01; nil where
    /// conntrack has not written it down.
    public let oldestEpochSeconds: Int64?
    public let newestEpochSeconds: Int64?
    /// Of how many it is known.
    public let dated: Int

    init(source: String, destination: String, port: String, starts: [UInt64?]) {
        self.source = source
        self.destination = destination
        self.port = port
        count = starts.count
        let seconds = starts.compactMap { $0.map { Int64($0 / 1_000_000_000) } }
        dated = seconds.count
        oldestEpochSeconds = seconds.min()
        newestEpochSeconds = seconds.max()
    }

    /// `3 live connections web -> db tcp/5432, since 2026-12-01T18:00:00Z`
    public var text: String {
        let what = "\(count) live connection\(count == 1 ? "" : "s")"
        return "\(what) \(source) -> \(destination) \(port)\(since)"
    }

    private var since: String {
        guard let oldestEpochSeconds, let newestEpochSeconds else { return "" }
        let oldest = timestampText(oldestEpochSeconds)
        let rest = count - dated
        let others = rest == 0 ? "" : ", of \(rest) it is not known"
        guard newestEpochSeconds != oldestEpochSeconds else { return ", since \(oldest)\(others)" }
        return ", the oldest since \(oldest), the newest since "
            + timestampText(newestEpochSeconds) + others
    }
}

extension Plan {
    /// Why it is not known since when some connections stand that it ends, and what would help; nil
    /// where all is known.
    public var sinceUnknown: String? {
        guard cuts.contains(where: { $0.dated < $0.count }) else { return nil }
        let command = ConntrackSetting.timestamp.command
        return ConntrackSetting.timestamp.isOn
            ? "since when is not known of connections that are older than the switch "
                + "`\(ConntrackSetting.timestamp.rawValue)`"
            : "since when is not known: `\(command)` has conntrack write it down for connections "
                + "that begin after it"
    }
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
        var starts: [Key: [UInt64?]] = [:]
        for connection in connections {
            let flow = connection.flow
            let proto = IPProtocol.name(flow.port.protocolNumber)
            let key = Key(
                source: name(flow.source), destination: name(flow.destination),
                port: "\(proto)/\(flow.port.port)")
            starts[key, default: []].append(connection.startedAtNanoseconds)
        }
        return starts.map { key, starts in
            CutGroup(
                source: key.source, destination: key.destination, port: key.port, starts: starts)
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
