// SPDX-License-Identifier: GPL-3.0-or-later
//
// The typed view as text without places: what two files must agree in to mean the same.

import WeirDiagnostics
import WeirSyntax

/// A value's case names and fields; on one line where it is short, otherwise indented. Ranges are
/// left out.
func outline(_ value: Any) -> String {
    Outline(value).text(indentation: "") + "\n"
}

private struct Outline {
    var head: String
    var parts: [Outline] = []
    var isList = false

    init(_ value: Any) {
        if let name = value as? Name {
            head = "`\(name.text)`"
            return
        }
        if let days = value as? Set<Int> {
            head = "\(days.sorted())"
            return
        }
        let mirror = Mirror(reflecting: value)
        switch mirror.displayStyle {
        case .optional:
            guard let inner = mirror.children.first else {
                head = "nil"
                return
            }
            self = Outline(inner.value)
        case .enum:
            guard let inner = mirror.children.first else {
                head = "\(value)"
                return
            }
            head = inner.label ?? ""
            if inner.value is SourceRange { return }
            let payload = Outline(inner.value)
            parts = payload.head.isEmpty && !payload.isList ? payload.parts : [payload]
        case .struct, .tuple:
            head = mirror.displayStyle == .tuple ? "" : "\(mirror.subjectType)"
            parts = mirror.children.compactMap { Outline(labelled: $0) }
        case .collection:
            head = ""
            isList = true
            parts = mirror.children.map { Outline($0.value) }
        default: head = "\(value)"
        }
    }

    private init?(labelled child: Mirror.Child) {
        if child.value is SourceRange || child.value is SourceID { return nil }
        self.init(child.value)
        if let label = child.label, !label.hasPrefix(".") { head = "\(label): \(head)" }
    }

    /// Everything on one line; nil if that would be long.
    private func line() -> String? {
        if parts.isEmpty { return head + (isList ? "[]" : "") }
        var out = head + (isList ? "[" : "(")
        for (index, part) in parts.enumerated() {
            guard let line = part.line(), out.count + line.count <= 100 else { return nil }
            out += (index == 0 ? "" : ", ") + line
        }
        return out + (isList ? "]" : ")")
    }

    func text(indentation: String) -> String {
        if let line = line(), indentation.count + line.count <= 100 { return indentation + line }
        let inner = parts.map { $0.text(indentation: indentation + "  ") }
        return indentation + (head.isEmpty ? "-" : head) + "\n" + inner.joined(separator: "\n")
    }
}
