// SPDX-License-Identifier: GPL-3.0-or-later
//
// The process that gives places back. A cap that changed counts the connections that existed by
// their shadows; when such a connection ends, somebody has to delete its shadow. The commit starts
// this process, which lives until no shadow is left; any later command starts it again if it is
// gone. Until then places of closed connections stay taken: it never admits too many.

import Glibc
import WeirKernel

public enum CapSettler {
    /// The hidden command of the weir binary that runs ``run(_:)``.
    public static let command = "settle-caps"

    /// Starts the settler, unless one lives or this process is not weir.
    /// - Returns: whether one was started.
    @discardableResult
    public static func start(_ state: StateDirectory) -> Bool {
        guard !isAlive(state), let binary = DurableFile.resolvedIfThere("/proc/self/exe"),
            binary.split(separator: "/").last == "weir"
        else { return false }
        return ConfirmationGuard.launch(
            [binary, command, "--state", state.path], unit: "weir-settle-\(getpid())",
            description: "gives back the places of connections that weir counted by a shadow")
    }

    /// Whether a settler lives.
    public static func isAlive(_ state: StateDirectory) -> Bool {
        let lock = unsafe open(state.settlerLockPath, O_RDWR | O_CLOEXEC)
        guard lock >= 0 else { return false }
        defer { close(lock) }
        return flock(lock, LOCK_EX | LOCK_NB) != 0
    }

    /// Deletes shadows of connections that are gone, until none is left.
    public static func run(_ state: StateDirectory) -> Bool {
        for number in [SIGHUP, SIGINT, SIGQUIT, SIGPIPE] { _ = signal(number, SIG_IGN) }
        do throws(KernelError) {
            var committer = try Committer.open()
            // Once more without the lock: who starts a settler looks at the lock only.
            while try committer.shadowCount() > 0 {
                let lock = unsafe open(state.settlerLockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
                guard lock >= 0 else { return false }
                defer { close(lock) }
                guard flock(lock, LOCK_EX | LOCK_NB) == 0 else { return true }
                ftruncate(lock, 0)
                // For whoever looks for it.
                let process = Array("\(getpid())".utf8)
                _ = unsafe pwrite(lock, process, process.count, 0)
                try settleAll(&committer)
            }
            return true
        } catch {
            return false
        }
    }

    /// Looks every 200 ms, less often where looking takes long.
    private static func settleAll(_ committer: inout Committer) throws(KernelError) {
        while true {
            let start = bootTimeMilliseconds()
            let left: Int
            do throws(KernelError) {
                left = try committer.settle()
            } catch {
                // A dump that was interrupted, or lost for want of room: look again.
                guard [EINTR, ENOBUFS].contains(error.code) else { throw error }
                usleep(50_000)
                continue
            }
            guard left > 0 else { return }
            let took = bootTimeMilliseconds() - start
            usleep(UInt32(clamping: min(2000, max(200, 8 * took)) * 1000))
        }
    }
}

extension PolicyWriter {
    /// Starts a settler where shadows are left and nobody looks after them.
    /// - Returns: a line for the operator if so.
    public func resumeSettling() -> String? {
        guard !CapSettler.isAlive(state) else { return nil }
        let count = kernel.shadowCount()
        guard count > 0, CapSettler.start(state) else { return nil }
        return "nobody gave back the places of \(count) earlier connections that changed caps "
            + "count; resumed"
    }
}

extension StateDirectory {
    var settlerLockPath: String { path + "/settle.lock" }
}
