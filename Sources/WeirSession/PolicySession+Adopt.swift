// SPDX-License-Identifier: GPL-3.0-or-later
//
// Taking over what somebody changed in the kernel's table by hand, as far as the language can say
// it: as a staged edit of the policy's declaration, or, for standby policies, as what is enabled.
// Each is tried: adopted is only what makes the table right as it is.

import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirRuleset
import WeirSyntax

/// What came of looking for changes by hand.
public struct Adoption: Sendable {
    /// Edits that were staged; \commit makes them permanent.
    public internal(set) var staged: [StagedEdit] = []
    /// A line for each policy that was taken over.
    public internal(set) var taken: [String] = []
    /// A line for each difference that stays one; the next commit puts it right.
    public internal(set) var refused: [String] = []
    /// What was enabled or disabled by hand; part of the next commit.
    public internal(set) var enabled: [EnabledPolicy]?

    /// For an operator.
    public var lines: [String] {
        if isEmpty { return ["nothing was changed by hand"] }
        return taken.map { "adopts \($0)" } + refused.map { "cannot adopt \($0)" }
            + (refused.isEmpty ? [] : ["what cannot be adopted is put right by the next commit"])
    }

    public var isEmpty: Bool { taken.isEmpty && refused.isEmpty }
}

extension PolicySession {
    /// The most policies that are taken over at once; each costs a compilation.
    private static let maximumPolicies = 50

    /// Stages what was changed by hand in the kernel and can be said in the policies.
    public func adoptDrift() throws(SessionFailure) -> Adoption {
        guard let kernel else { throw .noKernel(kernelProblem) }
        guard work.edits.isEmpty else {
            throw Self.refusal(
                "something is staged already", "commit or \\reset it, then adopt")
        }
        let (plan, policySet) = try planOverInForce(kernel)
        guard let table = plan.kernel else {
            throw Self.refusal("there is no table `weir`", "`weir apply` makes it")
        }
        var adoption = Adoption()
        guard !plan.delta.isEmpty else { return adoption }
        // What ended by itself is nobody's change.
        if let entry = RevisionStore(state).latest(contentHash: table.revision.contentHash) {
            let changes: Delta?
            do throws(CommitFailure) {
                changes = try RevisionStore(state).changesByHand(
                    since: entry, state.enabledPolicies(atEpochSeconds: now()), in: kernel,
                    nowEpochSeconds: now())
            } catch {
                throw .write(.commit(error))
            }
            if changes?.isEmpty == true { return adoption }
        }
        let enabled = state.enabledPolicies(atEpochSeconds: now())
        adoptedEnabled = nil
        let drift = TableDrift(
            policySet.enabling(enabled), wanted: plan.program.ruleset, kernel: table,
            delta: plan.delta)
        for (name, changes) in drift.policies.sorted(by: { $0.key < $1.key })
            .prefix(Self.maximumPolicies)
        {
            try adopt(name, changes, policySet, &adoption)
        }
        adoption.refused += drift.others.map {
            "\($0): changed in part, or in a way that no clause says"
        }
        // What belongs to no policy: chains, rules, sets, the classes of addresses.
        // Of these some go with a policy that was taken over, some come of clearing up after one.
        let left = Set(try self.plan().0.delta.ownerless)
        adoption.refused += plan.delta.ownerless.filter(left.contains)
        adoption.enabled = adoptedEnabled
        return adoption
    }

    private static func refusal(_ message: String, _ help: String) -> SessionFailure {
        .write(.refused(StagingError(message, help: help)))
    }

    /// The plan that would put the table right; refuses where the files are something else.
    private func planOverInForce(
        _ kernel: any PolicyKernel
    ) throws(SessionFailure) -> (Plan, PolicySet) {
        let revision: Revision?
        do throws(CommitFailure) { revision = try kernel.revision() } catch {
            throw .write(.commit(error))
        }
        let (plan, policySet) = try self.plan()
        guard revision == nil || revision?.contentHash == work.draft.revisionHash else {
            throw Self.refusal(
                "the files are not what is in force, so a change by hand cannot be told from them",
                "`weir status` says what differs; `weir rollback N` or `weir apply` settles it")
        }
        return (plan, policySet)
    }

    // MARK: One policy

    /// Tries to say one policy's changes; takes back what did not help.
    private func adopt(
        _ name: String, _ changes: [PolicyDrift], _ policySet: PolicySet,
        _ adoption: inout Adoption
    ) throws(SessionFailure) {
        guard let id = policySet.policyIDs.first(where: { policySet.qualifiedName($0) == name })
        else { return }
        let before = adoptedEnabled
        var made: [StagedEdit] = []
        var words: [String] = []
        do throws(StagingError) {
            for change in changes {
                let (text, edits) = try say(change, name, id, policySet)
                words.append(text)
                if !edits.isEmpty { made += try stage(edits) }
            }
            let isOff = changes == [.off]
            let delta: Delta
            do throws(SessionFailure) { delta = try plan().0.delta } catch {
                throw StagingError("the policies have errors then", help: "")
            }
            let isRight =
                isOff ? !delta.adds(policy: name) : !delta.touches(policy: name)
            guard isRight else {
                throw StagingError("no clause says exactly what is in the kernel", help: "")
            }
            adoption.staged += made.suffix(1)
            adoption.taken.append("\(name): " + words.joined(separator: ", "))
        } catch {
            adoptedEnabled = before
            for _ in made { _ = undo() }
            adoption.refused.append("\(name): \(error.message)")
        }
    }

    /// A change in words, and the edits that say it. Standby policies that are enabled or not are
    /// no edits: they go into ``adoptedEnabled``.
    private func say(
        _ change: PolicyDrift, _ name: String, _ id: PolicyID, _ policySet: PolicySet
    ) throws(StagingError) -> (String, [StagedEdit]) {
        let now = self.now()
        let policy = policySet[id]
        let layer = policySet.layers[policy.layer].name
        var enabled = adoptedEnabled ?? state.enabledPolicies(atEpochSeconds: now)
        let own = enabled.first { $0.policy == name }
        func take(until end: Int64?) {
            enabled.removeAll { $0.policy == name }
            enabled.append(
                EnabledPolicy(policy: name, untilEpochSeconds: end, who: operatorName()))
            adoptedEnabled = enabled
        }
        switch change {
        case .off where policy.activation.standby:
            adoptedEnabled = enabled.filter { $0.policy != name }
            return ("disabled by hand", [])
        case .off:
            return ("switched off by hand: `standby`", [try inserting("standby", layer, policy)])
        case .on(let end):
            guard policy.activation.standby, own == nil else {
                throw StagingError("in the kernel although it is over", help: "")
            }
            take(until: end.map { ($0 + 500) / 1000 })
            return ("enabled by hand" + ends(end), [])
        case .ends(let end):
            let seconds = (end + 500) / 1000
            if own?.untilEpochSeconds != nil {
                take(until: seconds)
                return ("another end by hand" + ends(end), [])
            }
            return ("another end by hand" + ends(end), [try ending(seconds, layer, policy)])
        case .cap(_, let number):
            let clause = "cap \(number) connections"
            return ("by hand `\(clause)`", try clauses(clause, layer, policy))
        case .limit(let index, let rate):
            let clause = try Self.clause(policy.limits[index], rate)
            return ("by hand `\(clause)`", try clauses(clause, layer, policy))
        }
    }

    private func ends(_ milliseconds: Int64?) -> String {
        milliseconds.map { ", until \(timestampText(($0 + 500) / 1000))" } ?? ""
    }

    private static func clause(_ limit: Limit, _ rate: RateLimit) throws(StagingError) -> String {
        let intervals: [UInt64: String] = [1: "s", 60: "m", 3600: "h"]
        let sizes: [(UInt64, String)] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")]
        guard let interval = intervals[rate.intervalSeconds], rate.rate > 0 else {
            throw StagingError("a limit per \(rate.intervalSeconds) s has no words", help: "")
        }
        func amount(_ number: UInt64) throws(StagingError) -> String {
            guard limit.unit == .bytes else { return "\(number) \(limit.unit.rawValue)" }
            guard let (size, unit) = sizes.first(where: { number % $0.0 == 0 }) else {
                throw StagingError("\(number) bytes are no number of kB", help: "")
            }
            return "\(number / size) \(unit)"
        }
        var text = "limit \(try amount(rate.rate))/\(interval)"
        if UInt64(rate.burst) != limit.burst || limit.rate.amount != rate.rate {
            // nft's own default is said too: what is in the kernel is to be in the file.
            if let burst = try? amount(UInt64(rate.burst)) { text += " burst \(burst)" }
        }
        return text + " then \(limit.excess.rawValue)"
    }

    // MARK: Edits

    private func clauses(
        _ text: String, _ layer: String, _ policy: Policy
    ) throws(StagingError) -> [StagedEdit] {
        let reader = PromptReader(draft: work.draft, layer: layer, file: nil)
        switch reader.clause(text, layer: layer, policy: policy.name) {
        case .edits(let edits): return edits
        case .failed(let problem): throw problem
        case .open, .wrong: throw StagingError("`\(text)` cannot be said", help: "")
        }
    }

    private func inserting(
        _ word: String, _ layer: String, _ policy: Policy
    ) throws(StagingError) -> StagedEdit {
        try editing(layer, policy) { declaration in
            let place = (declaration.description ?? declaration.name).range
            return TextEdit(
                range: SourceRange(source: place.source, start: place.end, end: place.end),
                replacement: " \(word)")
        }
    }

    private func ending(
        _ epochSeconds: Int64, _ layer: String, _ policy: Policy
    ) throws(StagingError) -> StagedEdit {
        try editing(layer, policy) { declaration in
            let activation = declaration.activations.first {
                if case .until = $0.kind { true } else { false }
            }
            return activation.map {
                TextEdit(range: $0.range, replacement: "until \(timestampText(epochSeconds))")
            }
        }
    }

    private func editing(
        _ layer: String, _ policy: Policy, _ edit: (PolicyDeclaration) -> TextEdit?
    ) throws(StagingError) -> StagedEdit {
        let key = DeclarationName.policy(layer: layer, name: policy.name)
        guard let (file, range) = work.draft.find(key),
            let declaration = file.parsed.policy(layer: layer, policy.name),
            let change = edit(declaration)
        else { throw StagingError("its declaration has no place for that", help: "") }
        let bytes = SyntaxEdits(file.parsed).applying([change])
        let end = range.end + bytes.count - file.bytes.count
        let text = String(decoding: bytes[range.start..<end], as: UTF8.self)
        return StagedEdit(.put(key, text: text, isVerbatim: true))
    }
}

extension Delta {
    /// What it puts right that belongs to no policy, a line each.
    fileprivate var ownerless: [String] {
        var rest = self
        rest.operations = operations.compactMap { operation in
            switch operation.kind {
            case .deleteElements(let elements, let set, let shape):
                let own = elements.filter { !$0.element.comment.contains(".") }
                guard !own.isEmpty, set != Revision.setName else { return nil }
                return Operation(.deleteElements(own, set: set, shape))
            case .addElements(let elements, let set, let shape):
                let own = elements.filter { !$0.element.comment.contains(".") }
                guard !own.isEmpty, set != Revision.setName else { return nil }
                return Operation(.addElements(own, set: set, shape))
            default: return operation.origin.contains(".") ? nil : operation
            }
        }
        return rest.repairs
    }
}
