// SPDX-License-Identifier: GPL-3.0-or-later
//
// Runs `ip`, `nft` and `weir` as an operator would. A child inherits the network namespace of the
// thread that starts it, so `Namespace.run` is all it takes to run a command inside.

import CLabSystem
import Glibc

/// How a command ended and what it said.
public struct CommandResult: Sendable {
    /// The exit status, or 128 plus the signal that ended it.
    public let status: Int32
    public let output: String
    public let errors: String

    public var succeeded: Bool { status == 0 }
}

/// Runs a command to its end. Input and output go through unlinked files, so neither side can
/// block on a full pipe, whatever the size of a ruleset.
public func runCommand(
    _ arguments: [String], input: String = ""
) throws(LabFailure) -> CommandResult {
    let standardInput = try temporaryFile()
    defer { close(standardInput) }
    let output = try temporaryFile()
    defer { close(output) }
    let errors = try temporaryFile()
    defer { close(errors) }
    try write(input, to: standardInput)
    let process = try spawn(arguments, standard: [standardInput, output, errors])
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0 {
        guard errno == EINTR else { throw LabFailure(systemCall: "waitpid") }
    }
    let signal = status & 0x7F
    return CommandResult(
        status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal,
        output: try contents(of: output), errors: try contents(of: errors))
}

/// Starts a process with the given standard input, output and error, in a session of its own if
/// asked; returns its process identifier.
func spawn(
    _ arguments: [String], standard: [Int32], ownSession: Bool = false
) throws(LabFailure) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (target, descriptor) in standard.enumerated() {
        unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(target))
    }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // The threads that tests run on block signals; a command must not inherit that.
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    // POSIX_SPAWN_SETSID, which the Glibc module leaves out.
    let session: Int16 = ownSession ? 0x80 : 0
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK) | session)
    var pointers = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { for index in arguments.indices { unsafe free(pointers[index]) } }
    var process: pid_t = 0
    let code = unsafe posix_spawnp(
        &process, arguments[0], &actions, &attributes, &pointers, lab_environment())
    guard code == 0 else { throw LabFailure(systemCall: "start `\(arguments[0])`", code) }
    return process
}

private func temporaryFile() throws(LabFailure) -> Int32 {
    var template = Array("/tmp/weir-lab-XXXXXX".utf8CString)
    let descriptor = try checked(unsafe mkostemp(&template, O_CLOEXEC), "mkostemp")
    unsafe unlink(&template)
    return descriptor
}

private func write(_ text: String, to descriptor: Int32) throws(LabFailure) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = unsafe rest.withUnsafeBytes { bytes in
            unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        }
        guard count > 0 else { throw LabFailure(systemCall: "write") }
        rest = rest.dropFirst(count)
    }
    lseek(descriptor, 0, SEEK_SET)
}

private func contents(of descriptor: Int32) throws(LabFailure) -> String {
    let size = Int(lseek(descriptor, 0, SEEK_END))
    lseek(descriptor, 0, SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: size)
    var filled = 0
    while filled < size {
        let start = filled
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe read(descriptor, buffer.baseAddress! + start, size - start)
        }
        guard count > 0 else { throw LabFailure(systemCall: "read") }
        filled += count
    }
    return String(decoding: bytes, as: UTF8.self)
}
