// SPDX-License-Identifier: GPL-3.0-or-later
//
// Live signals on a terminal: a screen that is drawn again each second until `q` or Ctrl-C. The
// terminal is given back as it was, also when the process is asked to end.

import Glibc
import Synchronization
public import WeirSession

private let isEnding = Atomic<Bool>(false)

/// Draws the signals each second until the operator has seen enough.
/// - Throws: what the kernel answers where it cannot be read.
public func runTop(
    _ state: StateDirectory, _ kernel: any PolicyKernel, colour: Bool
) throws(CommitFailure) {
    isEnding.store(false, ordering: .relaxed)
    var reader = SignalReader(state, kernel)
    // What cannot be read is said on the screen that stays.
    var reading = try reader.readNow()
    let screen = Screen()
    defer { screen.close() }
    while true {
        screen.draw(reading, colour: colour)
        guard !screen.waitForEnd(milliseconds: 1000) else { return }
        reading = try reader.readNow()
    }
}

/// Two readings, a second apart: the table's lines, or that nothing is in force.
public func topOnce(
    _ state: StateDirectory, _ kernel: any PolicyKernel
) throws(CommitFailure) -> (reading: SignalReading?, lines: [String]) {
    var reader = SignalReader(state, kernel)
    guard try reader.readNow() != nil else { return (nil, [nothingInForce]) }
    usleep(1_000_000)
    guard let reading = try reader.readNow() else { return (nil, [nothingInForce]) }
    return (reading, SignalTable(reading, nowEpochSeconds: Int64(time(nil))).lines())
}

private let nothingInForce = "no policy is in force: there is no table `weir`"

extension SignalReader {
    fileprivate mutating func readNow() throws(CommitFailure) -> SignalReading? {
        try read(nowEpochSeconds: Int64(time(nil)), milliseconds: bootTimeMilliseconds())
    }
}

/// The terminal, without echo and line editing, on its other screen.
private final class Screen {
    private var before = termios()
    private let hasTerminal: Bool
    private var handlers: [(Int32, __sighandler_t?)] = []

    init() {
        hasTerminal = unsafe tcgetattr(STDIN_FILENO, &before) == 0
        if hasTerminal {
            var raw = before
            // Ctrl-C comes as a character: whoever else listens for the signal is left alone.
            raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
            _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        }
        for number in [SIGTERM, SIGHUP] {
            handlers.append(
                (number, signal(number) { _ in isEnding.store(true, ordering: .relaxed) }))
        }
        put("\u{1B}[?1049h\u{1B}[?25l")
    }

    func close() {
        put("\u{1B}[?25h\u{1B}[?1049l")
        if hasTerminal { _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &before) }
        for (number, handler) in handlers { _ = signal(number, handler) }
    }

    func draw(_ reading: SignalReading?, colour: Bool) {
        var size = winsize()
        let isKnown = unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 0
        let (rows, columns) = isKnown ? (Int(size.ws_row), Int(size.ws_col)) : (24, 80)
        var lines = [nothingInForce]
        if let reading {
            lines = SignalTable(reading, nowEpochSeconds: Int64(time(nil))).lines(
                maximumRows: rows - 6
            ) { text, code in colour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
        }
        lines.append("q ends")
        put(
            "\u{1B}[H"
                + lines.prefix(rows).map { Self.cut($0, columns) + "\u{1B}[K" }
                .joined(separator: "\r\n") + "\u{1B}[J")
    }

    /// At most so many columns; colour codes take none.
    private static func cut(_ line: String, _ columns: Int) -> String {
        var out = ""
        var width = 0
        var isCode = false
        for character in line {
            if character == "\u{1B}" { isCode = true }
            if !isCode {
                guard width < columns else { continue }
                width += 1
            }
            out.append(character)
            if isCode, character == "m" { isCode = false }
        }
        return out
    }

    /// Waits; true where the operator, or anybody, wants an end.
    func waitForEnd(milliseconds: Int64) -> Bool {
        let end = bootTimeMilliseconds() + milliseconds
        while true {
            if isEnding.load(ordering: .relaxed) { return true }
            let left = end - bootTimeMilliseconds()
            guard left > 0 else { return false }
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&input, 1, Int32(clamping: min(left, 200))) > 0 else { continue }
            var byte: UInt8 = 0
            guard unsafe read(STDIN_FILENO, &byte, 1) == 1 else { return true }
            // q, Q, Ctrl-C, Ctrl-D
            if [UInt8(ascii: "q"), UInt8(ascii: "Q"), 3, 4].contains(byte) { return true }
        }
    }

    private func put(_ text: String) {
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let start = offset
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(STDOUT_FILENO, buffer.baseAddress! + start, bytes.count - start)
            }
            guard count > 0 else { return }
            offset += count
        }
    }
}
