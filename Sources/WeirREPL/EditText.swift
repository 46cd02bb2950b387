// SPDX-License-Identifier: GPL-3.0-or-later
//
// Opens the operator's editor on a text.

import Glibc
import WeirSession

/// The text as the editor left it; nil where the editor failed.
func editText(_ text: String) -> String? {
    var template = Array("/tmp/weir-edit-XXXXXX.weir".utf8CString)
    let descriptor = unsafe mkstemps(&template, 5)
    guard descriptor >= 0 else { return nil }
    close(descriptor)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { _ = unsafe unlink(path) }
    guard (try? DurableFile.write(Array((text + "\n").utf8), to: path)) != nil else { return nil }
    let names: [String] = ["VISUAL", "EDITOR"]
    let variables = names.compactMap { name in
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
    let editor = variables.first { !$0.isEmpty } ?? "vi"
    // Through the shell: EDITOR may hold arguments.
    guard unsafe system("\(editor) \(path)") == 0,
        let bytes = (try? DurableFile.read(path)) ?? nil
    else { return nil }
    var result = String(decoding: bytes, as: UTF8.self)
    while result.last?.isWhitespace == true { result.removeLast() }
    return result
}
