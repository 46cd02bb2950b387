// SPDX-License-Identifier: GPL-3.0-or-later
//
// What each line at the prompt does. It knows no terminal: a script, a pipe, a test and readline
// all hand it lines and take what it writes.

import WeirDiagnostics
import WeirSyntax
public import WeirSession

/// How a line went.
public enum LineOutcome: Sendable, Equatable {
    case done
    /// The line was refused; nothing of it has happened.
    case failed
    /// Braces are open: more lines belong to it.
    case incomplete
    case quit
}

/// A session at the prompt.
public final class Interpreter {
    public let session: PolicySession
    let host: PromptHost
    /// The policy whose clauses are being typed.
    public private(set) var editing: (layer: String, policy: String)?
    /// Where new declarations go.
    var layer: String?
    var file: String?
    /// Lines that are not complete yet.
    private var pending: [String] = []
    /// The fixes that were shown last, by their numbers less one, and what they are fixes of.
    private(set) var fixes: (list: [FixIt], draft: PolicyDraft)?

    public init(_ session: PolicySession, host: PromptHost) {
        self.session = session
        self.host = host
    }

    var reader: PromptReader {
        PromptReader(
            draft: session.work.draft,
            layer: layer ?? session.work.draft.layerNames.first ?? "", file: file)
    }

    /// Takes one line.
    public func take(_ line: String) -> LineOutcome {
        let trimmed = Self.trimmed(line)
        if pending.isEmpty {
            if trimmed.isEmpty {
                editing = nil
                return .done
            }
            if trimmed.hasPrefix("#") { return .done }
            if trimmed.hasPrefix("\\") { return command(String(trimmed.dropFirst())) }
            if ["quit", "exit"].contains(trimmed) { return .quit }
            if trimmed == "help" { return command("help") }
        }
        pending.append(line)
        let text = pending.joined(separator: "\n")
        guard isComplete(SourceText(name: "typed", text)) else { return .incomplete }
        pending = []
        return declare(Self.trimmed(text))
    }

    /// Forgets a line that is being typed, and nothing that is staged.
    public func dropLine() {
        pending = []
        editing = nil
    }

    /// Whether the next line belongs to a declaration that is being typed.
    public var isInsideDeclaration: Bool { !pending.isEmpty }

    public func say(_ text: String) { host.write(text) }

    /// Says that the input ended; false where a declaration was left open.
    public func endOfInput() -> Bool {
        guard !pending.isEmpty else { return true }
        error("the input ends inside a declaration", help: "close its braces")
        return false
    }

    // MARK: Staging

    private func declare(_ text: String) -> LineOutcome {
        let read: PromptText
        if let editing {
            read = reader.clause(text, layer: editing.layer, policy: editing.policy)
        } else {
            read = reader.read(text)
        }
        switch read {
        case .edits(let edits): return stage(edits)
        case .open(let layer, let policy):
            editing = (layer, policy)
            let name = DeclarationName.policy(layer: layer, name: policy)
            host.write(session.work.draft.text(of: name) ?? "")
            host.write("type clauses; an empty line ends")
            return .done
        case .wrong(let diagnostics, let sources):
            show(diagnostics, sources, areFixable: false)
            return .failed
        case .failed(let problem):
            error(problem.message, help: problem.help)
            return .failed
        }
    }

    func stage(_ edits: [StagedEdit]) -> LineOutcome {
        let before = session.checked
        do throws(StagingError) {
            let made = try session.stage(edits)
            for edit in made { host.write("  " + painted(edit)) }
        } catch {
            self.error(error.message, help: error.help)
            return .failed
        }
        if let problem = session.storeProblem {
            host.writeError("warning: staged edits are not kept on disk: \(problem)")
        }
        let checked = session.checked
        show(checked.diagnostics(notIn: before), checked.sources)
        return .done
    }

    func painted(_ edit: StagedEdit) -> String {
        let colour = ["+": "32", "-": "31", "~": "33"][edit.summary.first ?? " "] ?? "36"
        let place: String
        if case .put(let name, _, _) = edit.change,
            let (file, range) = session.work.draft.find(name)
        {
            let line = file.text.position(at: range.start).line
            place = "  \(relativePath(file.path, to: session.root)):\(line)"
        } else {
            place = ""
        }
        return host.paint(edit.summary, colour) + host.paint(place, "2")
            + (edit.isHeld ? "  (set aside)" : "")
    }

    // MARK: Output

    /// - Parameter areFixable: whether they are about the staged policies, so that `\fix` can take
    ///   up what mends them.
    func show(_ diagnostics: [Diagnostic], _ sources: SourceMap, areFixable: Bool = true) {
        let renderer = TextRenderer(sources: sources, colour: host.colour)
        let ordered = diagnostics.enumerated().sorted {
            ($0.element.severity, $0.offset) < ($1.element.severity, $1.offset)
        }
        var list: [FixIt] = []
        for (_, diagnostic) in ordered {
            host.writeError(
                renderer.render(diagnostic, firstFix: areFixable ? list.count + 1 : nil))
            list += diagnostic.fixIts
        }
        fixes = areFixable ? (list, session.work.draft) : nil
    }

    func error(_ message: String, help: String?) {
        host.writeError(
            host.paint("error", "1;31") + ": \(message)" + (help.map { "\n  = help: \($0)" } ?? ""))
    }

    /// What stands before the line: policy set, staged edits, clean or not, what is being edited.
    public func prompt(marking: (String, String) -> String = { text, _ in text }) -> String {
        if !pending.isEmpty { return "   ...> " }
        let name =
            absolutePath(session.root).split(separator: "/").last.map(String.init) ?? "weir"
        var parts = [marking(name, "1")]
        let count = session.work.activeEdits.count
        if count > 0 { parts.append(marking("+\(count)", "33")) }
        let checked = session.checked
        let isClean = checked.policySet != nil && !checked.hasErrors
        parts.append(isClean ? marking("✓", "32") : marking("✗", "31"))
        if let wait = session.state.pendingConfirmation() {
            let left = max(0, wait.deadlineEpochSeconds - session.now())
            parts.append(marking("unconfirmed \(left)s", "1;31"))
        }
        if let editing { parts.append("\(editing.layer).\(editing.policy)") }
        return parts.joined(separator: " ") + "> "
    }

    static func trimmed(_ text: String) -> String {
        var result = Substring(text)
        while result.first?.isWhitespace == true { result.removeFirst() }
        while result.last?.isWhitespace == true { result.removeLast() }
        return String(result)
    }
}
