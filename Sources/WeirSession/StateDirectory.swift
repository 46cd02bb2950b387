// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where weir keeps what the kernel cannot: the lock, and revisions for rollback. Each network
// namespace has a directory of its own, so that gateways on one machine do not mix.

import FoundationEssentials
import Glibc

/// `/var/lib/weir`, or below it for a network namespace other than the machine's own.
public struct StateDirectory: Sendable {
    public let path: String

    /// The default of this process: `WEIR_STATE` where set, else `/var/lib/weir`.
    public static func standard() -> StateDirectory {
        if let path = ProcessInfo.processInfo.environment["WEIR_STATE"], !path.isEmpty {
            return StateDirectory(path: path)
        }
        let own = link("/proc/self/ns/net")
        let machine = link("/proc/1/ns/net")
        guard let own, let machine, own != machine else {
            return StateDirectory(path: "/var/lib/weir")
        }
        let inode = own.filter(\.isNumber)
        return StateDirectory(path: "/var/lib/weir/netns-\(inode)")
    }

    public init(path: String) { self.path = path }

    public var lockPath: String { path + "/lock" }

    /// Makes the directory where it is missing.
    public func prepare() throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }

    private static func link(_ path: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    }
}
