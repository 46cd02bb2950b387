// SPDX-License-Identifier: GPL-3.0-or-later
//
// From a path to a policy set: find the files, read and parse them, read the inventories they
// name, resolve. Whatever cannot be read is a finding like any other; loading itself never fails.

public import WeirDiagnostics
import WeirInventory
public import WeirModel
public import WeirSyntax

/// Everything that was read for one policy set.
public struct LoadedPolicySet: Sendable {
    /// All texts: the policy files in the order of ``files``, the inventories, and weir's own
    /// library of patterns (`SourceText.isBuiltIn`).
    public let sources: SourceMap
    /// The parsed policy files, by path.
    public let files: [ParsedFile]
    /// Paths of the inventories that were named and read, each once.
    public let inventories: [String]
    public let landscape: Landscape
    /// nil where a finding is an error: then nothing may be applied.
    public let policySet: PolicySet?
    /// Of reading, parsing, the inventories and resolution, in this order.
    public let diagnostics: [Diagnostic]
}

/// Loads policy sets from a tree of files.
public struct PolicySetLoader {
    /// Directories deeper than this below the policy set are not looked at.
    static let depthLimit = 32
    /// More policy files than this are an error: somebody pointed at the wrong directory.
    static let fileLimit = 10_000

    private let tree: any PolicySource

    public init(tree: any PolicySource = WorkTree()) { self.tree = tree }

    /// Loads a policy set: a directory, with every `*.weir` below it, or a single file.
    ///
    /// Hidden files and directories (whose name starts with a dot) are left out, and so are
    /// symbolic links to directories; links to files are followed.
    public func load(_ path: String) -> LoadedPolicySet {
        var findings: [Diagnostic] = []
        var sources = SourceMap()
        var files: [ParsedFile] = []
        for file in paths(under: path, &findings) {
            guard let bytes = read(file, "policy file", at: nil, &findings) else { continue }
            let text = SourceText(name: file, bytes: bytes)
            files.append(parse(text, id: sources.add(text)))
        }
        findings += files.flatMap(\.diagnostics)
        let (landscape, inventories) = readInventories(of: files, &sources, &findings)
        // Without its inventory every name would be unknown: the message would drown.
        var policySet: PolicySet?
        let library = parse(
            PatternLibrary.source, id: sources.add(PatternLibrary.source))
        if inventories.isComplete, !files.isEmpty {
            let (resolved, found) = resolve(
                files: files.map(\.file), landscape: landscape, sources: sources,
                damagedNames: Set(files.flatMap(\.damagedNames).map(\.text)),
                library: library.file)
            findings += found
            policySet = findings.hasErrors ? nil : resolved
        }
        return LoadedPolicySet(
            sources: sources, files: files, inventories: inventories.paths, landscape: landscape,
            policySet: policySet, diagnostics: findings)
    }

    // MARK: finding files

    private func paths(under path: String, _ findings: inout [Diagnostic]) -> [String] {
        switch tree.kind(of: path) {
        case .file: return [path]
        case .directory: break
        case .missing:
            findings.append(unreadable("there is nothing at \(quoted(path))", at: nil))
            return []
        case .other(let what):
            findings.append(unreadable("\(quoted(path)) is \(what)", at: nil))
            return []
        }
        var found: [String] = []
        var pending = [(path: path, depth: 0)]
        while let directory = pending.popLast() {
            for name in entries(of: directory.path, &findings) where !name.hasPrefix(".") {
                let child =
                    directory.path.hasSuffix("/")
                    ? directory.path + name : directory.path + "/" + name
                switch tree.kind(of: child) {
                case .directory:
                    if !tree.isLink(child), directory.depth < Self.depthLimit {
                        pending.append((child, directory.depth + 1))
                    }
                case .file: if name.hasSuffix(".weir") { found.append(child) }
                case .missing: break
                case .other(let what):
                    if name.hasSuffix(".weir") {
                        findings.append(unreadable("\(quoted(child)) is \(what)", at: nil))
                    }
                }
            }
        }
        guard found.count <= Self.fileLimit else {
            findings.append(
                unreadable(
                    "\(quoted(path)) holds more than \(Self.fileLimit) policy files", at: nil))
            return []
        }
        if found.isEmpty, !findings.hasErrors {
            findings.append(
                Diagnostic(
                    .error, "no-policy-files", "there is no `*.weir` below \(quoted(path))",
                    at: nil, help: "give the directory of a policy set, or one of its files"))
        }
        return found.sorted()
    }

    private func entries(of directory: String, _ findings: inout [Diagnostic]) -> [String] {
        do throws(SourceReadError) {
            return try tree.entries(of: directory)
        } catch {
            findings.append(
                unreadable("cannot list \(quoted(directory)): \(error.message)", at: nil))
            return []
        }
    }

    private func read(
        _ path: String, _ what: String, at range: SourceRange?, _ findings: inout [Diagnostic]
    ) -> [UInt8]? {
        do throws(SourceReadError) {
            return try tree.read(path)
        } catch {
            findings.append(
                unreadable("cannot read \(what) \(quoted(path)): \(error.message)", at: range))
            return nil
        }
    }

    private func unreadable(_ message: String, at range: SourceRange?) -> Diagnostic {
        Diagnostic(
            .error, "unreadable", message, at: range, help: "check the path and its permissions")
    }

    // MARK: inventories

    private struct Inventories {
        var paths: [String] = []
        /// Whether every inventory that was named was read without error.
        var isComplete = true
    }

    private func readInventories(
        of files: [ParsedFile], _ sources: inout SourceMap, _ findings: inout [Diagnostic]
    ) -> (Landscape, Inventories) {
        var result = Inventories()
        var landscapes: [Landscape] = []
        for file in files {
            for case .landscape(let declaration) in file.file.declarations {
                let path = Self.path(
                    declaration.path.text, relativeTo: sources[file.file.source].name)
                guard !result.paths.contains(path) else { continue }
                result.paths.append(path)
                guard let bytes = inventory(path, at: declaration.path.range, &findings) else {
                    result.isComplete = false
                    continue
                }
                let text = SourceText(name: path, bytes: bytes)
                let (landscape, found) = readInventory(text, id: sources.add(text))
                findings += found
                result.isComplete = result.isComplete && !found.hasErrors
                landscapes.append(landscape)
            }
        }
        let (landscape, found) = merge(landscapes)
        findings += found
        return (landscape, result)
    }

    private func inventory(
        _ path: String, at range: SourceRange, _ findings: inout [Diagnostic]
    ) -> [UInt8]? {
        switch tree.kind(of: path) {
        case .file: return read(path, "inventory", at: range, &findings)
        case .missing:
            findings.append(unreadable("there is no inventory \(quoted(path))", at: range))
        case .directory:
            findings.append(unreadable("\(quoted(path)) is a directory", at: range))
        case .other(let what):
            findings.append(unreadable("\(quoted(path)) is \(what)", at: range))
        }
        return nil
    }

    /// A path as a file means it: relative to the directory of that file, `.` and `..` taken out.
    static func path(_ path: String, relativeTo file: String) -> String {
        let isAbsolute = path.hasPrefix("/") || file.hasPrefix("/")
        let base = path.hasPrefix("/") ? [] : file.split(separator: "/").dropLast()
        var parts: [Substring] = []
        for part in base + path.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." {
                parts.removeLast()
            } else if part != ".." || !isAbsolute {
                parts.append(part)
            }
        }
        return (isAbsolute ? "/" : "") + parts.joined(separator: "/")
    }
}
