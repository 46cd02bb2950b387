// SPDX-License-Identifier: GPL-3.0-or-later
//
// GNU readline with its redisplay replaced. readline goes on owning the layout (wrapping, vi mode,
// the operator's inputrc): it draws, then the same characters are drawn over it in colour, from
// where the prompt begins. During a search readline draws alone.

import CReadline
import Glibc
import Synchronization

/// Set by the signal handler, read in readline's loop.
private let isInterrupted = Atomic<Bool>(false)

/// What readline's callbacks, which carry no context, reach.
private final class EditorHooks {
    var suggestions: (String, String) -> [Suggestion] = { _, _ in [] }
    var onIdle: () -> String? = { nil }
    var found: [Suggestion] = []
    var colour = true
}

// readline is single-threaded and knows one terminal: so does this.
nonisolated(unsafe) private let hooks = EditorHooks()

/// The terminal's line editor; there is one.
public struct LineEditor: ~Copyable {
    private let historyPath: String?

    /// - Parameters:
    ///   - historyPath: kept between sessions; nil for none.
    ///   - suggestions: for a word and what stands before it.
    ///   - onIdle: called several times a second while nobody types; a text is shown above the
    ///     prompt.
    public init(
        historyPath: String?, colour: Bool,
        suggestions: @escaping (String, String) -> [Suggestion],
        onIdle: @escaping () -> String?
    ) {
        self.historyPath = historyPath
        unsafe hooks.suggestions = suggestions
        unsafe hooks.onIdle = onIdle
        unsafe hooks.colour = colour
        _ = unsafe setlocale(LC_ALL, "")
        // Whoever started this may have blocked them: a prompt without Ctrl-C is a trap.
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in [SIGINT, SIGHUP, SIGTERM, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH] {
            unsafe sigaddset(&signals, number)
        }
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        isInterrupted.store(false, ordering: .relaxed)
        _ = signal(SIGINT) { _ in isInterrupted.store(true, ordering: .relaxed) }
        unsafe weir_rl_start("weir", redisplay, attempt, display, idle, signalled)
        if let historyPath { _ = unsafe read_history(historyPath) }
        stifle_history(10_000)
    }

    /// Reads a line. nil at the end of input; `.interrupted` after Ctrl-C.
    public func read(_ prompt: String) -> Line? {
        isInterrupted.store(false, ordering: .relaxed)
        guard let text = unsafe readline(prompt) else { return nil }
        defer { unsafe free(text) }
        if isInterrupted.exchange(false, ordering: .relaxed) { return .interrupted }
        let line = unsafe String(cString: text)
        return .text(line)
    }

    public enum Line: Sendable {
        case text(String)
        case interrupted
    }

    /// Keeps a line for history search; not one that repeats the last.
    public func remember(_ line: String) {
        guard !line.isEmpty else { return }
        unsafe add_history(line)
        if let historyPath { _ = unsafe append_history(1, historyPath) != 0 ? create() : () }
    }

    private func create() {
        guard let historyPath else { return }
        _ = unsafe write_history(historyPath)
    }
}

// MARK: Callbacks

private func redisplay() {
    rl_redisplay()
    guard unsafe hooks.colour, weir_rl_is_searching() == 0, weir_rl_scrolls_sideways() == 0,
        weir_rl_is_done() == 0, let start = unsafe weir_rl_line()
    else { return }
    let line = unsafe String(cString: start)
    guard !line.isEmpty else { return }
    var columns: Int32 = 0
    unsafe weir_rl_columns(&columns)
    guard columns > 1 else { return }
    let prompt = visible(unsafe String(cString: weir_rl_shown_prompt()))
    let promptWidth = width(prompt)
    let point = Int(weir_rl_point())
    let before = String(decoding: Array(line.utf8).prefix(point), as: UTF8.self)
    let here = promptWidth + width(before)
    let end = promptWidth + width(line)
    let row = here / Int(columns)
    // Back to where the text begins, the text in colour, then back to the cursor. A line that
    // fills its last row leaves the cursor's place to the terminal: readline's own drawing stays.
    guard end % Int(columns) != 0 || end == 0 else { return }
    var out = "\u{1B}[?25l"
    let startRow = promptWidth / Int(columns)
    if row > startRow { out += "\u{1B}[\(row - startRow)A" }
    out += "\r"
    if promptWidth % Int(columns) > 0 { out += "\u{1B}[\(promptWidth % Int(columns))C" }
    out += coloured(line)
    let endRow = end / Int(columns)
    if endRow > row { out += "\u{1B}[\(endRow - row)A" }
    out += "\r"
    if here % Int(columns) > 0 { out += "\u{1B}[\(here % Int(columns))C" }
    out += "\u{1B}[?25h"
    unsafe weir_rl_put(out)
}

/// A prompt without colour codes and readline's marks around them.
private func visible(_ prompt: String) -> String {
    var out = ""
    var isHidden = false
    for character in prompt.unicodeScalars {
        switch character.value {
        case 1: isHidden = true
        case 2: isHidden = false
        default: if !isHidden { out.unicodeScalars.append(character) }
        }
    }
    return out
}

/// Columns that a text takes.
private func width(_ text: String) -> Int {
    text.unicodeScalars.reduce(0) { $0 + max(0, Int(weir_width($1.value))) }
}

private func attempt(
    _ word: UnsafePointer<CChar>?, _ start: Int32, _ end: Int32
) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
    weir_rl_no_file_completion()
    guard let word = unsafe word, let line = unsafe weir_rl_line() else { return nil }
    let bytes = Array(unsafe String(cString: line).utf8).prefix(Int(start))
    let found = unsafe hooks.suggestions(
        unsafe String(cString: word), String(decoding: bytes, as: UTF8.self))
    unsafe hooks.found = found
    guard !found.isEmpty else { return nil }
    if found.count == 1, found[0].text.hasSuffix("/") {
        weir_rl_append_nothing()
    } else {
        weir_rl_append_space()
    }
    let common = found.dropFirst().reduce(found[0].text) { $0.commonPrefix(with: $1.text) }
    let texts = [common] + (found.count > 1 ? found.map(\.text) : [])
    // readline frees the list and its strings.
    let size = unsafe MemoryLayout<UnsafeMutablePointer<CChar>?>.stride * (texts.count + 1)
    guard let memory = unsafe malloc(size) else { return nil }
    let list = unsafe memory.bindMemory(
        to: UnsafeMutablePointer<CChar>?.self, capacity: texts.count + 1)
    for (index, text) in texts.enumerated() { unsafe list[index] = unsafe strdup(text) }
    unsafe list[texts.count] = nil
    return unsafe list
}

extension String {
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}

private func display(
    _ matches: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int32, _ longest: Int32
) {
    let found = unsafe hooks.found
    var text = "\n"
    for item in found.prefix(60) {
        let pad = String(repeating: " ", count: max(1, Int(longest) + 2 - item.text.count))
        text += "  \(item.text)\(pad)\u{1B}[2m\(item.meaning)\u{1B}[0m\n"
    }
    if found.count > 60 { text += "  … and \(found.count - 60) more\n" }
    unsafe weir_rl_put(text)
    _ = rl_on_new_line()
    redisplay()
}

private func idle() -> Int32 {
    if isInterrupted.load(ordering: .relaxed) { return signalled() }
    if let text = unsafe hooks.onIdle() {
        unsafe weir_rl_put("\r\u{1B}[J\(text)\n")
        _ = rl_on_new_line()
        redisplay()
    }
    return 0
}

private func signalled() -> Int32 {
    if isInterrupted.load(ordering: .relaxed) { weir_rl_drop_line() }
    return 0
}
