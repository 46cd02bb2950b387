// SPDX-License-Identifier: GPL-3.0-or-later
//
// The agent as a foreground process: a reading a second, signals in, lines out. systemd keeps it
// alive (examples/agent/weir-agent.service); what it switched on ends without it.

import ArgumentParser
import Glibc
import Synchronization
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirSession

/// Set by signal handlers.
private let isEnding = Atomic<Bool>(false)
private let isReloading = Atomic<Bool>(false)

struct Agent: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the policies in force and enable standby policies as their `when`s say.",
        discussion: """
            It goes by what is in force, and warns where the files in PATH are something else. \
            It takes up new policies by itself; SIGHUP makes it look again. SIGTERM ends it: what \
            it enabled then still ends in time, by the kernel's clock. See docs/triggers.md.
            """)

    @OptionGroup var location: PolicyPath
    @Flag(help: "Say what it would do, and do nothing.")
    var dryRun = false
    @Option(help: "How often one policy may be switched on in ten minutes.")
    var maxStarts = 6
    @Option(
        help: "Write metrics for Prometheus to this file (node_exporter's textfile collector).",
        completion: .file())
    var metricsFile: String?

    func validate() throws {
        guard maxStarts > 0 else { throw ValidationError("--max-starts must be at least 1") }
    }

    func run() throws {
        var options = AgentOptions()
        options.isDryRun = dryRun
        options.maximumStarts = maxStarts
        options.metricsPath = metricsFile
        let kernel: LiveKernel
        do throws(KernelError) { kernel = try LiveKernel() } catch {
            throw stop(.commit(.kernel(error)), SourceMap())
        }
        let agent = TriggerAgent(location.path, kernel: kernel, options: options) { line in
            Output.write("\(timestampText(Int64(time(nil)))) \(line)")
        }
        do throws(WriteFailure) { try agent.start() } catch { throw stop(error, SourceMap()) }
        catchSignals()
        var next = bootTimeMilliseconds()
        while !isEnding.load(ordering: .relaxed) {
            if isReloading.exchange(false, ordering: .relaxed) { agent.reload() }
            agent.sample(
                nowEpochSeconds: Int64(time(nil)), milliseconds: bootTimeMilliseconds())
            next = max(next + 1000, bootTimeMilliseconds() + 100)
            wait(until: next)
        }
        agent.stop(nowEpochSeconds: Int64(time(nil)))
    }

    private func catchSignals() {
        for number in [SIGTERM, SIGINT] {
            _ = signal(number) { _ in isEnding.store(true, ordering: .relaxed) }
        }
        _ = signal(SIGHUP) { _ in isReloading.store(true, ordering: .relaxed) }
        // Whoever started this may have blocked them.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&signals, number) }
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// Sleeps; a signal that wants something ends it early.
    private func wait(until milliseconds: Int64) {
        while true {
            let left = milliseconds - bootTimeMilliseconds()
            guard left > 0, !isEnding.load(ordering: .relaxed),
                !isReloading.load(ordering: .relaxed)
            else { return }
            usleep(UInt32(clamping: min(left, 100) * 1000))
        }
    }
}
