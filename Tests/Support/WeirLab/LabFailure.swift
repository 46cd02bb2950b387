// SPDX-License-Identifier: GPL-3.0-or-later
//
// Why the lab could not be built. A lab that fails is a failed test, never a skipped one: what may
// be skipped (no root, no `ip`, no `nft`) is asked before, in `labObstacle`.

import Glibc

/// What went wrong while the lab made namespaces or sockets, in words.
public struct LabFailure: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }

    /// A failed system call, with the text of `errno`.
    init(systemCall: String, _ code: Int32 = errno) {
        let text = unsafe String(cString: strerror(code))
        self.init("\(systemCall): \(text)")
    }
}

/// Interprets the `-1` of a system call.
@discardableResult
func checked(_ result: Int32, _ systemCall: @autoclosure () -> String) throws(LabFailure) -> Int32 {
    guard result >= 0 else { throw LabFailure(systemCall: systemCall()) }
    return result
}

/// Why the lab cannot run on this machine; nil where it can. Pure but for reading the machine.
public let labObstacle: String? = {
    guard geteuid() == 0 else { return "not root: the lab makes network namespaces" }
    for tool in ["ip", "nft"] where !commandExists(tool) {
        return "no `\(tool)` on the path: install iproute2 and nftables"
    }
    return nil
}()

/// For `.enabled(if:)` of a test: false, said loudly on standard error, where the lab cannot run.
public let labCanRun: Bool = {
    guard let labObstacle else { return true }
    let message = "weir lab: tests with real connections DO NOT RUN: \(labObstacle)\n"
    _ = unsafe write(STDERR_FILENO, message, message.utf8.count)
    return false
}()

private func commandExists(_ name: String) -> Bool {
    let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? ""
    return (path.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin"]).contains {
        unsafe access("\($0)/\(name)", X_OK) == 0
    }
}
