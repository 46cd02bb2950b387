// SPDX-License-Identifier: GPL-3.0-or-later
//
// Evaluates the `when`s of what is in force and switches standby policies, by the same path as an
// operator. It acts on what was committed, never on files that were not, and leaves the end of a
// measure to the kernel: if it dies, everything it switched on still ends in time.

import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirRuleset

/// How an agent is to work.
public struct AgentOptions: Sendable {
    /// Says what it would do and does nothing.
    public var isDryRun = false
    /// How often one policy may be switched on within ``startWindowSeconds``.
    public var maximumStarts = 6
    public var startWindowSeconds: Int64 = 600
    /// A file for node_exporter's textfile collector.
    public var metricsPath: String?
    public var metricsSeconds: Int64 = 10

    public init() {}
}

/// The agent of a network namespace.
public final class TriggerAgent {
    /// What logs call it.
    static let name = "weir agent"

    struct Watched {
        let trigger: Trigger
        /// Of the trigger in the agent's document.
        let key: String
        /// `file:line:column`, seen from the policy set.
        let place: String
    }

    let state: StateDirectory
    let kernel: any PolicyKernel
    let options: AgentOptions
    let root: String?
    let log: (String) -> Void
    var document = AgentDocument()
    var watched: [Watched] = []
    /// What a dry run would have enabled.
    var imagined: [EnabledPolicy] = []
    /// How often each trigger has switched on or renewed, by key; of this run.
    var fired: [String: Int] = [:]
    var samples = 0
    private var saved = AgentDocument()
    private var reader: SignalReader
    private var followed: String?
    /// What is wrong: as said, and in this reading.
    private var problems: Set<String> = []
    private var problemsNow: Set<String> = []
    /// When policies that were switched on too often may be again.
    var heldBack: [String: Int64] = [:]
    private var lock: WriterLock?
    private var metricsWritten: Int64 = 0

    /// - Parameters:
    ///   - root: the policy files, to say where they are not what is in force.
    ///   - log: takes one line, without a time.
    public init(
        _ root: String?, state: StateDirectory = .standard(), kernel: any PolicyKernel,
        options: AgentOptions = AgentOptions(), log: @escaping (String) -> Void
    ) {
        self.root = root
        self.state = state
        self.kernel = kernel
        self.options = options
        self.log = log
        reader = SignalReader(state, kernel)
    }

    /// Makes sure that it is the only one, and finishes what a crash has left.
    public func start() throws(WriteFailure) {
        guard !options.isDryRun else { return }
        var writer = try PolicyWriter(state, kernel)
        if let report = try writer.recover() { log(report.text) }
        _ = consume writer
        do throws(WriterLock.Failure) {
            lock = try WriterLock.acquire(state.agentLockPath)
        } catch {
            if case .held(let process) = error {
                throw .refused(
                    StagingError(
                        "another agent runs in this network namespace"
                            + (process.map { " (process \($0))" } ?? ""),
                        help: "one is enough; --dry-run runs beside it"))
            }
            throw .lock(error)
        }
        document = state.agentDocument()
        saved = document
    }

    /// Looks again at what is in force, also where it seems to be the same.
    public func reload() {
        followed = nil
        reader.reload()
    }

    /// Says goodbye; what is on ends by itself.
    public func stop(nowEpochSeconds now: Int64) {
        keep()
        let own = state.enabledPolicies(atEpochSeconds: now).filter { $0.who == Self.name }
        log(
            own.isEmpty
                ? "ends; nothing that it switched on is on"
                : "ends; "
                    + own.map { item in
                        let left = item.untilEpochSeconds.map { " in \($0 - now) s" } ?? ""
                        return "`\(item.policy)` ends\(left)"
                    }.joined(separator: ", ") + ", by the kernel's own clock")
    }

    // MARK: One reading

    /// Reads the signals once and does what follows from them.
    /// - Parameter milliseconds: since the machine started.
    public func sample(nowEpochSeconds now: Int64, milliseconds: Int64) {
        do throws(CommitFailure) {
            let countsConnections =
                options.metricsPath != nil
                || watched.contains { $0.trigger.signal == .connections }
            let first = try reader.read(
                nowEpochSeconds: now, milliseconds: milliseconds,
                countsConnections: countsConnections)
            samples += 1
            follow(first, now)
            if let reading = first, let inForce = reading.inForce {
                for item in watched { evaluate(item, reading, inForce, now, milliseconds) }
            }
            writeMetrics(first, now)
        } catch {
            trouble(WriteFailure.commit(error).words.message)
        }
        keep()
        if problemsNow.isEmpty, !problems.isEmpty { log("works again") }
        (problems, problemsNow) = (problemsNow, [])
    }

    /// Notices other policies in force.
    private func follow(_ reading: SignalReading?, _ now: Int64) {
        guard let inForce = reading?.inForce else {
            if followed != "" {
                log(
                    reading == nil
                        ? "no policy is in force; waiting for one"
                        : "nobody knows the policies in force; `weir apply` once, then it watches")
            }
            (followed, watched) = ("", [])
            return
        }
        guard followed != inForce.revision.contentHash else { return }
        followed = inForce.revision.contentHash
        let set = inForce.declared
        var keys: [String: Int] = [:]
        watched = set.triggers.map { trigger in
            let text = set.text(of: trigger)
            keys[text, default: 0] += 1
            let number = keys[text] ?? 1
            return Watched(
                trigger: trigger, key: number == 1 ? text : "\(text) #\(number)",
                place: trigger.origin.map {
                    relativePath(inForce.sources.location($0), to: inForce.entry.root)
                } ?? "")
        }
        let known = Set(watched.map(\.key))
        document.triggers = document.triggers.filter { known.contains($0.key) }
        log(
            "revision \(inForce.entry.number) (\(inForce.revision.contentHash.prefix(12))) is in "
                + "force: \(watched.count) `when`" + (options.isDryRun ? ", dry run" : ""))
        for item in watched { log("watches \(item.place): when \(item.key)") }
        warnOfFiles(inForce)
    }

    /// Says where the files are not what is in force: they are not what the agent goes by.
    private func warnOfFiles(_ inForce: PoliciesInForce) {
        guard let root else { return }
        let contents = PolicyDraft(reading: root).contents
        let hash = contentHash(ofFiles: contents.mapValues { contentHash(of: $0) }, root: root)
        guard hash != inForce.revision.contentHash else { return }
        log(
            "warning: the files in `\(root)` are not what is in force; it goes by what is "
                + "(`weir apply` puts the files in force, `weir status` says what differs)")
    }

    // MARK: Keeping

    /// Writes down what changed. While nothing holds, nothing is written.
    func keep() {
        guard !options.isDryRun, document != saved, isWorthKeeping else { return }
        do throws(FileFailure) {
            try state.save(document)
            saved = document
        } catch {
            trouble(error.message)
        }
    }

    /// Whether it differs in more than when a trigger that waits was last read.
    private var isWorthKeeping: Bool {
        func essence(_ document: AgentDocument) -> AgentDocument {
            var document = document
            for (key, item) in document.triggers where item.phase != .holding {
                document.triggers[key]?.readMilliseconds = 0
            }
            return document
        }
        return essence(document) != essence(saved)
    }

    private func writeMetrics(_ reading: SignalReading?, _ now: Int64) {
        guard let path = options.metricsPath, now - metricsWritten >= options.metricsSeconds
        else { return }
        metricsWritten = now
        let text = metrics(reading, nowEpochSeconds: now)
        do throws(FileFailure) { try DurableFile.write(Array(text.utf8), to: path) } catch {
            trouble(error.message)
        }
    }

    /// Says what is wrong, once.
    func trouble(_ text: String) {
        problemsNow.insert(text)
        if problems.insert(text).inserted { log("error: \(text)") }
    }
}
