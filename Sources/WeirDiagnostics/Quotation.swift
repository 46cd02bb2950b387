// SPDX-License-Identifier: GPL-3.0-or-later
//
// How the operator's own text appears in a message, whatever is in it: a file may hold anything,
// and a message must not make a terminal do what a file says.

/// Text of the operator's in backticks: on one line, control characters escaped, cut after 64
/// characters.
public func quoted(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars.prefix(64) {
        if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
            shown += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
    return "`\(shown)\(text.unicodeScalars.count > 64 ? "…" : "")`"
}
