// SPDX-License-Identifier: GPL-3.0-or-later
//
// The questions a test asks of a landscape: what becomes of these flows, how many connections may
// stand at once, how many are admitted in a time.

import Glibc
public import WeirModel

extension Namespace {
    /// Tries every probe from inside this namespace, concurrently; the outcomes in the same order.
    /// What nobody answers within the timeout was dropped.
    public func probe(
        _ probes: [Probe], timeoutMilliseconds: Int = 300
    ) throws(LabFailure) -> [Outcome] {
        try run { () throws(LabFailure) in
            var rest = probes[...]
            return try ProbeRun(timeoutMilliseconds: timeoutMilliseconds) { rest.popFirst() }.run()
        }
    }

    /// Tries one flow.
    public func probe(
        _ flow: Flow, timeoutMilliseconds: Int = 300
    ) throws(LabFailure) -> Outcome {
        try probe([Probe(flow)], timeoutMilliseconds: timeoutMilliseconds)[0]
    }

    /// Opens TCP connections one after the other and keeps those that stand, so that a cap is
    /// asked in a known order.
    public func hold(
        _ probes: [Probe], timeoutMilliseconds: Int = 300
    ) throws(LabFailure) -> HeldConnections {
        precondition(
            probes.allSatisfy { $0.flow.port.protocolNumber == IPProtocol.tcp },
            "only TCP connections can be held")
        return try run { () throws(LabFailure) in
            var rest = probes[...]
            let attempts = try ProbeRun(
                timeoutMilliseconds: timeoutMilliseconds, window: 1, keepsOpen: true
            ) { rest.popFirst() }
            let outcomes = attempts.run()
            return HeldConnections(outcomes: outcomes, open: attempts.takeOpen())
        }
    }

    /// Tries a flow over and over, closing what stands at once, as fast as answers come.
    public func attempt(
        _ flow: Flow, forMilliseconds duration: Int, timeoutMilliseconds: Int = 300,
        window: Int = 16
    ) throws(LabFailure) -> OutcomeCount {
        try run { () throws(LabFailure) in
            let end = monotonicMilliseconds() + Int64(duration)
            let attempts = try ProbeRun(
                timeoutMilliseconds: timeoutMilliseconds, window: window
            ) { monotonicMilliseconds() < end ? Probe(flow) : nil }
            return OutcomeCount(attempts.run())
        }
    }

    /// Tries flows in turn at a steady rate, closing what stands at once, until told to end.
    public func attempt(
        _ flows: [Flow], perSecond: Int, timeoutMilliseconds: Int = 300, until isOver: () -> Bool
    ) throws(LabFailure) -> OutcomeCount {
        try run { () throws(LabFailure) in
            let start = monotonicMilliseconds()
            var begun = 0
            return try withoutActuallyEscaping(isOver) { isOver throws(LabFailure) in
                let attempts = try ProbeRun(
                    timeoutMilliseconds: timeoutMilliseconds, window: 4096
                ) {
                    while Int64(begun) * 1000 >= (monotonicMilliseconds() - start)
                        * Int64(perSecond)
                    {
                        if isOver() { return nil }
                        usleep(300)
                    }
                    begun += 1
                    return isOver() ? nil : Probe(flows[begun % flows.count])
                }
                return OutcomeCount(attempts.run())
            }
        }
    }
}
