// SPDX-License-Identifier: GPL-3.0-or-later
//
// From what the files say to what they mean: names become services, zones, sets and numbers,
// patterns are expanded, amounts that follow the landscape are computed. What this pass lets
// through has a meaning; whether that meaning is wanted is for the analysis.

public import WeirDiagnostics
public import WeirModel
public import WeirSyntax

/// Resolves all files of a policy set against one landscape.
///
/// The order of files and of declarations has no influence on the policy set: policies come out
/// sorted by layer, then by name. Every part carries the range it was declared at; a policy that
/// is an instance of a pattern has its own head as origin, its parts have the pattern's clauses
/// or, where the pattern is the library's, the instance.
///
/// - Parameters:
///   - sources: the texts behind the files, for quoting amounts (`Cap.relativeTo`).
///   - damagedNames: names of declarations that did not parse (``ParsedFile/damagedNames``).
///     Referring to them is no further error, and a policy so named may lack parts.
///   - library: patterns for instances that `files` have no pattern for. What it declares besides
///     is ignored; findings about an instance of its patterns stand at the instance.
/// - Returns: what could be resolved, and the findings in the order of the files. The policy set
///   is to be used only if no finding is an error.
public func resolve(
    files: [PolicyFile], landscape: Landscape, sources: SourceMap,
    damagedNames: Set<String> = [], library: PolicyFile? = nil
) -> (PolicySet, [Diagnostic]) {
    let resolution = Resolution(
        files: files, landscape: landscape, sources: sources, damagedNames: damagedNames,
        library: library)
    return (resolution.policySet, resolution.diagnostics)
}

/// The state of one resolution: every declaration by its name, and what was found.
struct Resolver: Sendable {
    struct Group {
        enum State {
            case untouched
            case underWay
            /// nil where it could not be resolved.
            case done(ResolvedSet?)
        }
        let declaration: GroupDeclaration
        var state = State.untouched
    }

    struct DeclaredPort {
        enum State {
            case untouched
            case underWay
            case done(PortSet?)
        }
        let declaration: PortDeclaration
        var state = State.untouched
    }

    struct Pattern {
        let declaration: PatternDeclaration
        /// Of weir's own library: nobody has to use it, and nobody can mend it.
        var isLibrary = false
    }

    /// A name that something refers to.
    enum Use: Hashable {
        case group(String)
        case port(String)
        case pattern(String)
    }

    /// A policy before its clauses are looked at. Shared between resolutions.
    final class Draft: Sendable {
        let layer: Int
        let name: String
        let declaration: PolicyDeclaration

        init(layer: Int, declaration: PolicyDeclaration) {
            self.layer = layer
            name = declaration.name.text
            self.declaration = declaration
        }

        /// `policy NAME`.
        var head: SourceRange {
            SourceRange(
                source: declaration.range.source, start: declaration.range.start,
                end: max(declaration.range.start, declaration.name.range.end))
        }
    }

    /// The instance of a pattern that is being expanded.
    struct Scope {
        let pattern: PatternDeclaration
        let arguments: [String: (argument: PatternInstance.Argument, range: SourceRange)]
    }

    let landscape: Landscape
    var sources: SourceMap
    var damagedNames: Set<String>
    let services: [String: Int]
    let zones: [String: Int]
    var findings = ResolveFindings()

    var layers: [Layer] = []
    var layerIndex: [String: Int] = [:]
    var groups: [String: Group] = [:]
    var ports: [String: DeclaredPort] = [:]
    var patterns: [String: Pattern] = [:]
    /// Sorted by layer and name; a policy's number is its index here.
    var drafts: [Draft] = []
    /// Policies by their name alone; made when somebody refers to one so.
    var namedPolicies: [String: [PolicyID]]?
    /// What has been referred to since it was last emptied.
    var uses: Set<Use> = []
    var assertionDeclarations: [AssertionDeclaration] = []
    var triggerDeclarations: [TriggerDeclaration] = []

    var scope: Scope?
    /// Depth of groups that lead to each other, against endless recursion.
    var groupDepth = 0
    var extents: ExtentTable
    /// Services by the names of their ports.
    let servicesByPort: [String: [Int]]
    var portNameMemo: [PortNameQuery: [DestinationPorts]] = [:]

    init(landscape: Landscape, sources: SourceMap, damagedNames: Set<String>) {
        self.landscape = landscape
        self.sources = sources
        self.damagedNames = damagedNames
        services = Dictionary(
            landscape.services.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { a, _ in a })
        zones = Dictionary(
            landscape.zones.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { a, _ in a })
        extents = ExtentTable(landscape)
        var byPort: [String: [Int]] = [:]
        for (index, service) in landscape.services.enumerated() {
            for name in service.ports.keys { byPort[name, default: []].append(index) }
        }
        servicesByPort = byPort
    }
}
