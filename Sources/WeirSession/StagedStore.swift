// SPDX-License-Identifier: GPL-3.0-or-later
//
// Staged work on disk: written at every line, so that a crash loses nothing that was typed. Each
// session has a file of its own, locked while it lives; a file whose session is gone is taken up
// by the next one of the same policy set.

import FoundationEssentials
import Glibc

/// The file of one session's staged edits.
public final class StagedStore {
    private struct Document: Codable {
        var version = 1
        var root: String
        var savedEpochSeconds: Int64
        var edits: [StagedEdit]
    }

    private let path: String
    private let root: String
    private let lock: Int32

    /// - Parameter root: the policy set's directory, absolute.
    public init(_ state: StateDirectory, root: String) throws(FileFailure) {
        let directory = state.path + "/staged"
        do {
            try state.prepare()
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw FileFailure("make", directory, EACCES)
        }
        self.root = root
        let name = "\(directory)/\(currentTimeNanoseconds())-\(getpid())"
        path = name + ".json"
        lock = unsafe open(name + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard lock >= 0 else { throw FileFailure("write", name + ".lock", errno) }
        _ = flock(lock, LOCK_EX | LOCK_NB)
    }

    deinit {
        let edits = StateDocument.read(Document.self, path)?.edits ?? []
        if edits.isEmpty {
            _ = unsafe unlink(path)
            _ = unsafe unlink(path.dropLast(5) + ".lock")
        }
        // Closing alone would leave it to a program that is just being started by another thread.
        flock(lock, LOCK_UN)
        close(lock)
    }

    /// Where the edits are kept, for the journal of a commit.
    var documentPath: String { path }

    public func save(_ edits: [StagedEdit]) throws(FileFailure) {
        if edits.isEmpty {
            try DurableFile.remove(path)
        } else {
            try StateDocument.write(
                Document(
                    root: root, savedEpochSeconds: Int64(time(nil)), edits: edits), path)
        }
    }

    /// Puts other edits into a session's document; none removes it.
    static func replace(_ path: String, with edits: [StagedEdit]) throws(FileFailure) {
        guard !edits.isEmpty else { return try DurableFile.remove(path) }
        guard var document = StateDocument.read(Document.self, path) else { return }
        document.edits = edits
        try StateDocument.write(document, path)
    }

    /// Staged edits of sessions of this policy set that have ended without committing them; the
    /// oldest first. They belong to this session then.
    public func takeAbandoned() -> [[StagedEdit]] {
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        var found: [[StagedEdit]] = []
        for name in names.sorted() where name.hasSuffix(".json") {
            let other = directory + "/" + name
            let lockPath = other.dropLast(5) + ".lock"
            guard other != path, let document = StateDocument.read(Document.self, other),
                document.root == root
            else { continue }
            let descriptor = unsafe open(String(lockPath), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { continue }
            found.append(document.edits)
            abandoned.append((other, String(lockPath)))
        }
        return found
    }

    private var abandoned: [(document: String, lock: String)] = []

    /// Removes what ``takeAbandoned`` found, once it is saved here.
    public func forgetAbandoned() {
        for (document, lock) in abandoned {
            try? DurableFile.remove(document)
            try? DurableFile.remove(lock)
        }
        abandoned = []
    }
}
