// SPDX-License-Identifier: GPL-3.0-or-later
//
// Runs another program to its end and takes what it printed: git, and the operator's editor. One
// place that knows about pipes and exit statuses.

import Glibc

/// What a program that ran left behind.
public struct SubprocessResult: Sendable {
    /// The exit status, or 128 plus the signal that ended it.
    public let status: Int32
    public let output: [UInt8]

    public var succeeded: Bool { status == 0 }
    public var text: String { String(decoding: output, as: UTF8.self) }
}

public enum Subprocess {
    /// Where a program's standard error goes.
    public enum ErrorOutput: Sendable {
        case dropped
        /// Into the output.
        case merged
    }

    /// Runs a program found by PATH; nil where it cannot be started.
    /// - Parameters:
    ///   - arguments: the program's name first.
    ///   - input: its standard input; at most what fits into a pipe (64 KiB) is delivered.
    ///   - errors: where its standard error goes.
    public static func run(
        _ arguments: [String], input: [UInt8] = [], errors: ErrorOutput = .dropped
    ) -> SubprocessResult? {
        var output: [Int32] = [-1, -1]
        var stdin: [Int32] = [-1, -1]
        guard unsafe pipe(&output) == 0 else { return nil }
        guard unsafe pipe(&stdin) == 0 else {
            for descriptor in output { close(descriptor) }
            return nil
        }
        for descriptor in output + stdin { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, stdin[0], STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO)
        switch errors {
        case .dropped:
            unsafe posix_spawn_file_actions_addopen(
                &actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        case .merged:
            unsafe posix_spawn_file_actions_adddup2(&actions, output[1], STDERR_FILENO)
        }
        var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { for index in arguments.indices { unsafe free(words[index]) } }
        var process: pid_t = 0
        let code = unsafe posix_spawnp(&process, arguments[0], &actions, nil, &words, environ)
        close(stdin[0])
        close(output[1])
        defer { close(output[0]) }
        if code == 0, !input.isEmpty {
            _ = unsafe input.withUnsafeBytes { unsafe write(stdin[1], $0.baseAddress, $0.count) }
        }
        close(stdin[1])
        guard code == 0 else { return nil }
        let bytes = readAll(output[0])
        var status: Int32 = 0
        while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return SubprocessResult(
            status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: bytes)
    }

    private static func readAll(_ descriptor: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = unsafe read(descriptor, &buffer, buffer.count)
            if count > 0 {
                bytes += buffer.prefix(count)
            } else if count == 0 || errno != EINTR {
                return bytes
            }
        }
    }
}
