// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which caps a live connection counts for: the definition of a cap, asked over the connections of
// conntrack. Connections of the same two classes and port are asked for once.

import WeirKernel
public import WeirModel
import WeirRuleset

/// What a new cap finds when it comes into force.
public struct CapRecount: Sendable, Hashable {
    /// `layer.policy`
    public let policy: String
    /// `cap1`, `cap1.without1`
    public let part: String
    public let connections: UInt32
    public let scope: CountingScope
    /// Live connections that it counts from the start.
    public let live: Int
    /// Sources, destinations or pairs (in total: 1) that have all their places taken, or more.
    public let full: Int
}

/// Some caps and what they cover.
struct CapMatcher {
    let caps: [LoweredCap]
    private let table: SetTable
    private struct Question: Hashable {
        let source: Int
        let destination: Int
        let port: PortPoint
    }
    /// Caps by the destination classes of narrow boxes, and those with a broad one.
    private var byDestination: [Int: [Int]] = [:]
    private var broad: [Int] = []
    private var memo: [Question: [Int]] = [:]

    init(_ caps: [LoweredCap], table: SetTable) {
        self.caps = caps
        self.table = table
        for (index, cap) in caps.enumerated() {
            let destinations = cap.boxes.map { table[$0.destination] }
            if destinations.contains(where: { $0.count > 64 }) {
                broad.append(index)
            } else {
                for member in Set(destinations.flatMap { Array($0) }) {
                    byDestination[member, default: []].append(index)
                }
            }
        }
    }

    /// Indices of the caps that count a connection.
    mutating func caps(of flow: Flow) -> [Int] {
        let question = Question(
            source: table.classes.classIndex(of: flow.source),
            destination: table.classes.classIndex(of: flow.destination), port: flow.port)
        if let known = memo[question] { return known }
        let near = (byDestination[question.destination] ?? []) + broad
        let found = near.filter { index in
            caps[index].boxes.contains { box in
                box.ports.contains(question.port) && table[box.source].contains(question.source)
                    && table[box.destination].contains(question.destination)
            }
        }
        memo[question] = found
        return found
    }

    /// Connections by the cap that counts them; caps without are left out.
    mutating func group(_ connections: [Connection]) -> [(cap: Int, connections: [Connection])] {
        guard !caps.isEmpty else { return [] }
        var groups: [Int: [Connection]] = [:]
        for connection in connections where connection.zone == 0 {
            for cap in caps(of: connection.flow) { groups[cap, default: []].append(connection) }
        }
        return groups.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// What each cap would find.
    mutating func recounts(_ connections: [Connection]) -> [CapRecount] {
        group(connections).map { index, members in
            let cap = caps[index]
            var places: [[IPAddress]: Int] = [:]
            for connection in members { places[cap.scope.key(connection.flow), default: 0] += 1 }
            return CapRecount(
                policy: cap.policyName, part: cap.part, connections: cap.connections,
                scope: cap.scope, live: members.count,
                full: places.values.filter { $0 >= Int(cap.connections) }.count)
        }
    }
}

extension CountingScope {
    fileprivate func key(_ flow: Flow) -> [IPAddress] {
        switch self {
        case .total: []
        case .source: [flow.source]
        case .destination: [flow.destination]
        case .pair: [flow.source, flow.destination]
        }
    }
}
