// SPDX-License-Identifier: GPL-3.0-or-later
//
// A resolution that can be gone on from. At the prompt one file changes at a time, most often one
// that holds nothing but policies; all other policies then mean what they meant. What comes out is
// what resolving everything gives; a property test holds one against the other.

public import WeirDiagnostics
public import WeirModel
public import WeirSyntax

/// A resolved policy set, with what it takes to resolve the next one from it.
public struct Resolution: Sendable {
    public let policySet: PolicySet
    /// In the order of the files.
    public let diagnostics: [Diagnostic]

    private let files: [PolicyFile]
    private let resolver: Resolver
    /// Found about layers, groups, ports and patterns, and what these refer to.
    private let groundFindings: [Diagnostic]
    private let groundUses: Set<Resolver.Use>
    /// Of each policy.
    private let parts: [Part]
    /// Something was cut off by a bound, so that what is said of one policy depends on others.
    private let isBounded: Bool

    /// What a policy brought besides itself.
    private struct Part: Sendable {
        let findings: [Diagnostic]
        let uses: Set<Resolver.Use>
        let refersToPolicies: Bool
    }

    /// Resolves all files; see ``resolve(files:landscape:sources:damagedNames:library:)``.
    public init(
        files: [PolicyFile], landscape: Landscape, sources: SourceMap,
        damagedNames: Set<String> = [], library: PolicyFile? = nil
    ) {
        var resolver = Resolver(
            landscape: landscape, sources: sources, damagedNames: damagedNames)
        resolver.collect(files)
        resolver.collectLibrary(library)
        resolver.resolvePortDeclarations()
        resolver.resolveGroups()
        resolver.checkPatterns()
        self.init(
            files, resolver, ground: resolver.findings.takeAdded(), uses: resolver.uses,
            kept: [], of: nil)
    }

    /// Resolves what changed since an earlier resolution.
    ///
    /// - Returns: nil where it takes a whole resolution: more changed than policies, or something
    ///   is wrong with names.
    public init?(
        from earlier: Resolution, files: [PolicyFile], landscape: Landscape, sources: SourceMap,
        damagedNames: Set<String>
    ) {
        guard !earlier.isBounded, !earlier.diagnostics.hasErrors, damagedNames.isEmpty,
            earlier.resolver.damagedNames.isEmpty,
            landscape == earlier.resolver.landscape,
            let changed = Self.changedSources(earlier, files, sources)
        else { return nil }
        var resolver = earlier.resolver
        resolver.sources = sources
        var places: [(draft: Resolver.Draft, old: Int?)] = []
        for (index, draft) in resolver.drafts.enumerated()
        where !changed.contains(draft.declaration.range.source) {
            places.append((draft, index))
        }
        guard let new = Self.drafts(of: files, in: changed, resolver) else { return nil }
        for draft in new {
            let place = places.partitioningIndex {
                ($0.draft.layer, $0.draft.name) >= (draft.layer, draft.name)
            }
            if place < places.count, places[place].draft.layer == draft.layer,
                places[place].draft.name == draft.name
            {
                return nil
            }
            places.insert((draft, nil), at: place)
        }
        resolver.drafts = places.map(\.draft)
        resolver.namedPolicies = nil
        let kept = places.map { place in
            place.old.flatMap { earlier.parts[$0].refersToPolicies ? nil : $0 }
        }
        self.init(
            files, resolver, ground: earlier.groundFindings, uses: earlier.groundUses,
            kept: kept, of: earlier)
        if isBounded { return nil }
    }

    /// - Parameter kept: for each policy its number in an earlier resolution that it is to be
    ///   taken over from; nil, or nothing at all, where it is to be resolved.
    private init(
        _ files: [PolicyFile], _ resolver: consuming Resolver, ground: [Diagnostic],
        uses: Set<Resolver.Use>, kept: [Int?], of earlier: Resolution?
    ) {
        self.files = files
        groundFindings = ground
        groundUses = uses
        resolver.findings = ResolveFindings(suggestions: resolver.findings.suggestions)
        for finding in ground { resolver.findings.add(finding) }
        var policies: [Policy] = []
        var parts: [Part] = []
        var allUses = uses
        policies.reserveCapacity(resolver.drafts.count)
        parts.reserveCapacity(resolver.drafts.count)
        for index in resolver.drafts.indices {
            if let earlier, let old = kept[index] {
                for finding in earlier.parts[old].findings { resolver.findings.add(finding) }
                policies.append(earlier.policySet.policies[old])
                parts.append(earlier.parts[old])
            } else {
                _ = resolver.findings.takeAdded()
                resolver.uses = []
                policies.append(resolver.policy(at: index))
                parts.append(
                    Part(
                        findings: resolver.findings.takeAdded(), uses: resolver.uses,
                        refersToPolicies: resolver.drafts[index].declaration.refersToPolicies))
            }
            if let last = parts.last, !last.uses.isEmpty { allUses.formUnion(last.uses) }
        }
        self.parts = parts
        resolver.uses = allUses
        let assertions = resolver.assertionDeclarations.map { resolver.assertion($0) }
        let triggers = resolver.triggerDeclarations.compactMap { resolver.trigger($0, policies) }
        resolver.reportUnused()
        policySet = PolicySet(
            landscape: resolver.landscape, layers: resolver.layers, policies: policies,
            assertions: assertions, triggers: triggers)
        diagnostics = resolver.findings.finish()
        isBounded = resolver.findings.isBounded
        self.resolver = resolver
    }

    /// The sources of files that are not as they were; nil where one declares more than policies.
    private static func changedSources(
        _ earlier: Resolution, _ files: [PolicyFile], _ sources: SourceMap
    ) -> Set<SourceID>? {
        let old = Dictionary(
            earlier.files.map { ($0.source, $0) }, uniquingKeysWith: { a, _ in a })
        var gone = Set(old.keys)
        var changed: Set<SourceID> = []
        for file in files {
            gone.remove(file.source)
            guard let before = old[file.source] else {
                guard file.holdsOnlyPolicies else { return nil }
                changed.insert(file.source)
                continue
            }
            let text = earlier.resolver.sources[file.source]
            if text.name == sources[file.source].name, text.bytes == sources[file.source].bytes {
                continue
            }
            guard file.holdsOnlyPolicies, before.holdsOnlyPolicies else { return nil }
            changed.insert(file.source)
        }
        guard gone.allSatisfy({ old[$0]?.holdsOnlyPolicies ?? true }) else { return nil }
        return changed.union(gone)
    }

    /// The policies of some files, in order; nil where one cannot simply be put beside the others.
    private static func drafts(
        of files: [PolicyFile], in changed: Set<SourceID>, _ resolver: Resolver
    ) -> [Resolver.Draft]? {
        var found: [Resolver.Draft] = []
        for file in files where changed.contains(file.source) {
            for case .layer(let block) in file.declarations {
                guard let layer = resolver.layerIndex[block.name.text] else { return nil }
                for policy in block.policies {
                    let length = policy.name.text.utf8.count + block.name.text.utf8.count + 1
                    guard length <= Resolver.qualifiedNameLimit else { return nil }
                    found.append(Resolver.Draft(layer: layer, declaration: policy))
                }
            }
        }
        return found
    }
}

extension PolicyFile {
    fileprivate var holdsOnlyPolicies: Bool {
        declarations.allSatisfy { if case .layer = $0 { true } else { false } }
    }
}

extension PolicyDeclaration {
    /// Whether it names other policies: their numbers change when one is added. A pattern's
    /// clauses may.
    fileprivate var refersToPolicies: Bool {
        switch body {
        case .instance: true
        case .clauses(let clauses):
            clauses.contains {
                if case .decision(let decision) = $0 { !decision.overriding.isEmpty } else { false }
            }
        }
    }
}

extension Array {
    /// The first index whose element passes a test that all elements after it pass too.
    fileprivate func partitioningIndex(where passes: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if passes(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
