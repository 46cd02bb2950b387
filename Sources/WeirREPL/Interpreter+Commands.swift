// SPDX-License-Identifier: GPL-3.0-or-later
//
// The backslash commands, one function each.

import WeirDiagnostics
import WeirModel
import WeirSession

extension Interpreter {
    func command(_ text: String) -> LineOutcome {
        let name = text.prefix { !$0.isWhitespace }
        let rest = Self.trimmed(String(text.dropFirst(name.count)))
        guard let command = PromptCommand(rawValue: String(name)) else {
            let names = PromptCommand.allCases.map(\.rawValue)
            error(
                "there is no command \(quoted("\\" + name))",
                help: nearestName(to: String(name), among: names)
                    .map { "did you mean `\\\($0)`?" } ?? "`\\help` lists the commands")
            return .failed
        }
        do throws(StagingError) {
            return try run(command, rest)
        } catch {
            self.error(error.message, help: error.help)
            return .failed
        }
    }

    private func run(_ command: PromptCommand, _ rest: String) throws(StagingError) -> LineOutcome {
        var words = CommandWords(rest)
        switch command {
        case .help: return try help(words)
        case .explain: return explain(rest)
        case .commit: return try commit(&words)
        case .stage: return try stageCommand(&words)
        case .enable: return try enable(&words)
        case .disable: return try disable(&words)
        case .edit: return try edit(words)
        case .fix: return try fix(words)
        case .plan: return try plan(&words)
        case .layer: return try chooseLayer(words)
        case .file: return try chooseFile(words)
        case .merge: return try merge(words)
        case .rollback: return try rollback(&words)
        default: break
        }
        try words.end()
        switch command {
        case .check: return check()
        case .diff: return diff()
        case .confirm: return confirm()
        case .undo: return step(session.undo(), "took back", "nothing is left to undo")
        case .redo: return step(session.redo(), "staged again", "nothing was undone")
        case .reset:
            session.reset()
            host.write("nothing is staged; \\undo brings it back")
            return .done
        case .history: return history()
        case .show: return showInForce()
        case .top: return top()
        case .status: return status()
        case .adopt: return adopt()
        default: return .quit
        }
    }

    // MARK: Help

    private func help(_ words: CommandWords) throws(StagingError) -> LineOutcome {
        if let name = words.words.first {
            let plain = name.hasPrefix("\\") ? String(name.dropFirst()) : name
            guard let command = PromptCommand(rawValue: plain) else {
                throw StagingError(
                    "there is no command \(quoted(name))", help: "`\\help` lists the commands")
            }
            host.write(
                "\\\(command.rawValue) \(command.usage)\n  \(command.summary)\n"
                    + "  example: \(command.example)")
            return .done
        }
        var rows = PromptCommand.language.map { ($0.usage, $0.summary, $0.example) }
        rows += PromptCommand.allCases.map {
            ("\\\($0.rawValue)" + ($0.usage.isEmpty ? "" : " " + $0.usage), $0.summary, $0.example)
        }
        for (usage, summary, example) in rows {
            host.write(
                host.paint(usage, "1") + "\n    \(summary)\n    " + host.paint(example, "36"))
        }
        return .done
    }

    // MARK: Looking

    private func check() -> LineOutcome {
        let diagnostics = session.checked.diagnostics
        show(diagnostics, session.checked.sources)
        let errors = diagnostics.count { $0.severity == .error }
        let others = diagnostics.count - errors
        host.write(
            diagnostics.isEmpty
                ? "no findings" : "\(errors) errors, \(others) warnings and notes")
        return errors == 0 ? .done : .failed
    }

    private func diff() -> LineOutcome {
        let (base, draft) = (session.work.base, session.work.draft)
        let paths = draft.changedPaths(from: base)
        if paths.isEmpty { host.write("nothing is staged") }
        for path in paths {
            let name = relativePath(path, to: session.root)
            let old = base.files[path]?.bytes
            for line in unifiedDifference(
                old ?? [], draft.files[path]?.bytes ?? [],
                oldName: old == nil ? "/dev/null" : "a/\(name)", newName: "b/\(name)")
            {
                host.write(host.paint(line, ["+": "32", "-": "31", "@": "36"][line.first] ?? "0"))
            }
        }
        if !paths.isEmpty { host.write("") }
        for edit in session.work.edits { host.write("  " + painted(edit)) }
        return .done
    }

    private func plan(_ words: inout CommandWords) throws(StagingError) -> LineOutcome {
        session.acceptsLockout = try takesLockout(&words)
        defer { session.acceptsLockout = false }
        try words.end()
        noticeOthers()
        do throws(SessionFailure) {
            let (plan, policySet) = try session.plan()
            host.write(host.describePlan(plan, policySet))
            for hit in plan.affectedServices(policySet) { host.write("hits: \(hit.text)") }
            return .done
        } catch {
            return failed(error)
        }
    }

    /// `--operator none`: one's own connection may be cut.
    func takesLockout(_ words: inout CommandWords) throws(StagingError) -> Bool {
        guard let text = try words.take(option: "--operator") else { return false }
        guard text == "none" else {
            throw StagingError(
                "\(quoted(text)) is not `none`",
                help: "start the prompt with `--operator FLOW` to protect another connection")
        }
        return true
    }

    private func explain(_ flow: String) -> LineOutcome {
        let checked = session.checked
        guard let policySet = checked.policySet else {
            show(checked.diagnostics, checked.sources)
            return .failed
        }
        switch host.explain(flow, checked, policySet) {
        case .success(let text):
            host.write(text)
            return .done
        case .failure(let problem):
            error(problem.message, help: problem.help)
            return .failed
        }
    }

    private func showInForce() -> LineOutcome {
        guard let kernel = session.kernel else { return failed(.noKernel(session.kernelProblem)) }
        host.write(host.describeInForce(kernel))
        return .done
    }

    private func top() -> LineOutcome {
        guard let kernel = session.kernel else { return failed(.noKernel(session.kernelProblem)) }
        do throws(CommitFailure) {
            if host.ask != nil {
                try runTop(session.state, kernel, colour: host.colour)
            } else {
                for line in try topOnce(session.state, kernel).lines { host.write(line) }
            }
            return .done
        } catch {
            return failed(.write(.commit(error)))
        }
    }

    private func history() -> LineOutcome {
        let entries = RevisionStore(session.state).all()
        host.write(entries.isEmpty ? "no operation so far" : historyText(entries))
        return .done
    }

    private func status() -> LineOutcome {
        let status = PolicyStatus(
            session.root, state: session.state, kernel: session.kernel,
            nowEpochSeconds: session.now())
        host.write(status.text(atEpochSeconds: session.now()))
        return .done
    }

    private func adopt() -> LineOutcome {
        do throws(SessionFailure) {
            let adoption = try session.adoptDrift()
            for line in adoption.lines { host.write(line) }
            for edit in adoption.staged { host.write("  " + painted(edit)) }
            if !adoption.taken.isEmpty { host.write("\\commit makes it permanent") }
            return .done
        } catch {
            return failed(error)
        }
    }

    private func step(_ edits: [StagedEdit]?, _ what: String, _ nothing: String) -> LineOutcome {
        guard let edits else {
            error(nothing, help: "`\\rollback` goes back to what was in force before")
            return .failed
        }
        let names = edits.map(\.summary).joined(separator: ", ")
        host.write(names.isEmpty ? "\(what) a choice" : "\(what): \(names)")
        return .done
    }

    // MARK: Staging

    private func stageCommand(_ words: inout CommandWords) throws(StagingError) -> LineOutcome {
        let (asks, takesAll) = (words.take(flag: "-p"), words.take(flag: "--all"))
        try words.end()
        let edits = session.work.edits
        if takesAll { try session.hold([]) }
        if asks {
            guard let ask = host.ask else {
                throw StagingError(
                    "there is nobody to ask", help: "`\\stage -p` needs a terminal")
            }
            var held: Set<Int> = []
            for (index, edit) in edits.enumerated() {
                host.write(hunk(edit))
                let answer = ask("take it into the next commit? [Y/n] ") ?? "n"
                if answer.lowercased().hasPrefix("n") { held.insert(index) }
            }
            try session.hold(held)
        }
        if edits.isEmpty { host.write("nothing is staged") }
        for edit in session.work.edits { host.write("  " + painted(edit)) }
        return .done
    }

    private func hunk(_ edit: StagedEdit) -> String {
        let after: String? = if case .put(_, let text, _) = edit.change { text } else { nil }
        guard edit.before != nil || after != nil else { return edit.summary }
        func lines(_ text: String?) -> [String] {
            (text ?? "").split(whereSeparator: \.isNewline).map(String.init)
        }
        let script = differenceLines(lines(edit.before), lines(after)).map { line in
            switch line {
            case .same(let text): "  " + text
            case .added(let text): host.paint("+ " + text, "32")
            case .removed(let text): host.paint("- " + text, "31")
            }
        }
        return ([edit.summary] + script).joined(separator: "\n")
    }

    private func edit(_ words: CommandWords) throws(StagingError) -> LineOutcome {
        guard words.words.count == 1 else {
            throw StagingError("which policy?", help: "write `\\edit POLICY`")
        }
        guard host.ask != nil else {
            throw StagingError(
                "an editor needs a terminal", help: "`edit POLICY CLAUSE` changes one clause")
        }
        let (layer, name) = try reader.policy(words.words[0])
        let key = DeclarationName.policy(layer: layer, name: name)
        guard let text = session.work.draft.text(of: key) else { return .failed }
        guard let edited = editText(text) else {
            throw StagingError("the editor did not end well", help: "set EDITOR, then try again")
        }
        if edited == text {
            host.write("nothing changed")
            return .done
        }
        return stage([StagedEdit(.put(key, text: edited, isVerbatim: true))])
    }

    /// Stages what mends a finding that was shown.
    private func fix(_ words: CommandWords) throws(StagingError) -> LineOutcome {
        let list = fixes?.list ?? []
        let number = words.words.first.map { Int($0) } ?? (list.count == 1 ? 1 : nil)
        guard words.words.count <= 1, let number, list.indices.contains(number - 1) else {
            throw StagingError(
                list.isEmpty ? "no fix was shown" : "which fix?",
                help: list.count > 1
                    ? "`\\fix N` with one of the numbers 1 to \(list.count) shown above"
                    : "`\\check` shows the findings, and what mends them")
        }
        guard let draft = fixes?.draft, draft.changedPaths(from: session.work.draft).isEmpty else {
            throw StagingError(
                "the policies changed since the fixes were shown",
                help: "`\\check` shows what there is now")
        }
        return stage(draft.stagedEdits(making: list[number - 1]))
    }

    private func chooseLayer(_ words: CommandWords) throws(StagingError) -> LineOutcome {
        let names = session.work.draft.layerNames
        if let name = words.words.first {
            guard names.contains(name) else {
                throw StagingError(
                    "there is no layer \(quoted(name))",
                    help: "layers: \(names.joined(separator: ", "))")
            }
            layer = name
        }
        host.write("new policies go to layer \(layer ?? names.first ?? "(none)")")
        return .done
    }

    private func chooseFile(_ words: CommandWords) throws(StagingError) -> LineOutcome {
        if let name = words.words.first {
            guard name.hasSuffix(".weir"), !name.hasPrefix("/"), !name.contains("..") else {
                throw StagingError(
                    "\(quoted(name)) is no file of the policy set",
                    help: "give a path below it that ends in `.weir`")
            }
            file = name
        }
        host.write("new declarations go to \(file ?? "live.weir")")
        return .done
    }
}
