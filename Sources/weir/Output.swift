// SPDX-License-Identifier: GPL-3.0-or-later
//
// Everything the command prints goes through here: results to standard output, messages to
// standard error, colour only on a terminal that has not asked for none.

import FoundationEssentials
import Glibc
import WeirDiagnostics

/// Exit statuses of the command, as the manual promises them.
enum ExitStatus: Int32 {
    case success = 0
    /// Findings of severity error, or a refused commit.
    case refused = 1
    /// Usage, unreadable input, no permission.
    case unusable = 2
}

/// Ends the command with a status; what there was to say has been said.
struct Stop: Error {
    let status: ExitStatus

    init(_ status: ExitStatus) { self.status = status }
}

enum Output {
    static let colourOnError = isatty(STDERR_FILENO) == 1 && !noColour
    static let colourOnOutput = isatty(STDOUT_FILENO) == 1 && !noColour

    private static var noColour: Bool {
        !(ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
    }

    /// Writes a result, a line at a time or whole, to standard output.
    static func write(_ text: String, terminator: String = "\n") {
        put(text + terminator, STDOUT_FILENO)
    }

    static func message(_ text: String) { put(text + "\n", STDERR_FILENO) }

    static func error(_ text: String, help: String? = nil) {
        let label = colourOnError ? "\u{1B}[1;31merror\u{1B}[0m" : "error"
        message("\(label): \(text)")
        if let help { message("  = help: \(help)") }
    }

    /// Diagnostics for a person, most severe last so that it stands next to the prompt.
    static func diagnostics(_ list: [Diagnostic], _ sources: SourceMap) {
        let renderer = TextRenderer(sources: sources, colour: colourOnError)
        let ordered = list.enumerated().sorted {
            ($0.element.severity, $0.offset) < ($1.element.severity, $1.offset)
        }
        for (_, diagnostic) in ordered { message(renderer.render(diagnostic)) }
    }

    private static func put(_ text: String, _ descriptor: Int32) {
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count {
            let written = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(descriptor, buffer.baseAddress! + offset, bytes.count - offset)
            }
            guard written > 0 else { return }
            offset += written
        }
    }
}

/// Standard output for text that is made piece by piece; written in large pieces.
struct OutputStream: TextOutputStream {
    private var pending = ""

    mutating func write(_ text: String) {
        pending += text
        if pending.utf8.count > 65_536 { flush() }
    }

    mutating func flush() {
        Output.write(pending, terminator: "")
        pending = ""
    }
}
