// SPDX-License-Identifier: GPL-3.0-or-later
//
// A network namespace that belongs to one process and does not outlive it, however that process
// ends. Everything the lab does to a network happens inside one; the machine's own is never
// touched.

import CLabSystem
import Glibc
import Synchronization
public import WeirModel

/// A named network namespace (`ip netns`), `weir-<pid>-<n>` where the lab made it.
public final class Namespace: Sendable {
    /// As `ip netns exec` takes it.
    public let name: String
    private let descriptor: Int32
    private let isOwned: Bool
    private let isClosed = Atomic<Bool>(false)

    /// Makes a namespace with loopback up and IPv6 addresses usable at once (no duplicate address
    /// detection). It vanishes with `close`, with the last reference, or with the process.
    public convenience init() throws(LabFailure) {
        startNamespaceReaper()
        let name = nextNamespaceName()
        let made = try runCommand(["ip", "netns", "add", name])
        guard made.succeeded else { throw LabFailure("ip netns add \(name): \(made.errors)") }
        try self.init(name: name, isOwned: true)
        try set([
            "net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0",
            "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0",
            // Every reject is to be seen: no limit on the ICMP errors that carry it.
            "net/ipv4/icmp_ratemask": "0", "net/ipv6/icmp/ratelimit": "0",
        ])
        try ip("link set lo up")
    }

    /// A namespace that somebody else made and removes.
    public convenience init(existing name: String) throws(LabFailure) {
        try self.init(name: name, isOwned: false)
    }

    private init(name: String, isOwned: Bool) throws(LabFailure) {
        self.name = name
        self.isOwned = isOwned
        let path = "/run/netns/\(name)"
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LabFailure(systemCall: "open \(path)") }
    }

    deinit { close() }

    /// Removes the namespace if the lab made it. Sockets in it live on until they are closed.
    public func close() {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        Glibc.close(descriptor)
        if isOwned { _ = try? runCommand(["ip", "netns", "del", name]) }
    }

    /// Runs the closure on a thread of its own inside the namespace and waits for it. Sockets
    /// opened there stay there, whichever thread uses them later; so do child processes.
    public func run<Value, Failure: Error>(
        _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        var result: Result<Value, Failure>?
        func step() {
            do throws(Failure) { result = .success(try body()) } catch { result = .failure(error) }
        }
        withoutActuallyEscaping(step) { escapable in
            let thread = start(escapable)
            _ = pthread_join(thread, nil)
        }
        return try result!.get()
    }

    /// Starts a thread inside the namespace; the caller joins or detaches it.
    func start(_ body: @escaping () -> Void) -> pthread_t {
        precondition(!isClosed.load(ordering: .relaxed), "namespace `\(name)` is closed")
        let start = unsafe Unmanaged.passRetained(ThreadStart(descriptor: descriptor, body: body))
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, nil,
            { argument in
                let start = unsafe Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
                // Going on in the machine's own namespace would be worse than stopping.
                precondition(lab_enter_network_namespace(start.descriptor) == 0, "setns failed")
                start.body()
                return nil
            }, start.toOpaque())
        precondition(code == 0, "no thread to be had")
        return thread
    }

    /// Runs a command inside the namespace.
    public func command(
        _ arguments: [String], input: String = ""
    ) throws(LabFailure) -> CommandResult {
        try run { () throws(LabFailure) in try runCommand(arguments, input: input) }
    }

    /// Loads a ruleset text with `nft -f`.
    public func loadRuleset(_ text: String) throws(LabFailure) {
        let loaded = try command(["nft", "-f", "-"], input: text)
        guard loaded.succeeded else { throw LabFailure("nft: \(loaded.errors)") }
    }

    /// Runs lines of `ip -batch` inside the namespace; with a family where the lines do not
    /// show it.
    public func ip(_ lines: String, family: AddressFamily? = nil) throws(LabFailure) {
        let option = family.map { [$0 == .v4 ? "-4" : "-6"] } ?? []
        let done = try command(["ip"] + option + ["-batch", "-"], input: lines + "\n")
        guard done.succeeded else { throw LabFailure("ip in \(name): \(done.errors)") }
    }

    /// Sets kernel parameters of the namespace: path below `/proc/sys` to value.
    public func set(_ parameters: [String: String]) throws(LabFailure) {
        try run { () throws(LabFailure) in
            for (path, value) in parameters {
                let file = try checked(
                    unsafe open("/proc/sys/\(path)", O_WRONLY | O_CLOEXEC), "open \(path)")
                defer { Glibc.close(file) }
                let text = value + "\n"
                guard unsafe write(file, text, text.utf8.count) > 0 else {
                    throw LabFailure(systemCall: "set \(path) to \(value)")
                }
            }
        }
    }
}

private final class ThreadStart {
    let descriptor: Int32
    let body: () -> Void

    init(descriptor: Int32, body: @escaping () -> Void) {
        self.descriptor = descriptor
        self.body = body
    }
}
