// SPDX-License-Identifier: GPL-3.0-or-later
//
// The lab for shell scripts: `examples/demo` makes its landscape and its connections with this.
// Output is one compact line a question, so that a script can hold it against what it expects.

import ArgumentParser
import Glibc
import WeirLab
import WeirModel

@main
struct LabCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir-lab",
        abstract: "Private networks and real connections, for trying weir.",
        subcommands: [LandscapeCommand.self, ServeCommand.self, ProbeCommand.self])
}

/// Sockets that listen, for the commands that serve.
struct ListeningOptions: ParsableArguments {
    @Option(parsing: .upToNextOption, help: "TCP ports that accept and echo.")
    var tcp: [UInt16] = []

    @Option(parsing: .upToNextOption, help: "UDP ports that echo.")
    var udp: [UInt16] = []
}

struct LandscapeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "landscape",
        abstract: "A gateway with segments behind it, until standard input closes.",
        discussion: """
            Prints `gateway NETNS`, one `segment NETNS` a segment, in order, and `ready`. Every \
            address of a segment's prefixes is there, and all packets cross the gateway, those \
            within a segment too. The namespaces go when the command ends, however it ends.
            """)

    @Option(help: "Prefixes of one segment, with commas; the longest prefix has an address.")
    var segment: [String] = ["0.0.0.0/0,::/0"]

    @OptionGroup var listening: ListeningOptions

    func run() throws {
        try requireLab()
        let lab = try GatewayLandscape(
            segments: segment.map { $0.split(separator: ",").map(String.init) })
        defer { lab.close() }
        let servers = try lab.serve(tcp: listening.tcp, udp: listening.udp)
        defer { for server in servers { server.close() } }
        say("gateway \(lab.gateway.name)")
        for segment in lab.segments { say("segment \(segment.namespace.name)") }
        say("ready")
        while readLine() != nil {}
    }
}

struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Listens on every address of a namespace, until standard input closes.")

    @Option(help: "The network namespace, as `ip netns` names it; may be repeated.")
    var netns: [String]

    @OptionGroup var listening: ListeningOptions

    func run() throws {
        try requireLab()
        var servers: [EchoServer] = []
        for name in netns {
            servers.append(
                try EchoServer(
                    in: Namespace(existing: name), tcp: listening.tcp, udp: listening.udp))
        }
        say("ready")
        while readLine() != nil {}
        for server in servers { server.close() }
    }
}

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Tries to reach an address and says what came of it.",
        discussion: """
            Outcomes: `open`, `reset`, `prohibited` (ICMP), `dropped`. With --hold the connections \
            stay until standard input closes; the line `check` sends a byte over each and says \
            what came back, `close N` closes N of them.
            """)

    @Option(help: "The network namespace to start from.")
    var netns: String

    @Option(help: "The source address.")
    var from: IPAddress

    @Option(help: "The destination address.")
    var to: IPAddress

    @Option(help: "The destination port.")
    var port: UInt16 = 0

    @Flag(help: "A datagram that wants an answer, instead of a TCP connection.")
    var udp = false

    @Flag(help: "An echo request, instead of a TCP connection.")
    var ping = false

    @Option(help: "How many attempts.")
    var count = 1

    @Flag(help: "One after the other, and keep what stands.")
    var hold = false

    @Option(name: .customLong("for"), help: "Instead of a count: as many as can be in so many ms.")
    var forMilliseconds: Int?

    @Option(help: "After how many ms without an answer an attempt counts as dropped.")
    var timeout = 1000

    func validate() throws {
        guard from.family == to.family else {
            throw ValidationError("\(from) and \(to) are of different families")
        }
        guard !(udp && ping), !(hold && (udp || ping)) else {
            throw ValidationError("--udp, --ping and --hold exclude each other")
        }
        guard ping == (port == 0) else { throw ValidationError("--port or --ping, one of them") }
        guard count > 0 else { throw ValidationError("--count is at least 1") }
    }

    private var flow: Flow {
        let point =
            ping
            ? from.family == .v4
                ? PortPoint(protocolNumber: IPProtocol.icmp, port: 8)
                : PortPoint(protocolNumber: IPProtocol.icmpv6, port: 128)
            : PortPoint(protocolNumber: udp ? IPProtocol.udp : IPProtocol.tcp, port: port)
        return Flow(source: from, destination: to, port: point)
    }

    func run() throws {
        try requireLab()
        let namespace = try Namespace(existing: netns)
        if let forMilliseconds {
            let count = try namespace.attempt(
                flow, forMilliseconds: forMilliseconds, timeoutMilliseconds: timeout)
            return say("\(count)")
        }
        let probes = [Probe](repeating: Probe(flow), count: count)
        guard hold else {
            return say(summary(try namespace.probe(probes, timeoutMilliseconds: timeout)))
        }
        let held = try namespace.hold(probes, timeoutMilliseconds: timeout)
        say(summary(held.outcomes))
        while let line = readLine() {
            let words = line.split(separator: " ")
            if words == ["check"] {
                say(summary(try held.exchange(timeoutMilliseconds: timeout)))
            } else if words.count == 2, words[0] == "close", let limit = Int(words[1]) {
                held.close(limit)
                waitForClockTick()
                say("\(held.count) held")
            } else {
                say("`check` or `close N`")
            }
        }
    }
}

extension IPAddress: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

private func requireLab() throws {
    if let labObstacle { throw ValidationError(labObstacle) }
}

/// `open` for one attempt, `12 open, 3 reset` for many.
private func summary(_ outcomes: [Outcome]) -> String {
    outcomes.count == 1 ? "\(outcomes[0])" : "\(OutcomeCount(outcomes))"
}

/// Writes a line at once: the reader may be a script that waits for it.
private func say(_ line: String) {
    let text = line + "\n"
    _ = unsafe write(STDOUT_FILENO, text, text.utf8.count)
}
