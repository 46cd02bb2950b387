// SPDX-License-Identifier: GPL-3.0-or-later
//
// Removes the namespaces of a process that ended, even by SIGKILL: a shell waits at the other end
// of a pipe that closes with us. What a machine's crash left behind goes at the next start.

import CLabSystem
import Glibc
import Synchronization

private let namespaceCount = Atomic<Int>(0)

/// `weir-<pid>-<n>`, unique in this process.
func nextNamespaceName() -> String {
    let number = namespaceCount.wrappingAdd(1, ordering: .relaxed).oldValue
    return "weir-\(getpid())-\(number)"
}

/// Starts the waiting shell and removes leftovers, once a process.
func startNamespaceReaper() { _ = reaperPipe }

/// The write end, held open until the process ends.
private let reaperPipe: Int32 = {
    removeLeftoverNamespaces()
    var ends: [Int32] = [-1, -1]
    // No child may hold the write end, or the pipe would outlive us.
    guard unsafe pipe2(&ends, O_CLOEXEC) == 0 else { return -1 }
    let null = unsafe open("/dev/null", O_RDWR | O_CLOEXEC)
    let script = """
        trap '' HUP INT TERM; while read -r line; do :; done
        for n in /run/netns/weir-\(getpid())-*; do [ -e "$n" ] && ip netns del "${n##*/}"; done
        """
    _ = try? spawn(["/bin/sh", "-c", script], standard: [ends[0], null, null], ownSession: true)
    close(ends[0])
    close(null)
    return ends[1]
}()

/// Removes `weir-<pid>-*` whose process is no more.
private func removeLeftoverNamespaces() {
    guard let listing = try? runCommand(["ip", "netns", "list"]) else { return }
    for line in listing.output.split(separator: "\n") {
        let name = line.prefix { $0 != " " }
        let parts = name.split(separator: "-")
        guard parts.count == 3, parts[0] == "weir", Int(parts[2]) != nil,
            let process = pid_t(parts[1]), kill(process, 0) != 0, errno == ESRCH
        else { continue }
        _ = try? runCommand(["ip", "netns", "del", String(name)])
    }
}
