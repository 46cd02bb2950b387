// SPDX-License-Identifier: GPL-3.0-or-later
//
// The corpus: policy files beside what is expected of them. With WEIR_RECORD set, expectations are
// written anew and the tests that wrote them fail, so that nobody records without noticing.

import FoundationEssentials
import Testing
import WeirDiagnostics
import WeirSyntax

enum Corpus {
    static let directory =
        #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Corpus"
    static var isRecording: Bool { ProcessInfo.processInfo.environment["WEIR_RECORD"] != nil }

    /// Names of the `.weir` files in a folder, without the extension, sorted.
    static func names(_ folder: String) -> [String] {
        let files =
            (try? FileManager.default.contentsOfDirectory(atPath: "\(directory)/\(folder)")) ?? []
        return files.filter { $0.hasSuffix(".weir") }.map { String($0.dropLast(5)) }.sorted()
    }

    static func read(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: "\(directory)/\(path)")))
    }

    static func source(_ path: String) throws -> SourceText {
        SourceText(name: path, bytes: try read(path))
    }

    /// Compares with an expectation on disk, or records it and fails.
    static func expect(
        _ actual: String, in path: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let known = (try? read(path)).map { String(decoding: $0, as: UTF8.self) }
        if isRecording, known != actual {
            try Data(actual.utf8).write(to: URL(filePath: "\(directory)/\(path)"))
            Issue.record(
                "recorded \(path): read it, then run again", sourceLocation: sourceLocation)
            return
        }
        #expect(known == actual, "\(path)", sourceLocation: sourceLocation)
    }
}

/// Diagnostics as the corpus keeps them: `line:col-line:col: severity[code]: message`, then help,
/// related places and fixes, indented.
func rendered(_ diagnostics: [Diagnostic], in text: SourceText) -> String {
    func place(_ range: SourceRange?) -> String {
        guard let range else { return "nowhere" }
        let start = text.position(at: range.start)
        let end = text.position(at: range.end)
        return end.line == start.line
            ? "\(start.line):\(start.column)-\(end.column)"
            : "\(start.line):\(start.column)-\(end.line):\(end.column)"
    }
    var out = ""
    for diagnostic in diagnostics {
        out += "\(place(diagnostic.range)): \(diagnostic.severity)[\(diagnostic.code)]: "
        out += "\(diagnostic.message)\n"
        for related in diagnostic.related {
            out += "    \(place(related.range)): \(related.message)\n"
        }
        if let help = diagnostic.help { out += "    help: \(help)\n" }
        for fixIt in diagnostic.fixIts {
            out += "    fix: \(fixIt.message)\n"
            for edit in fixIt.edits {
                out += "        \(place(edit.range)): \(String(reflecting: edit.replacement))\n"
            }
        }
    }
    return out
}
