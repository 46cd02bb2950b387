// SPDX-License-Identifier: GPL-3.0-or-later
//
// The action of `decide` for many flows: the same answer, found by classes instead of definitions.
// A commit asks it about every live connection. Tests hold it against `decide`.

/// Decides flows of one policy set in one state.
public struct FlowDecider: Sendable {
    private struct Entry {
        let policy: PolicyID
        let layer: Int
        let action: Action
        let boxes: [Box]
        let overriding: [PolicyID]
    }
    private struct Question: Hashable {
        let source: Int
        let destination: Int
        let port: PortPoint
    }

    private let table: SetTable
    private let layers: [Layer]
    /// Policies in force that decide, by layer from the top.
    private let entries: [Entry]
    private var memo: [Question: Action?] = [:]

    /// - Parameter table: one for this policy set, where the caller has it already.
    public init(_ policySet: PolicySet, in state: PolicyState, table: SetTable? = nil) {
        var table = table ?? SetTable(policySet)
        layers = policySet.layers
        entries = policySet.policyIDs.compactMap { id -> Entry? in
            let policy = policySet[id]
            guard let decision = policy.decision, policySet.isInForce(id, in: state) else {
                return nil
            }
            return Entry(
                policy: id, layer: policy.layer, action: decision.action,
                boxes: policy.interactions.flatMap { table.boxes($0) },
                overriding: policy.overriding.map(\.policy))
        }.sorted { $0.layer < $1.layer }
        self.table = table
    }

    /// What `decide` says; nil where the deciding layer is ambiguous.
    public mutating func action(for flow: Flow) -> Action? {
        let question = Question(
            source: table.classes.classIndex(of: flow.source),
            destination: table.classes.classIndex(of: flow.destination), port: flow.port)
        if let known = memo[question] { return known }
        let answer = decide(question)
        memo[question] = .some(answer)
        return answer
    }

    /// The services that have an address among their endpoints, by index in the landscape.
    public func services(of address: IPAddress) -> [Int] {
        table.classes.classes[table.classes.classIndex(of: address)].services
    }

    private func decide(_ question: Question) -> Action? {
        var next = 0
        for layer in layers.indices {
            var speaking: [Entry] = []
            while next < entries.count, entries[next].layer == layer {
                if matches(entries[next], question) { speaking.append(entries[next]) }
                next += 1
            }
            if speaking.isEmpty {
                if let action = layers[layer].defaultAction { return action }
                continue
            }
            let overridden = Set(speaking.flatMap(\.overriding))
            let actions = Set(
                speaking.filter { !overridden.contains($0.policy) }.map(\.action))
            return actions.count == 1 ? actions.first : nil
        }
        return .allow
    }

    private func matches(_ entry: Entry, _ question: Question) -> Bool {
        entry.boxes.contains { box in
            box.ports.contains(question.port) && table[box.source].contains(question.source)
                && table[box.destination].contains(question.destination)
        }
    }
}
