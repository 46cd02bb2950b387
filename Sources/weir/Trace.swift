// SPDX-License-Identifier: GPL-3.0-or-later
//
// Real packets followed through the policies in force.

import ArgumentParser
import Glibc
import Synchronization
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirSession

private let isEnding = Atomic<Bool>(false)

struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Follow real packets of a flow through the policies in force.",
        discussion: """
            Example: weir trace 'checkout -> orders-db tcp/5432' --for 30s
            For each packet it says what became of it and which policy or limit said so, also in \
            other tables. Meanwhile the packets of this hook meet one rule more, in a table of its \
            own that the kernel takes away when this process ends, however it ends.
            """)

    @Argument(help: "SOURCE -> DESTINATION PROTOCOL/PORT, by service name or address.")
    var flow: String
    @Option(name: .customLong("for"), help: "How long: 30s, 5m.")
    var duration: Duration?
    @Option(help: "End after so many packets.")
    var packets = 20

    /// A rule each: more would be felt.
    private static let maximumFlows = 64

    func run() throws {
        let inForce = try policiesInForce()
        let flows = try flows(inForce.policySet)
        var tracer: PacketTracer
        do throws(KernelError) { tracer = try PacketTracer.open(flows) } catch {
            Output.error(error.message)
            throw Stop(error.reason == .needsPrivilege ? .unusable : .refused)
        }
        for number in [SIGINT, SIGTERM] {
            _ = signal(number) { _ in isEnding.store(true, ordering: .relaxed) }
        }
        let seconds = duration?.seconds ?? 30
        Output.message("traces for \(seconds) s, or \(packets) packets; Ctrl-C ends")
        do throws(KernelError) {
            let count = try follow(&tracer, inForce, until: bootTimeMilliseconds() + seconds * 1000)
            if count == 0 { Output.write("no such packet came by") }
        } catch {
            Output.error(error.message)
            throw Stop(.refused)
        }
    }

    /// - Returns: the number of packets that were seen.
    private func follow(
        _ tracer: inout PacketTracer, _ inForce: PoliciesInForce, until end: Int64
    ) throws(KernelError) -> Int {
        var open: [UInt32: (journey: PacketJourney, last: Int64, number: Int)] = [:]
        var count = 0
        while true {
            let now = bootTimeMilliseconds()
            let isOver = now >= end || isEnding.load(ordering: .relaxed)
            for step in isOver ? [] : try tracer.nextSteps(timeoutMilliseconds: 50) {
                if open[step.packet] == nil {
                    guard count < packets else { continue }
                    count += 1
                    open[step.packet] = (PacketJourney(), now, count)
                }
                open[step.packet]?.journey.append(step)
                open[step.packet]?.last = now
            }
            // A packet of which nothing was heard for a while has come to its end.
            for (id, item) in open.sorted(by: { $0.value.number < $1.value.number })
            where isOver || now - item.last > 200 {
                open[id] = nil
                let lines = item.journey.lines(
                    inForce, number: item.number, nowEpochSeconds: Int64(time(nil)))
                for line in lines { Output.write(line) }
            }
            if isOver || (count >= packets && open.isEmpty) { return count }
        }
    }

    private func policiesInForce() throws -> PoliciesInForce {
        do throws(CommitFailure) {
            let kernel = try LiveKernel.opened()
            var reader = SignalReader(.standard(), kernel)
            let reading = try reader.read(
                nowEpochSeconds: Int64(time(nil)), milliseconds: 0, countsConnections: false)
            if let inForce = reading?.inForce { return inForce }
            Output.error(
                reading == nil
                    ? "no policy is in force: there is no table `weir`"
                    : "nobody knows the policies in force",
                help: "put them in force with `weir apply`")
        } catch {
            throw report(error, SourceMap())
        }
        throw Stop(.refused)
    }

    private func flows(_ policySet: PolicySet) throws -> [Flow] {
        switch parseFlow(flow, in: policySet) {
        case .success(let flows) where flows.count <= Self.maximumFlows: return flows
        case .success(let flows):
            Output.error(
                "that is \(flows.count) pairs of addresses; at most \(Self.maximumFlows) are traced",
                help: "name one address, or a smaller service")
        case .failure(let problem): Output.error(problem.message, help: problem.help)
        }
        throw Stop(.unusable)
    }
}

extension LiveKernel {
    static func opened() throws(CommitFailure) -> LiveKernel {
        do throws(KernelError) { return try LiveKernel() } catch { throw .kernel(error) }
    }
}
