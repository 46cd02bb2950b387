// SPDX-License-Identifier: GPL-3.0-or-later
//
// The files of a policy set with edits made in memory: an immutable snapshot, so that undo is
// going back to the one before. Files are parsed once; an edit parses the one file it touches, and
// every byte outside the declaration it is about stays as it is.

public import WeirDiagnostics
import WeirInventory
import WeirModel
public import WeirResolve
public import WeirSyntax

/// One policy file of a draft.
public struct DraftFile: Sendable {
    public let path: String
    public let parsed: ParsedFile
    /// Of the bytes; kept, since a commit asks for it several times.
    let hash: String

    init(path: String, parsed: ParsedFile) {
        self.path = path
        self.parsed = parsed
        hash = contentHash(of: parsed.tree.source.bytes)
    }

    public var text: SourceText { parsed.tree.source }
    public var bytes: [UInt8] { text.bytes }
}

/// A policy set's files, as they are or as they would be.
public struct PolicyDraft: Sendable {
    /// The directory of the policy set, or its one file, as the operator gave it.
    public let root: String
    let isSingleFile: Bool
    /// By path.
    public private(set) var files: [String: DraftFile] = [:]
    private(set) var inventories = InventoryCache()
    /// What could not be read.
    private let readFindings: [Diagnostic]
    private var nextSource: Int
    /// weir's own patterns, the first source of every draft.
    private static let library = parse(PatternLibrary.source, id: SourceID(index: 0))

    /// Reads the files of a policy set.
    public init(reading root: String, tree: any PolicySource = WorkTree()) {
        self.root = root
        isSingleFile = tree.kind(of: root) == .file
        let (texts, findings) = PolicySetLoader(tree: tree).texts(root)
        readFindings = findings
        nextSource = 1
        for text in texts { put(text) }
        inventories.read(files.values.sorted { $0.path < $1.path }, tree, &nextSource)
    }

    /// Takes over another draft's parsed files and inventories where their bytes are the same.
    public init(rereading old: PolicyDraft, tree: any PolicySource = WorkTree()) {
        root = old.root
        isSingleFile = old.isSingleFile
        let (texts, findings) = PolicySetLoader(tree: tree).texts(old.root)
        readFindings = findings
        nextSource = old.nextSource
        for text in texts {
            if let known = old.files[text.name], known.bytes == text.bytes {
                files[text.name] = known
            } else {
                put(text, like: old.files[text.name])
            }
        }
        inventories.read(
            files.values.sorted { $0.path < $1.path }, tree, &nextSource, known: old.inventories)
    }

    private mutating func put(_ text: SourceText, like known: DraftFile? = nil) {
        let id = (known ?? files[text.name])?.parsed.file.source ?? takeSource()
        files[text.name] = DraftFile(path: text.name, parsed: parse(text, id: id))
    }

    private mutating func takeSource() -> SourceID {
        nextSource += 1
        return SourceID(index: nextSource - 1)
    }

    // MARK: Content

    /// All texts by path: the policy files and the inventories they name.
    public var contents: [String: [UInt8]] {
        var result = files.mapValues(\.bytes)
        for text in inventories.texts.values { result[text.name] = text.bytes }
        return result
    }

    /// Policy files whose bytes differ from another draft's; those that only one has are included.
    public func changedPaths(from other: PolicyDraft) -> [String] {
        Set(files.keys).union(other.files.keys)
            .filter { files[$0]?.bytes != other.files[$0]?.bytes }.sorted()
    }

    /// Content hashes of the policy files and the inventories, by path.
    var hashes: [String: String] {
        files.mapValues(\.hash).merging(inventories.hashes) { a, _ in a }
    }

    /// The hash of the whole content, as in a ``Revision``.
    var revisionHash: String { contentHash(ofFiles: hashes, root: root) }

    public var sources: SourceMap {
        var texts = [SourceText](repeating: SourceText(name: "", ""), count: nextSource)
        texts[0] = PatternLibrary.source
        for file in files.values { texts[file.parsed.file.source.index] = file.text }
        for (id, text) in inventories.texts { texts[id.index] = text }
        var map = SourceMap()
        for text in texts { _ = map.add(text) }
        return map
    }

    /// Resolves the draft as ``PolicySetLoader`` does what is on disk.
    public func load() -> LoadedPolicySet {
        var resolution: Resolution?
        return load(&resolution)
    }

    /// As ``load()``, going on from an earlier resolution where that can be done.
    func load(_ resolution: inout Resolution?) -> LoadedPolicySet {
        let ordered = files.values.sorted { $0.path < $1.path }
        let parsed = ordered.map(\.parsed)
        var findings = readFindings + parsed.flatMap(\.diagnostics)
        let (landscape, isComplete, found) = inventories.landscape(of: ordered)
        findings += found
        let sources = self.sources
        guard isComplete, !files.isEmpty else {
            return LoadedPolicySet(
                sources: sources, files: parsed, inventories: inventories.paths,
                landscape: landscape, policySet: nil, diagnostics: findings)
        }
        let trees = parsed.map(\.file)
        let damagedNames = Set(parsed.flatMap(\.damagedNames).map(\.text))
        let resolved =
            resolution.flatMap {
                Resolution(
                    from: $0, files: trees, landscape: landscape, sources: sources,
                    damagedNames: damagedNames)
            }
            ?? Resolution(
                files: trees, landscape: landscape, sources: sources,
                damagedNames: damagedNames, library: Self.library.file)
        resolution = resolved
        findings += resolved.diagnostics
        return LoadedPolicySet(
            sources: sources, files: parsed, inventories: inventories.paths, landscape: landscape,
            policySet: findings.hasErrors ? nil : resolved.policySet, diagnostics: findings)
    }

    // MARK: Finding

    /// The file and place of a declaration.
    public func find(_ name: DeclarationName) -> (file: DraftFile, range: SourceRange)? {
        for file in files.values {
            if let range = file.parsed.range(of: name) { return (file, range) }
        }
        return nil
    }

    /// The text of a declaration as it stands in its file.
    public func text(of name: DeclarationName) -> String? {
        find(name).map { $0.file.text.text(in: $0.range.bytes) }
    }

    /// All declarations, in the order of files and of places.
    public var declarations: [NamedDeclaration] {
        files.values.sorted { $0.path < $1.path }.flatMap(\.parsed.namedDeclarations)
    }

    /// Layers from the top, as the `layers` block says.
    public var layerNames: [String] {
        for file in files.values {
            for case .layers(let block) in file.parsed.file.declarations {
                return block.entries.map(\.name.text)
            }
        }
        return []
    }

    // MARK: Editing

    /// The path of a file that an edit names; `live.weir` where it names none.
    public func path(ofNew file: String?) -> String {
        if isSingleFile { return root }
        let name = file ?? "live.weir"
        if name.hasPrefix("/") || files[name] != nil { return name }
        return root.hasSuffix("/") ? root + name : root + "/" + name
    }

    /// Makes an edit.
    /// - Returns: the edit with ``StagedEdit/before`` filled in.
    @discardableResult
    public mutating func apply(_ edit: StagedEdit) throws(StagingError) -> StagedEdit {
        var edit = edit
        edit.before = text(of: edit.name)
        switch edit.change {
        case .put(let name, let text, let isVerbatim):
            if let (file, range) = find(name) {
                let edits = SyntaxEdits(file.parsed)
                replace(
                    file,
                    isVerbatim
                        ? TextEdit(range: range, replacement: text)
                        : edits.replacing(range, with: text))
            } else {
                add(name, text, to: path(ofNew: edit.file))
            }
        case .drop(let name):
            guard let (file, range) = find(name) else { throw unknown(name) }
            replace(file, SyntaxEdits(file.parsed).removingTidily(range))
        case .rename(let layer, let from, let to):
            try rename(layer: layer, from, to)
        }
        return edit
    }

    private mutating func replace(_ file: DraftFile, _ edits: TextEdit...) {
        put(SourceText(name: file.path, bytes: SyntaxEdits(file.parsed).applying(edits)))
    }

    private mutating func add(_ name: DeclarationName, _ text: String, to path: String) {
        if files[path] == nil { put(SourceText(name: path, bytes: [])) }
        guard let file = files[path] else { return }
        let edits = SyntaxEdits(file.parsed)
        if case .policy(let layer, _) = name {
            replace(file, edits.adding(policy: text, toLayer: layer))
        } else {
            replace(file, edits.appending(text))
        }
    }

    private func unknown(_ name: DeclarationName) -> StagingError {
        let names = declarations.map(\.name.text)
        let near = nearestName(to: name.text, among: names)
        return StagingError(
            "there is no \(quoted(name.text))",
            help: near.map { "did you mean \(quoted($0))?" } ?? "`\\stage` lists what is staged")
    }

    private mutating func rename(
        layer: String, _ from: String, _ to: String
    ) throws(StagingError) {
        guard find(.policy(layer: layer, name: from)) != nil else {
            throw unknown(.policy(layer: layer, name: from))
        }
        guard find(.policy(layer: layer, name: to)) == nil else {
            throw StagingError(
                "there is already a policy \(quoted("\(layer).\(to)"))",
                help: "drop that one first, or choose another name")
        }
        let isBareUnique =
            declarations.count {
                if case .policy(_, from) = $0.name { true } else { false }
            } == 1
        for file in files.values {
            let places = file.parsed.references(
                toPolicy: from, in: layer, orBare: isBareUnique)
            guard !places.isEmpty else { continue }
            let edits = places.map { TextEdit(range: $0, replacement: spelling(of: to)) }
            put(SourceText(name: file.path, bytes: SyntaxEdits(file.parsed).applying(edits)))
        }
    }

    /// Makes text edits of any files; those of one file must not overlap.
    mutating func apply(_ edits: [TextEdit]) {
        let bySource = Dictionary(grouping: edits) { $0.range.source }
        for file in files.values {
            if let own = bySource[file.parsed.file.source] { edit(file.path, own) }
        }
    }

    /// Makes text edits in one file.
    mutating func edit(_ path: String, _ edits: [TextEdit]) {
        guard let file = files[path] else { return }
        put(SourceText(name: path, bytes: SyntaxEdits(file.parsed).applying(edits)))
    }
}
