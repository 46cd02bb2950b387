// SPDX-License-Identifier: GPL-3.0-or-later
//
// Inventories of a draft, read once: they are large, and editing policies does not change them.

import WeirDiagnostics
import WeirInventory
import WeirModel
import WeirResolve
import WeirSyntax

/// What the files of a draft name as their inventories.
struct InventoryCache: Sendable {
    private struct Entry: Sendable {
        let source: SourceID
        let text: SourceText
        let hash: String
        let landscape: Landscape
        let findings: [Diagnostic]
    }
    private var entries: [String: Entry] = [:]
    /// Of inventories that could not be read, by path.
    private var unreadable: [String: [Diagnostic]] = [:]
    /// The last merge: of which paths, and what came of it.
    private var merged: (paths: [String], landscape: Landscape, findings: [Diagnostic])?

    var paths: [String] { entries.keys.sorted() }

    /// Content hashes by path.
    var hashes: [String: String] { entries.mapValues(\.hash) }

    var texts: [SourceID: SourceText] {
        Dictionary(uniqueKeysWithValues: entries.values.map { ($0.source, $0.text) })
    }

    /// Reads every inventory that some files name, as far as it is not known with the same bytes.
    mutating func read(
        _ files: [DraftFile], _ tree: any PolicySource, _ nextSource: inout Int,
        known: InventoryCache = InventoryCache()
    ) {
        for (path, range) in Self.named(by: files) where entries[path] == nil {
            let (text, findings) = PolicySetLoader(tree: tree)
                .inventoryText(path, namedAt: range)
            guard let text else {
                unreadable[path] = findings
                continue
            }
            if let old = known.entries[path], old.text.bytes == text.bytes {
                entries[path] = old
                continue
            }
            let source = known.entries[path]?.source ?? SourceID(index: nextSource)
            if source.index == nextSource { nextSource += 1 }
            let (landscape, found) = readInventory(text, id: source)
            entries[path] = Entry(
                source: source, text: text, hash: contentHash(of: text.bytes),
                landscape: landscape, findings: found)
        }
        let paths = self.paths
        if let old = known.merged, old.paths == paths,
            paths.allSatisfy({ known.entries[$0]?.text.bytes == entries[$0]?.text.bytes })
        {
            merged = old
        } else {
            let (landscape, findings) = merge(paths.compactMap { entries[$0]?.landscape })
            merged = (paths, landscape, findings)
        }
    }

    /// The landscape that some files describe, whether all of it was read, and what is wrong.
    func landscape(of files: [DraftFile]) -> (Landscape, isComplete: Bool, [Diagnostic]) {
        let named = Self.named(by: files)
        var findings: [Diagnostic] = []
        var isComplete = true
        for (path, range) in named {
            let found =
                entries[path]?.findings ?? unreadable[path]
                ?? [
                    Diagnostic(
                        .error, "unreadable", "inventory \(quoted(path)) was not read",
                        at: range, help: "commit the `landscape` line, or start again with it")
                ]
            findings += found
            isComplete = isComplete && !found.hasErrors
        }
        let paths = Set(named.map(\.path)).intersection(entries.keys).sorted()
        if let merged, merged.paths == paths {
            return (merged.landscape, isComplete, findings + merged.findings)
        }
        let (landscape, found) = merge(paths.compactMap { entries[$0]?.landscape })
        return (landscape, isComplete, findings + found)
    }

    /// Each inventory once, with the first place that names it.
    private static func named(by files: [DraftFile]) -> [(path: String, range: SourceRange)] {
        var found: [(path: String, range: SourceRange)] = []
        for file in files {
            for case .landscape(let declaration) in file.parsed.file.declarations {
                let path = PolicySetLoader.path(
                    declaration.path.text, relativeTo: file.path)
                if !found.contains(where: { $0.path == path }) {
                    found.append((path, declaration.path.range))
                }
            }
        }
        return found
    }
}
