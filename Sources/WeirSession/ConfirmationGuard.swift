// SPDX-License-Identifier: GPL-3.0-or-later
//
// The process that takes a commit back. It is a new session of its own, so that neither the end of
// a terminal, nor a killed process group reaches it, and holds nothing open but the state
// directory and the kernel. systemd ends a user's processes with the login; where it runs, the
// guard is a transient service of its.

import FoundationEssentials
import Glibc

public enum ConfirmationGuard {
    /// Starts a guard for a commit and returns once it is ready; false where it is not.
    public typealias Start = (_ id: String) -> Bool

    /// The hidden command of the weir binary that runs ``run(_:state:kernel:)``.
    public static let command = "confirm-guard"

    /// Starts a guard as a process of the binary that is running.
    public static func start(_ state: StateDirectory) -> Start {
        { id in
            guard let binary = DurableFile.resolvedIfThere("/proc/self/exe") else { return false }
            let arguments = [binary, command, id, "--state", state.path]
            let isStarted = launch(
                arguments, unit: "weir-confirm-\(id)",
                description: "takes a weir commit back unless it is confirmed")
            return isStarted && waitUntilReady(state, id)
        }
    }

    /// Starts a process that outlives this one, its terminal and its login.
    static func launch(_ arguments: [String], unit: String, description: String) -> Bool {
        if isUnderSystemd {
            let service = [
                "systemd-run", "--quiet", "--collect", "--unit=\(unit)",
                "--description=\(description)",
            ]
            if Subprocess.run(service + arguments)?.succeeded == true { return true }
        }
        return startDetached(arguments)
    }

    /// Waits for the deadline, then takes the commit back. Ends early where it was confirmed.
    public static func run(
        _ id: String, state: StateDirectory, kernel: () -> (any PolicyKernel)?
    ) -> Bool {
        for number in [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE] {
            _ = signal(number, SIG_IGN)
        }
        guard let pending = state.pendingConfirmation(), pending.id == id else { return false }
        // Held for as long as the guard lives: others see by it that it does.
        let lock = unsafe open(state.guardLockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX) == 0, let kernel = kernel() else { return false }
        let name = Array(id.utf8)
        ftruncate(lock, 0)
        _ = unsafe name.withUnsafeBytes { unsafe pwrite(lock, $0.baseAddress, $0.count, 0) }
        while bootTimeMilliseconds() < pending.deadlineMilliseconds {
            let left = pending.deadlineMilliseconds - bootTimeMilliseconds()
            usleep(UInt32(clamping: min(200, max(1, left)) * 1000))
            guard state.pendingConfirmation()?.id == id else { return true }
        }
        while state.pendingConfirmation()?.id == id {
            do throws(WriteFailure) {
                let writer = try PolicyWriter(state, kernel)
                _ = try writer.expire(id)
                return true
            } catch {
                usleep(20_000)
            }
        }
        return true
    }

    /// Whether a guard lives.
    static func isAlive(_ state: StateDirectory) -> Bool {
        let lock = unsafe open(state.guardLockPath, O_RDWR | O_CLOEXEC)
        guard lock >= 0 else { return false }
        defer { close(lock) }
        return flock(lock, LOCK_EX | LOCK_NB) != 0
    }

    private static func waitUntilReady(_ state: StateDirectory, _ id: String) -> Bool {
        for _ in 0..<500 {
            // The guard of an earlier commit can still be about to end.
            let name = (try? DurableFile.read(state.guardLockPath)) ?? nil
            if name == Array(id.utf8), isAlive(state) { return true }
            usleep(10_000)
        }
        return false
    }

    private static var isUnderSystemd: Bool {
        guard geteuid() == 0, unsafe access("/run/systemd/system", F_OK) == 0 else { return false }
        // A service would run in the machine's network namespace.
        let files = FileManager.default
        let own = try? files.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        return own != nil
            && own == (try? files.destinationOfSymbolicLink(atPath: "/proc/1/ns/net"))
    }

    /// A session of its own, with nothing of this process's open; not this process's child for
    /// long, since `sh` goes at once.
    private static func startDetached(_ arguments: [String]) -> Bool {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(
            &actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
            unsafe posix_spawn_file_actions_addopen(
                &actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // POSIX_SPAWN_SETSID, which the Glibc module leaves out.
        unsafe posix_spawnattr_setflags(&attributes, 0x80)
        let shell = ["/bin/sh", "-c", "cd /; \"$@\" &", "weir"] + arguments
        var words = unsafe shell.map { unsafe strdup($0) } + [nil]
        defer { for index in shell.indices { unsafe free(words[index]) } }
        var process: pid_t = 0
        guard unsafe posix_spawn(&process, "/bin/sh", &actions, &attributes, &words, environ) == 0
        else { return false }
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status == 0
    }
}

extension DurableFile {
    /// Where a link leads; nil where nowhere.
    static func resolvedIfThere(_ path: String) -> String? {
        guard let pointer = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(pointer) }
        return unsafe String(cString: pointer)
    }
}
