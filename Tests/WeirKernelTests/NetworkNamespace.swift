// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tests against the kernel run in network namespaces of their own, so that they can neither see
// nor touch the machine's ruleset, and in parallel. Without root they fail and say so.

import CNetfilter
import Glibc
import Testing

/// From <sched.h>, which hides it from Swift.
let cloneNewNet: Int32 = 0x4000_0000

/// Runs a closure with the calling thread in a new, empty network namespace. Sockets that it
/// opens and programs that it runs belong to that namespace, which goes with the last of them.
func inNewNamespace<R>(_ body: () throws -> R) throws -> R {
    let origin = unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
    try #require(origin >= 0, "cannot open this thread's network namespace: errno \(errno)")
    defer { close(origin) }
    try #require(
        unshare(cloneNewNet) == 0,
        "kernel tests need root: unshare(CLONE_NEWNET) failed with errno \(errno)")
    defer { precondition(setns(origin, cloneNewNet) == 0, "cannot leave the namespace") }
    return try body()
}

struct ProgramResult: Equatable {
    var status: Int32
    var output: String
}

/// Runs a program in the calling thread's namespace, with text as its input.
/// - Returns: its exit status and what it wrote to either output.
@discardableResult
func run(_ arguments: [String], input: String = "") throws -> ProgramResult {
    var path = Array("/tmp/weir-kernel-test.XXXXXX".utf8CString)
    let file = unsafe mkstemp(&path)
    try #require(file >= 0)
    defer {
        close(file)
        _ = unsafe unlink(path)
    }
    try writeAll(input, to: file)
    lseek(file, 0, SEEK_SET)
    var ends: [Int32] = [0, 0]
    try #require(unsafe pipe(&ends) == 0)
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, file, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    unsafe posix_spawn_file_actions_addclose(&actions, ends[0])
    unsafe posix_spawn_file_actions_addclose(&actions, ends[1])
    var words = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe words.forEach { unsafe free($0) } }
    var process: pid_t = 0
    let failure = unsafe posix_spawnp(&process, arguments[0], &actions, nil, &words, environ)
    close(ends[1])
    defer { close(ends[0]) }
    try #require(failure == 0, "cannot run \(arguments[0])")
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = unsafe read(ends[0], &buffer, buffer.count)
        if count <= 0 { break }
        output += buffer[..<count]
    }
    var status: Int32 = 0
    unsafe waitpid(process, &status, 0)
    return ProgramResult(
        status: status & 0x7F == 0 ? status >> 8 : 128 + status & 0x7F,
        output: String(decoding: output, as: UTF8.self))
}

private func writeAll(_ text: String, to file: Int32) throws {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = unsafe rest.withUnsafeBytes { unsafe write(file, $0.baseAddress, $0.count) }
        try #require(count > 0)
        rest = rest.dropFirst(count)
    }
}

/// `nft list ruleset`, without the time that elements have left, which no two listings share.
func listing() throws -> String {
    let result = try run(["nft", "list", "ruleset"])
    #expect(result.status == 0, "\(result.output)")
    return result.output.replacing(/\ expires [0-9a-z]+/, with: "")
}
