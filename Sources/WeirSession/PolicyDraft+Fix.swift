// SPDX-License-Identifier: GPL-3.0-or-later
//
// A fix as staged edits: text edits hold for one text only, while staged edits are of declarations
// and survive what others do to the files.

public import WeirDiagnostics

extension PolicyDraft {
    /// The edits of declarations that come to the same as a fix of this draft.
    public func stagedEdits(making fix: FixIt) -> [StagedEdit] {
        var next = self
        next.apply(fix.edits)
        let old = Dictionary(declarations.map { ($0.name, text(of: $0.name)) }) { a, _ in a }
        var edits: [StagedEdit] = []
        let left = Set(next.declarations.map(\.name))
        for declaration in next.declarations {
            let name = declaration.name
            guard let (file, range) = next.find(name) else { continue }
            let new = file.text.text(in: range.bytes)
            if let before = old[name] {
                if before != new {
                    edits.append(StagedEdit(.put(name, text: new, isVerbatim: true)))
                }
            } else {
                let column = file.text.position(at: range.start).column
                let lines = new.split(separator: "\n", omittingEmptySubsequences: false)
                let text = lines.enumerated().map { index, line in
                    index == 0 ? line : line.dropFirst(column - 1)
                }.joined(separator: "\n")
                edits.append(
                    StagedEdit(.put(name, text: text, isVerbatim: false), file: file.path))
            }
        }
        for declaration in declarations where !left.contains(declaration.name) {
            edits.append(StagedEdit(.drop(declaration.name)))
        }
        return edits
    }
}
