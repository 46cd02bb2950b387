// SPDX-License-Identifier: GPL-3.0-or-later
//
// The commands that change what is in force, and the words for what came of them.

import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirSession

extension Interpreter {
    func commit(_ words: inout CommandWords) throws(StagingError) -> LineOutcome {
        var options = CommitOptions()
        options.message = try words.take(option: "-m")
        if let text = try words.take(option: "--confirm") {
            guard let seconds = durationSeconds(text) else {
                throw StagingError(
                    "\(quoted(text)) is no duration", help: "write `60s`, `5m` or `1h30m`")
            }
            options.confirmWithinSeconds = seconds
        }
        options.usesGit = !words.take(flag: "--no-git")
        let isSure = words.take(flag: "-y")
        session.acceptsLockout = try takesLockout(&words)
        defer { session.acceptsLockout = false }
        try words.end()
        noticeOthers()
        if !isSure, let ask = host.ask {
            do throws(SessionFailure) {
                let (plan, policySet) = try session.plan()
                host.write(host.describePlan(plan, policySet))
                for hit in plan.affectedServices(policySet) { host.write("hits: \(hit.text)") }
            } catch {
                return failed(error)
            }
            guard let answer = ask("commit? [y/N] "), answer.lowercased().hasPrefix("y") else {
                host.write("nothing was committed")
                return .done
            }
        }
        do throws(SessionFailure) {
            let outcome = try session.commit(options)
            report(outcome, options)
            return .done
        } catch {
            return failed(error)
        }
    }

    private func report(_ outcome: CommitOutcome, _ options: CommitOptions) {
        if let seconds = options.confirmWithinSeconds {
            host.write(
                "in force, unconfirmed: without \\confirm within \(seconds) s what was in force "
                    + "before comes back; files and git are written then")
            return
        }
        host.write(
            "in force: revision \(outcome.revision.number) "
                + "(\(outcome.revision.contentHash.prefix(12)))"
                + (outcome.connectionsCut > 0
                    ? "; \(outcome.connectionsCut) live connections cut" : ""))
        for path in outcome.written {
            host.write("  wrote \(relativePath(path, to: session.root))")
        }
        if let commit = outcome.gitCommit { host.write("  git commit \(commit.prefix(12))") }
        if let failure = outcome.gitFailure {
            host.writeError(
                host.paint("warning", "1;33") + ": git refused the commit: \(failure)\n"
                    + "  = help: kernel and files are written; commit the files by hand")
        }
        switch GitRepository.presence(containing: session.root) {
        case .none: host.write("  no git repository here: only weir's own log has the change")
        case .unusable(let why): host.write("  git does not work here: \(why)")
        case .repository where !options.usesGit: host.write("  git was left alone")
        case .repository: break
        }
    }

    func confirm() -> LineOutcome {
        do throws(SessionFailure) {
            report(try session.confirm(), CommitOptions())
            return .done
        } catch {
            return failed(error)
        }
    }

    func rollback(_ words: inout CommandWords) throws(StagingError) -> LineOutcome {
        session.acceptsLockout = try takesLockout(&words)
        defer { session.acceptsLockout = false }
        let number = words.words.first.flatMap(Int.init)
        guard words.words.isEmpty || number != nil else {
            throw StagingError(
                "\(quoted(words.words[0])) is no revision", help: "`\\history` lists them")
        }
        return write { (writer: inout PolicyWriter) throws(WriteFailure) in
            try writer.rollback(to: number, message: nil, nowEpochSeconds: session.now())
        }
    }

    func enable(_ words: inout CommandWords) throws(StagingError) -> LineOutcome {
        var seconds: Int64?
        if let text = try words.take(option: "--for") {
            seconds = durationSeconds(text)
            guard seconds != nil else {
                throw StagingError("\(quoted(text)) is no duration", help: "write `5m`")
            }
        }
        session.acceptsLockout = try takesLockout(&words)
        defer { session.acceptsLockout = false }
        let name = try policyName(words)
        return write { (writer: inout PolicyWriter) throws(WriteFailure) in
            try writer.enable(name, forSeconds: seconds, nowEpochSeconds: session.now())
        }
    }

    func disable(_ words: inout CommandWords) throws(StagingError) -> LineOutcome {
        session.acceptsLockout = try takesLockout(&words)
        defer { session.acceptsLockout = false }
        let name = try policyName(words)
        return write { (writer: inout PolicyWriter) throws(WriteFailure) in
            try writer.disable(name, nowEpochSeconds: session.now())
        }
    }

    private func policyName(_ words: CommandWords) throws(StagingError) -> String {
        guard words.words.count == 1 else {
            throw StagingError("which policy?", help: "write one policy, as `layer.name`")
        }
        return words.words[0]
    }

    /// Runs an operation of the writer's and reports it.
    private func write(
        _ body: (inout PolicyWriter) throws(WriteFailure) -> CommitOutcome
    ) -> LineOutcome {
        guard let kernel = session.kernel else { return failed(.noKernel(session.kernelProblem)) }
        do throws(WriteFailure) {
            var writer = try PolicyWriter(session.state, kernel)
            let channels = session.acceptsLockout ? [] : session.channels
            writer.channels = { _ in channels }
            let outcome = try body(&writer)
            _ = consume writer
            host.write(
                "revision \(outcome.revision.number): \(outcome.revision.message)"
                    + (outcome.revision.changeSummary.isEmpty
                        ? "" : "\n  \(outcome.revision.changeSummary)"))
            for path in outcome.written {
                host.write("  wrote \(relativePath(path, to: session.root))")
            }
            if let failure = outcome.gitFailure {
                host.writeError("warning: git refused the commit: \(failure)")
            }
            noticeOthers()
            return .done
        } catch {
            return failed(.write(error))
        }
    }

    // MARK: Others

    /// Takes over what others have done to the files; says so, and what does not fit.
    public func noticeOthers() {
        let (paths, conflicts) = session.refresh()
        if !conflicts.isEmpty { showConflicts(conflicts) }
        guard !paths.isEmpty, conflicts.isEmpty else { return }
        let names = paths.map { relativePath($0, to: session.root) }.joined(separator: ", ")
        host.write("changed on disk and read again: \(names)")
    }

    func merge(_ words: CommandWords) throws(StagingError) -> LineOutcome {
        switch words.words.first {
        case "mine", "theirs":
            session.settle(keepingMine: words.words[0] == "mine")
            host.write("settled")
            for edit in session.work.edits { host.write("  " + painted(edit)) }
            return .done
        case nil:
            let (_, conflicts) = session.refresh()
            if conflicts.isEmpty { host.write("nothing conflicts") }
            showConflicts(conflicts)
            return conflicts.isEmpty ? .done : .failed
        default:
            throw StagingError(
                "\(quoted(words.words[0])) settles nothing",
                help: "write `\\merge mine` or `\\merge theirs`")
        }
    }

    private func showConflicts(_ conflicts: [EditConflict]) {
        for conflict in conflicts {
            error("\(conflict.edit.name.text) was changed by somebody else too", help: nil)
            func part(_ title: String, _ text: String?) {
                host.writeError("  \(title):\n    " + (text ?? "(not there)"))
            }
            part("as you edited it from", conflict.edit.before)
            part("as it is now", conflict.theirs)
            if case .put(_, let text, _) = conflict.edit.change { part("as you want it", text) }
        }
        if !conflicts.isEmpty {
            host.writeError(
                "  = help: `\\merge mine` keeps your edits over theirs, `\\merge theirs` drops them"
            )
        }
    }

    // MARK: Failures

    func failed(_ failure: SessionFailure) -> LineOutcome {
        switch failure {
        case .unsound(let diagnostics, let sources):
            let errors = diagnostics.filter { $0.severity == .error }
            show(errors, sources)
            let isLockout = errors.allSatisfy { $0.code == "lockout" }
            error(
                isLockout
                    ? "the commit would cut your own connection; nothing was applied"
                    : "the staged policies have errors; nothing was applied",
                help: isLockout ? "`\\commit --operator none` makes it all the same" : nil)
        case .conflicts(let conflicts):
            showConflicts(conflicts)
            error("nothing was applied", help: nil)
        case .noKernel(let problem):
            error(
                problem?.message ?? "the kernel cannot be reached",
                help: "what is staged stays staged: start the prompt as root to commit it")
        case .nothingStaged: error("nothing is staged", help: nil)
        case .write(let failure):
            let (message, help) = failure.words
            error(message, help: help)
        }
        return .failed
    }
}
