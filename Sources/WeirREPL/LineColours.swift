// SPDX-License-Identifier: GPL-3.0-or-later
//
// The typed line with colours, for the terminal only: the text itself is never touched.

import WeirDiagnostics
import WeirSyntax

/// A line as it is to be shown: the same characters with colour codes between them.
public func coloured(_ line: String) -> String {
    if line.drop(while: { $0 == " " }).first == "\\" {
        let name = line.prefix { !$0.isWhitespace || $0 == " " && false }
        let isKnown = PromptCommand(rawValue: String(name.dropFirst())) != nil
        return "\u{1B}[\(isKnown ? "1;36" : "31")m\(name)\u{1B}[0m" + line.dropFirst(name.count)
    }
    // A policy is classified as it stands in a layer, where it belongs.
    let head = line.split(whereSeparator: \.isWhitespace).first == "policy" ? "layer x { " : ""
    let bytes = Array((head + line).utf8)
    var out: [UInt8] = []
    var position = head.utf8.count
    for (range, tokenClass) in classify(SourceText(name: "typed", bytes: bytes)) {
        guard range.lowerBound >= position else { continue }
        out += bytes[position..<range.lowerBound]
        let code = codes[tokenClass] ?? ""
        if !code.isEmpty { out += "\u{1B}[\(code)m".utf8 }
        out += bytes[range]
        if !code.isEmpty { out += "\u{1B}[0m".utf8 }
        position = range.upperBound
    }
    out += bytes[position...]
    return String(decoding: out, as: UTF8.self)
}

private let codes: [TokenClass: String] = [
    .keyword: "1;34", .number: "35", .unit: "35", .address: "36", .string: "32", .comment: "2",
    .error: "31",
]
