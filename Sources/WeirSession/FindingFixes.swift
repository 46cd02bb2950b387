// SPDX-License-Identifier: GPL-3.0-or-later
//
// From a finding to edits of the files that mend it. A fix is automatic, so that `check --fix`
// makes it without asking, where it is the only one and what is enforced stays the same: the one
// that declares what is so already, or removes what has no effect.

import WeirAnalysis
import WeirDiagnostics
import WeirModel
import WeirResolve
import WeirSyntax

/// The fixes of one policy set as it was read.
struct FindingFixes {
    let policySet: PolicySet
    private let files: [SourceID: ParsedFile]
    private let triggered: Set<PolicyID>
    private let names: ServiceNames

    init(_ loaded: LoadedPolicySet, _ policySet: PolicySet) {
        self.policySet = policySet
        names = ServiceNames(policySet.landscape)
        files = Dictionary(loaded.files.map { ($0.file.source, $0) }) { first, _ in first }
        triggered = Set(policySet.triggers.flatMap { [$0.policy, $0.enables] })
    }

    /// A finding in words, with what mends it.
    func diagnostic(_ finding: Finding) -> Diagnostic {
        finding.diagnostic(in: policySet, names: names).with(fixIts: fixes(of: finding))
    }

    /// A finding of an earlier pass with what mends it.
    func mending(_ diagnostic: Diagnostic) -> Diagnostic {
        guard diagnostic.code == "unused-name", let fix = diagnostic.range.flatMap(unused) else {
            return diagnostic
        }
        return diagnostic.with(fixIts: [fix])
    }

    /// Each of these alone mends the finding.
    private func fixes(of finding: Finding) -> [FixIt] {
        guard finding.certainty != .undecided else { return [] }
        return switch finding.code {
        case .ambiguousDecision: disagreement(finding)
        case .overrideCycle: loop(finding)
        case .deadConstraint: dead(finding)
        case .brokenReservation: reservation(finding)
        case .overcommittedCapacity: capacity(finding)
        default: intended(finding)
        }
    }

    func place(_ id: PolicyID) -> PolicyPlace? {
        let origin = policySet[id].origin
        return PolicyPlace(origin, in: origin.flatMap { files[$0.source] })
    }

    func name(_ id: PolicyID) -> String { policySet.qualifiedName(id) }

    // MARK: Deciding

    private func intended(_ finding: Finding) -> [FixIt] {
        let fix: FixIt? =
            switch finding.fix {
            // That it is meant is for its author to say, though nothing enforced would change.
            case .addOverriding(let policy, let other):
                add(overriding: other, to: policy)?.asked
            case .removeOverriding(let policy, let other):
                remove(overriding: other, from: policy)
            // What decides above it may be the mistake, and the policy the standing rule.
            case .removePolicy(let policy) where finding.code == .shadowedPolicy:
                remove(policy)?.asked
            case .removePolicy(let policy): remove(policy)
            case .removePart(let policy, let part): remove([part], of: policy)
            case nil: nil
            }
        return [fix].compactMap { $0 }
    }

    /// Either of the two may give way, the narrower one first to go on.
    private func disagreement(_ finding: Finding) -> [FixIt] {
        guard finding.policies.count == 2 else { return [] }
        var (first, second) = (finding.policies[0].policy, finding.policies[1].policy)
        if case .addOverriding(let policy, let other)? = finding.fix {
            (first, second) = (policy, other)
        }
        return [(first, second), (second, first)].compactMap { policy, other in
            overrides(other, policy)
                ? nil : add(overriding: other, to: policy)?.asked
        }
    }

    /// Whether a policy overrides another, perhaps by way of others.
    private func overrides(_ policy: PolicyID, _ other: PolicyID) -> Bool {
        var known: Set<PolicyID> = [policy]
        var next = [policy]
        while let id = next.popLast() {
            if id == other { return true }
            for target in policySet[id].overriding where known.insert(target.policy).inserted {
                next.append(target.policy)
            }
        }
        return false
    }

    /// Of two that override each other, either may stop.
    private func loop(_ finding: Finding) -> [FixIt] {
        let ids = finding.policies.map(\.policy)
        guard ids.count == 2 else { return intended(finding) }
        return [(ids[0], ids[1]), (ids[1], ids[0])].compactMap {
            remove(overriding: $1, from: $0)?.asked
        }
    }

    private func add(overriding other: PolicyID, to policy: PolicyID) -> FixIt? {
        guard let place = place(policy) else { return nil }
        let isNear =
            policySet[policy].layer == policySet[other].layer
            && policySet.policies.count { $0.name == policySet[other].name } == 1
        let target = policySet[other]
        let layer = isNear ? "" : spelling(of: policySet.layers[target.layer].name) + "."
        let reference = layer + spelling(of: target.name)
        let edit: TextEdit
        if let last = place.overriding.compactMap(\.overriding.last).last {
            edit = place.inserting(", \(reference)", at: last.range.end)
        } else if let decision = place.overriding.first {
            edit = place.inserting(" overriding \(reference)", at: decision.range.end)
        } else if case .instance = place.policy.body {
            let head = place.policy
            let parts = [head.name.range, head.description?.range].compactMap { $0 }
            let end = (parts + head.activations.map(\.range)).map(\.end).max()
            edit = place.inserting(" overriding \(reference)", at: end ?? head.name.range.end)
        } else {
            return nil
        }
        return FixIt(
            message: "add \(quoted("overriding \(reference)")) to \(quoted(name(policy)))",
            edits: [place.joined([edit])], isAutomatic: true)
    }

    private func removal(of other: PolicyID, from policy: PolicyID) -> TextEdit? {
        guard let place = place(policy),
            let origin = policySet[policy].overriding.first(where: { $0.policy == other })?.origin
        else { return nil }
        return place.removing(reference: origin).map { place.joined([$0]) }
    }

    private func remove(overriding other: PolicyID, from policy: PolicyID) -> FixIt? {
        removal(of: other, from: policy).map { edit in
            FixIt(
                message: "remove \(quoted("overriding \(name(other))")) from "
                    + quoted(name(policy)), edits: [edit], isAutomatic: true)
        }
    }

    /// Removes a policy and what others say of it.
    private func remove(_ policy: PolicyID) -> FixIt? {
        guard let place = place(policy), !triggered.contains(policy) else { return nil }
        var edits = [place.removal()]
        for other in policySet.policyIDs where other != policy {
            guard policySet[other].overriding.contains(where: { $0.policy == policy }) else {
                continue
            }
            guard let edit = removal(of: policy, from: other) else { return nil }
            edits.append(edit)
        }
        return FixIt(
            message: "remove \(quoted(name(policy)))", edits: edits,
            // Whom it overrides would speak again.
            isAutomatic: policySet[policy].overriding.isEmpty)
    }

    // MARK: Constraints

    private func dead(_ finding: Finding) -> [FixIt] {
        guard let policy = finding.policies.first?.policy else { return [] }
        let parts = finding.policies.filter { $0.role == .subject }.compactMap(\.part)
        return [remove(parts, of: policy)].compactMap { $0 }
    }

    /// Removes caps and limits; the policy too where nothing is left of it.
    private func remove(_ parts: [Finding.Part], of id: PolicyID) -> FixIt? {
        let policy = policySet[id]
        guard let place = place(id), !parts.isEmpty, !triggered.contains(id) else { return nil }
        var ranges: [SourceRange] = []
        // Whoever is promised places loses the promise with the cap.
        var breaksPromise = false
        for part in parts {
            let origin: SourceRange?
            switch part {
            case .cap(let index):
                origin = policy.caps[index].origin
                if !policy.caps[index].reservations.isEmpty { breaksPromise = true }
            case .limit(let index): origin = policy.limits[index].origin
            default: return nil
            }
            guard let origin, place.clauses.contains(where: { $0.range == origin }) else {
                return nil
            }
            ranges.append(origin)
        }
        let isNothingLeft =
            policy.decision == nil && policy.effects.isEmpty
            && parts.count == policy.caps.count + policy.limits.count
        if isNothingLeft {
            return remove(id).map { breaksPromise ? $0.asked : $0 }
        }
        let words = ranges.map { quoted(place.source.text(in: $0.bytes)) }
        return FixIt(
            message: "remove \(words.joined(separator: " and ")) from \(quoted(name(id)))",
            edits: [place.joined(ranges.map(place.removing(clause:)))],
            isAutomatic: !breaksPromise)
    }

    // MARK: Names

    /// Removes a declaration that nobody uses, given the place of its name.
    private func unused(_ range: SourceRange) -> FixIt? {
        guard let file = files[range.source] else { return nil }
        for declaration in file.file.declarations {
            let (kind, name, whole): (String, Name, SourceRange)
            switch declaration {
            case .group(let item): (kind, name, whole) = ("group", item.name, item.range)
            case .port(let item): (kind, name, whole) = ("port", item.name, item.range)
            case .pattern(let item): (kind, name, whole) = ("pattern", item.name, item.range)
            default: continue
            }
            guard name.range == range else { continue }
            return FixIt(
                message: "remove \(kind) \(quoted(name.text))",
                edits: [SyntaxEdits(file).removingTidily(whole)], isAutomatic: true)
        }
        return nil
    }
}

extension FixIt {
    /// The same, for a person to choose.
    var asked: FixIt { FixIt(message: message, edits: edits) }
}
