// SPDX-License-Identifier: GPL-3.0-or-later
//
// The loops around the interpreter: one with a terminal, one over lines from anywhere.

import Glibc

/// Runs lines without a terminal.
/// - Parameters:
///   - keepsGoing: goes on after a line that was refused.
///   - echoes: writes each line behind its prompt before it runs, for a transcript.
/// - Returns: whether every line was accepted.
public func runLines(
    _ lines: some Sequence<String>, in interpreter: Interpreter, keepsGoing: Bool,
    echoes: Bool = false
) -> Bool {
    var isWell = true
    for line in lines {
        if echoes { interpreter.say(interpreter.prompt() + line) }
        switch interpreter.take(line) {
        case .done, .incomplete: continue
        case .quit: return isWell
        case .failed:
            isWell = false
            interpreter.dropLine()
            guard keepsGoing else { return false }
        }
    }
    return interpreter.endOfInput() && isWell
}

/// The live prompt on a terminal. Returns when the operator leaves.
public func runPrompt(
    _ interpreter: Interpreter, historyPath: String?, colour: Bool,
    onIdle: @escaping () -> String?
) {
    let editor = LineEditor(
        historyPath: historyPath, colour: colour,
        suggestions: { interpreter.suggestions(for: $0, after: $1) }, onIdle: onIdle)
    while true {
        if !interpreter.isInsideDeclaration { interpreter.noticeOthers() }
        let prompt = interpreter.prompt { text, code in
            // readline must know which bytes take no column.
            colour ? "\u{1}\u{1B}[\(code)m\u{2}\(text)\u{1}\u{1B}[0m\u{2}" : text
        }
        switch editor.read(prompt) {
        case nil:
            interpreter.say("")
            return
        case .interrupted: interpreter.dropLine()
        case .text(let line):
            editor.remember(line)
            if interpreter.take(line) == .quit { return }
        }
    }
}
