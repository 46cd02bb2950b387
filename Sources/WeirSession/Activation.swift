// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which standby policies are enabled, and until when. A policy that is enabled for a while is
// compiled like one with `until`: its elements carry the end, and the kernel ends it.

import Glibc
public import WeirModel

/// A standby policy that is enabled.
public struct EnabledPolicy: Codable, Hashable, Sendable {
    /// `layer.policy`
    public var policy: String
    /// Seconds since 1970-01-01; nil: until it is disabled.
    public var untilEpochSeconds: Int64?
    /// Who enabled it.
    public var who: String

    public init(policy: String, untilEpochSeconds: Int64?, who: String) {
        self.policy = policy
        self.untilEpochSeconds = untilEpochSeconds
        self.who = who
    }
}

extension StateDirectory {
    private var enabledPath: String { path + "/enabled.json" }

    /// What is enabled at a time.
    public func enabledPolicies(atEpochSeconds now: Int64) -> [EnabledPolicy] {
        let all = StateDocument.read([EnabledPolicy].self, enabledPath) ?? []
        return all.filter { $0.untilEpochSeconds.map { $0 > now } ?? true }
    }

    func save(enabled: [EnabledPolicy]) throws(FileFailure) {
        try StateDocument.write(enabled.sorted { $0.policy < $1.policy }, enabledPath)
    }
}

extension PolicySet {
    /// The policy set with standby policies in force that are enabled.
    public func enabling(_ enabled: [EnabledPolicy]) -> PolicySet {
        guard !enabled.isEmpty else { return self }
        let ends = Dictionary(
            enabled.map { ($0.policy, $0.untilEpochSeconds) }, uniquingKeysWith: { $1 })
        var result = self
        for id in policyIDs where self[id].activation.standby {
            guard let end = ends[qualifiedName(id)] else { continue }
            result.policies[id.index].activation.standby = false
            if let end {
                result.policies[id.index].activation.until = min(
                    end, self[id].activation.until ?? .max)
            }
        }
        return result
    }

    /// A policy by `layer.policy`, or by its name alone where one layer has it.
    public func policy(named text: String) -> PolicyID? {
        let exact = policyIDs.filter { qualifiedName($0) == text }
        if let id = exact.first { return id }
        let bare = policyIDs.filter { self[$0].name == text }
        return bare.count == 1 ? bare[0] : nil
    }
}

/// Who is operating: the one who called sudo, else the login name, else the user's number.
public func operatorName() -> String {
    for variable in ["SUDO_USER", "LOGNAME", "USER"] {
        if let value = unsafe getenv(variable) {
            let name = unsafe String(cString: value)
            if !name.isEmpty { return name }
        }
    }
    if let entry = unsafe getpwuid(getuid()) {
        return unsafe String(cString: entry.pointee.pw_name)
    }
    return "user \(getuid())"
}
