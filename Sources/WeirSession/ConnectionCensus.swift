// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which policies live connections fall under. The kernel counts connections for its caps and tells
// nobody how many there are; conntrack does, and what it lists is what a cap counts.

import WeirKernel
import WeirModel

/// Finds the policies whose interactions contain a flow, many times over.
struct PolicyMatcher {
    private struct Question: Hashable {
        let source: Int
        let destination: Int
        let port: PortPoint
    }

    private let table: SetTable
    /// Boxes of policies in force, by policy.
    private let boxes: [(policy: PolicyID, box: Box)]
    private var bySource: [Int: Bitset] = [:]
    private var byDestination: [Int: Bitset] = [:]
    private var memo: [Question: [PolicyID]] = [:]
    /// Ports of clients' choosing (ICMP types are few) must not fill the memory.
    private static let maximumMemo = 1 << 18

    /// - Parameter policies: those that are asked for.
    init(_ policySet: PolicySet, _ policies: [PolicyID]) {
        var table = SetTable(policySet)
        boxes = policies.flatMap { id in
            policySet[id].interactions.flatMap { table.boxes($0) }.map { (id, $0) }
        }
        self.table = table
    }

    /// The policies that contain a flow, in their order.
    mutating func policies(matching flow: Flow) -> [PolicyID] {
        let question = Question(
            source: table.classes.classIndex(of: flow.source),
            destination: table.classes.classIndex(of: flow.destination), port: flow.port)
        if let known = memo[question] { return known }
        let from = having(question.source, \.source, &bySource)
        let to = having(question.destination, \.destination, &byDestination)
        var found: [PolicyID] = []
        for index in from.intersection(to) where boxes[index].box.ports.contains(flow.port) {
            if found.last != boxes[index].policy { found.append(boxes[index].policy) }
        }
        if memo.count >= Self.maximumMemo { memo = [:] }
        memo[question] = found
        return found
    }

    /// The boxes one side of which contains an address class.
    private func having(
        _ member: Int, _ side: KeyPath<Box, SetID>, _ known: inout [Int: Bitset]
    ) -> Bitset {
        if let bits = known[member] { return bits }
        var bits = Bitset(capacity: boxes.count)
        for (index, item) in boxes.enumerated()
        where table[item.box[keyPath: side]].contains(member) {
            bits.insert(index)
        }
        known[member] = bits
        return bits
    }
}

/// What conntrack says of policies, by their index in the policy set.
struct ConnectionCensus {
    /// Of one policy.
    struct Tally: Equatable {
        /// That stand.
        var connections = 0
        /// That were not there at the census before.
        var begun = 0
        /// Since the census before, of connections that are counted by the kernel.
        var packets: UInt64 = 0
        var bytes: UInt64 = 0
        /// Whether the kernel counts their packets and bytes.
        var isAccounted = false
    }

    private(set) var tallies: [PolicyID: Tally] = [:]
    private var matcher: PolicyMatcher
    private let view: VantageView
    /// By the kernel's number of the connection.
    private var known: [UInt32: CounterReading] = [:]
    private var seen: [UInt32: CounterReading] = [:]

    init(_ policySet: PolicySet, _ policies: [PolicyID], onHost: Bool) {
        matcher = PolicyMatcher(policySet, policies)
        view = VantageView(onHost: onHost)
    }

    /// Counts all over again.
    mutating func count(_ kernel: any PolicyKernel) throws(CommitFailure) {
        tallies = [:]
        seen = [:]
        try kernel.forEachConnection { add($0) }
        known = seen
        seen = [:]
    }

    private mutating func add(_ connection: Connection) {
        // A dump can bring a connection twice.
        guard view.includes(connection), seen[connection.id] == nil else { return }
        let now = connection.traffic ?? CounterReading(packets: 0, bytes: 0)
        seen[connection.id] = now
        let before = known[connection.id]
        // A number that is used again counts from nothing.
        let base = before.flatMap { $0.bytes <= now.bytes ? $0 : nil }
        for policy in matcher.policies(matching: connection.flow) {
            var tally = tallies[policy] ?? Tally()
            if !connection.isClosed { tally.connections += 1 }
            if before == nil { tally.begun += 1 }
            tally.packets += now.packets - min(now.packets, base?.packets ?? 0)
            tally.bytes += now.bytes - (base?.bytes ?? 0)
            tally.isAccounted = tally.isAccounted || connection.traffic != nil
            tallies[policy] = tally
        }
    }
}
