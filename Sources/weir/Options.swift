// SPDX-License-Identifier: GPL-3.0-or-later
//
// Arguments that several commands share, and the steps that every command begins with: read the
// policy set, print what is wrong with it, go on only if nothing is.

import ArgumentParser
import FoundationEssentials
import Glibc
import WeirAnalysis
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

struct PolicyPath: ParsableArguments {
    @Argument(
        help: "A directory with *.weir files, or one such file.", completion: .file())
    var path = "."
}

struct JSONFlag: ParsableArguments {
    @Flag(help: "Print JSON for programs.")
    var json = false
}

/// Where weir stands.
struct VantageOption: ParsableArguments {
    enum Kind: String, ExpressibleByArgument, CaseIterable { case gateway, host, bridge }

    @Option(
        help: """
            gateway: police what this machine forwards; host: what it sends and receives itself; \
            bridge: what it forwards, bridged frames included, which the kernel must be told. \
            Without it: as the table in the kernel does, else gateway.
            """)
    var vantage: Kind?

    /// nil where it is not said.
    var onHost: Bool? { vantage.map { $0 == .host } }

    /// Stops where the kernel would let bridged packets past all policies.
    func requireBridgeFilter() throws {
        guard vantage == .bridge, let problem = BridgeFilter.problem() else { return }
        Output.error(problem.message, help: problem.help)
        throw Stop(.unusable)
    }
}

/// Whose connection no commit may cut.
struct OperatorOption: ParsableArguments {
    @Option(
        name: .customLong("operator"),
        help: """
            A connection that must not be cut: a flow such as '192.0.2.7 -> 10.0.0.1 tcp/22', at a \
            host just the address that you come from; may be repeated. `none`: cut what you like. \
            Without it: the SSH connection that this runs over.
            """)
    var flows: [String] = []

    /// - Parameters:
    ///   - policySet: for the names in flows; nil where it could not be read.
    ///   - onHost: whether this host itself is policed; asked only where it matters.
    func channels(
        _ policySet: PolicySet?, onHost: () -> Bool
    ) throws -> [ProtectedChannel] {
        if flows == ["none"] { return [] }
        if flows.isEmpty {
            guard ProcessInfo.processInfo.environment["SSH_CONNECTION"] != nil else { return [] }
            return operatorChannels(onHost: onHost())
        }
        guard let policySet else { return [] }
        return try flows.flatMap { text -> [ProtectedChannel] in
            if let address = IPAddress(text) {
                let here = ownAddresses().filter { $0.family == address.family }
                return here.sorted { $0.description < $1.description }.map { own in
                    ProtectedChannel(
                        .operatorConnection,
                        Flow(
                            source: address, destination: own,
                            port: PortPoint(protocolNumber: IPProtocol.tcp, port: 22)))
                }
            }
            switch parseFlow(text, in: policySet) {
            case .success(let flows):
                return flows.map { ProtectedChannel(.operatorConnection, $0) }
            case .failure(let problem):
                Output.error("--operator: \(problem.message)", help: problem.help)
                throw Stop(.unusable)
            }
        }
    }
}

extension OperatorOption {
    /// For commands that read no files: names in flows are those of the policies in force.
    func channelsInForce() throws -> (_ onHost: Bool) -> [ProtectedChannel] {
        let store = RevisionStore(.standard())
        let known = flows.isEmpty ? nil : store.latest.flatMap { store.policySet(of: $0) }
        let none = PolicySet(landscape: Landscape(services: []), layers: [], policies: [])
        let atHost = try channels(known ?? none) { true }
        let elsewhere = try channels(known ?? none) { false }
        return { onHost in onHost ? atHost : elsewhere }
    }
}

/// Whether the table in force polices this host; false where there is none or it cannot be read.
func isTableOnHost() -> Bool {
    guard let kernel = try? LiveKernel(), let status = try? kernel.status() else { return false }
    return status.table.isOnHost
}

/// The time by which policies are in force now.
func currentState() -> PolicyState { PolicyState(epochSeconds: Int64(time(nil))) }

/// A policy set without errors, and what it was read from.
struct ReadyPolicies {
    let path: String
    let checked: CheckedPolicySet
    let policySet: PolicySet

    var sources: SourceMap { checked.sources }
}

/// Reads a policy set; prints its diagnostics and stops where one is an error.
///
/// - Parameter channels: what no commit may cut, where a commit is meant.
func loadWithoutErrors(
    _ path: String, channels: (PolicySet?) throws -> [ProtectedChannel] = { _ in [] }
) throws -> ReadyPolicies {
    let loaded = PolicySetLoader().load(path)
    let checked = CheckedPolicySet(
        loaded,
        options: AnalysisOptions(
            epochSeconds: currentState().epochSeconds, channels: try channels(loaded.policySet)))
    guard let policySet = checked.policySet, !checked.hasErrors else {
        Output.diagnostics(checked.diagnostics, checked.sources)
        let isLockout = checked.diagnostics.allSatisfy {
            $0.severity < .error || $0.code == FindingCode.lockout.rawValue
        }
        Output.error(
            isLockout
                ? "this would cut your own connection; nothing was applied"
                : "the policy set has errors; nothing was applied",
            help: isLockout ? "`--operator none` goes on all the same" : nil)
        throw Stop(checked.isUnreadable ? .unusable : .refused)
    }
    Output.diagnostics(checked.diagnostics.filter { $0.severity > .note }, checked.sources)
    return ReadyPolicies(path: path, checked: checked, policySet: policySet)
}

func revision(of ready: ReadyPolicies) -> Revision {
    Revision(
        contentHash: contentHash(of: ready.sources, root: ready.path),
        gitCommit: GitRepository.head(containing: ready.path) ?? "")
}

/// "12 policies in 4 layers, 37 endpoints; 1 error, 2 warnings".
func summary(_ diagnostics: [Diagnostic], _ policySet: PolicySet?) -> String {
    func count(_ number: Int, _ what: String) -> String {
        let plural = what.hasSuffix("y") ? what.dropLast() + "ies" : what + "s"
        return "\(number) \(number == 1 ? what : String(plural))"
    }
    var parts: [String] = []
    if let policySet {
        let services = policySet.landscape.services
        parts.append(
            "\(count(policySet.policies.count, "policy")) in "
                + "\(count(policySet.layers.count, "layer")), \(count(services.count, "service"))")
    }
    let findings = [Severity.error, .warning, .note].compactMap { severity -> String? in
        let number = diagnostics.count { $0.severity == severity }
        return number == 0 ? nil : count(number, severity.rawValue)
    }
    parts.append(findings.isEmpty ? "no findings" : findings.joined(separator: ", "))
    return parts.joined(separator: "; ")
}
