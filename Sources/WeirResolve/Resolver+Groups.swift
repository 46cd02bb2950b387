// SPDX-License-Identifier: GPL-3.0-or-later
//
// Groups: sets with a name, made of services, zones, selectors and other groups, each resolved
// once, in whatever order they lead to each other.

import WeirDiagnostics
import WeirModel
import WeirSyntax

extension Resolver {
    /// Groups that lead to groups that lead to groups: so many times at most.
    static let groupDepthLimit = 64

    mutating func resolveGroups() {
        for name in groups.keys.sorted() { _ = resolveGroup(named: name) }
    }

    /// The set of a group that is referred to.
    mutating func groupSet(_ name: Name) -> ResolvedSet? {
        uses.insert(.group(name.text))
        return resolveGroup(named: name.text)
    }

    private mutating func resolveGroup(named name: String) -> ResolvedSet? {
        guard let group = groups[name] else { return nil }
        switch group.state {
        case .done(let set): return set
        case .underWay:
            reportCycle(through: name)
            return nil
        case .untouched: break
        }
        // Going down, this bounds the recursion; coming up, `groupLevels` finds the same chains
        // in whatever order the groups are resolved.
        guard groupDepth < Self.groupDepthLimit else {
            reportDepth(group)
            return nil
        }
        groupDepth += 1
        groups[name]?.state = .underWay
        var set = outside { $0.checkedSet(group.declaration.set) }
        groupDepth -= 1
        if let resolved = set, resolved.groupLevels >= Self.groupDepthLimit {
            reportDepth(group)
            set = nil
        }
        // Uses of an empty group are silent: its declaration has been reported.
        let result = set.map {
            ResolvedSet(
                $0.set, depth: $0.depth, size: $0.size, groupLevels: $0.groupLevels + 1,
                isReported: $0.isReported || extents.isEmpty($0.set))
        }
        groups[name]?.state = .done(result)
        return result
    }

    private mutating func reportDepth(_ group: Group) {
        let name = group.declaration.name
        findings.error(
            "groups-too-deep",
            "group \(quoted(name.text)) is more than \(Self.groupDepthLimit) groups deep",
            at: name.range, help: "give the services a label and select by it")
    }

    private mutating func reportCycle(through name: String) {
        var cycle = groups.filter {
            if case .underWay = $0.value.state { true } else { false }
        }.map(\.value.declaration.name)
        cycle.sort { ($0.range.source, $0.range.start) < ($1.range.source, $1.range.start) }
        // Only those on the way back to the name are part of the cycle.
        cycle = cycle.filter { reaches(name, from: $0.text) }
        guard let first = cycle.first(where: { $0.text == name }) ?? cycle.first else { return }
        let others = cycle.filter { $0.text != first.text }
        let message =
            others.isEmpty
            ? "group \(quoted(name)) contains itself"
            : "group \(quoted(name)) contains itself by way of "
                + others.map { quoted($0.text) }.joined(separator: ", ")
        findings.error(
            "group-cycle", message, at: first.range,
            related: others.map { RelatedPlace(range: $0.range, message: "on the way") },
            help: "remove one of the references")
    }

    /// Whether a group's expression leads to another group.
    private func reaches(_ target: String, from start: String) -> Bool {
        var seen: Set<String> = []
        var pending = [start]
        while let name = pending.popLast() {
            guard let group = groups[name], seen.insert(name).inserted else { continue }
            let names = group.declaration.set.names
            if names.contains(target) { return true }
            pending += names
        }
        return false
    }
}

extension SetExpression {
    /// Every bare or qualified name in it.
    var names: [String] {
        var found: [String] = []
        visitNames { found.append($0.text) }
        return found
    }

    func visitNames(_ visit: (Name) -> Void) {
        switch self {
        case .name(let name), .qualified(_, let name, _): visit(name)
        case .labels, .address, .any, .internal, .external: break
        case .and(let a, let b, _), .or(let a, let b, _), .except(let a, let b, _):
            a.visitNames(visit)
            b.visitNames(visit)
        case .inZone(let set, let zone, _):
            set.visitNames(visit)
            visit(zone)
        case .parenthesized(let set, _): set.visitNames(visit)
        }
    }
}
