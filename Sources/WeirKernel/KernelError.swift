// SPDX-License-Identifier: GPL-3.0-or-later
//
// What can go wrong between weir and the kernel. Every errno is interpreted here, and nowhere
// else; each error says which operation failed and which policy it came from.

import CNetfilter
import Glibc

/// A failure of the netlink edge.
public struct KernelError: Error, Sendable, Equatable {
    public enum Reason: Sendable, Equatable {
        /// Corresponds to EPERM: the process lacks CAP_NET_ADMIN in the namespace's user namespace.
        case needsPrivilege
        /// Somebody else committed between reading and writing, or an element expired in between:
        /// nothing was changed; read the table again and plan again.
        case lostRace
        /// Corresponds to ENOBUFS: answers were lost. `committed` says what reading the table back
        /// showed; nil where that failed too.
        case answersLost(committed: Bool?)
        /// The kernel lacks what the operation needs.
        case unsupported
        /// The kernel refused the operation; nothing was changed.
        case refused
        /// An answer that is none.
        case malformed
    }

    public var reason: Reason
    /// The errno that the kernel gave; 0 for ``Reason-swift.enum/malformed``.
    public var code: Int32
    /// What was attempted, in a few words: "add element `0:1 . 2` to set `admit`".
    public var operation: String
    /// The policy that the operation comes from; empty where it belongs to none.
    public var origin: String

    public init(_ reason: Reason, code: Int32, operation: String, origin: String = "") {
        self.reason = reason
        self.code = code
        self.operation = operation
        self.origin = origin
    }

    /// Interprets an errno.
    init(code: Int32, operation: String, origin: String = "") {
        let reason: Reason =
            switch code {
            case EPERM, EACCES: .needsPrivilege
            case ERESTART: .lostRace
            case ENOBUFS: .answersLost(committed: nil)
            case EOPNOTSUPP, EAFNOSUPPORT, EPROTONOSUPPORT: .unsupported
            default: .refused
            }
        self.init(reason, code: code, operation: operation, origin: origin)
    }

    /// One line, lower case, no final period: which policy, what, and why it failed.
    public var message: String {
        let policy = origin.isEmpty ? "" : " for `\(origin)`"
        let failed = "cannot \(operation)\(policy)"
        switch reason {
        case .needsPrivilege: return "\(failed): needs root (CAP_NET_ADMIN)"
        case .lostRace: return "\(failed): the ruleset changed meanwhile; nothing was committed"
        case .answersLost(committed: true?):
            return "\(failed): the kernel's answers were lost, but the commit is in force"
        case .answersLost(committed: false?):
            return "\(failed): the kernel's answers were lost, and nothing was committed"
        case .answersLost(committed: nil):
            return "\(failed): the kernel's answers were lost; whether it committed is unknown"
        case .unsupported: return "\(failed): this kernel does not support it (\(codeText))"
        case .refused: return "\(failed): \(codeText)"
        case .malformed: return "\(failed): the kernel's answer is malformed"
        }
    }

    private var codeText: String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text).lowercased()
    }
}

extension KernelError: CustomStringConvertible {
    public var description: String { message }
}
