// SPDX-License-Identifier: GPL-3.0-or-later
//
// The operation log and the policies behind each entry: what `history` shows, what `rollback` and
// a commit that was not confirmed go back to. Files are kept once by their content, so that an
// entry costs as much as what changed.

import FoundationEssentials
import Glibc

/// What was done to the policies in force.
public struct RecordedRevision: Codable, Sendable, Equatable {
    public enum Operation: String, Codable, Sendable {
        case apply, commit, rollback, enable, disable, expired, remove
    }
    /// Counts on from 1.
    public var number = 0
    /// Of the commit that made it; tells a repeated recovery from a new one.
    public var id: String
    public var epochSeconds: Int64
    public var who: String
    public var operation: Operation
    public var message: String
    /// The policy set's path, absolute.
    public var root: String
    public var contentHash: String
    public var gitCommit: String
    /// Policies as `layer.policy`.
    public var added: [String] = []
    public var changed: [String] = []
    public var removed: [String] = []
    /// Content hash of every file by absolute path; inventories too.
    public var files: [String: String]
    public var enabled: [EnabledPolicy] = []
    /// The revision that a rollback went back to.
    public var restores: Int?
    /// Where weir stood; nil in entries of before this was written down, and for nothing in force.
    public var onHost: Bool?

    /// One word a policy: `+a.b ~a.c -a.d`.
    public var changeSummary: String {
        (added.map { "+" + $0 } + changed.map { "~" + $0 } + removed.map { "-" + $0 })
            .joined(separator: " ")
    }
}

/// Revisions under the state directory.
public struct RevisionStore: Sendable {
    private let state: StateDirectory

    public init(_ state: StateDirectory) { self.state = state }

    private var directory: String { state.path + "/revisions" }
    private var objects: String { state.path + "/objects" }

    /// All entries, the newest first.
    public func all() -> [RecordedRevision] { numbers().reversed().compactMap { self[$0] } }

    public subscript(number: Int) -> RecordedRevision? {
        StateDocument.read(RecordedRevision.self, "\(directory)/\(number).json")
    }

    public var latest: RecordedRevision? { numbers().last.flatMap { self[$0] } }

    /// The newest entry with some content.
    public func latest(contentHash: String) -> RecordedRevision? {
        for number in numbers().reversed() {
            if let entry = self[number], entry.contentHash == contentHash { return entry }
        }
        return nil
    }

    private func numbers() -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.filter { $0.hasSuffix(".json") }.compactMap { Int($0.dropLast(5)) }.sorted()
    }

    /// Keeps the bytes of files; returns their hashes by path.
    func keep(
        _ contents: [String: [UInt8]], hashes known: [String: String]? = nil
    ) throws(FileFailure) -> [String: String] {
        make(objects)
        var hashes: [String: String] = [:]
        for (path, bytes) in contents {
            let hash = known?[path] ?? WeirSession.contentHash(of: bytes)
            hashes[absolutePath(path)] = hash
            let object = "\(objects)/\(hash)"
            guard unsafe access(object, F_OK) != 0 else { continue }
            try DurableFile.write(bytes, to: object, mode: 0o600)
        }
        return hashes
    }

    /// Adds an entry; one with the same id is there only once.
    @discardableResult
    func add(_ entry: RecordedRevision) throws(FileFailure) -> RecordedRevision {
        make(directory)
        if let latest, latest.id == entry.id { return latest }
        var entry = entry
        entry.number = (numbers().last ?? 0) + 1
        try StateDocument.write(entry, "\(directory)/\(entry.number).json")
        return entry
    }

    /// The bytes of a kept file.
    func object(_ hash: String) -> [UInt8]? { (try? DurableFile.read("\(objects)/\(hash)")) ?? nil }

    /// The files of an entry by absolute path; nil where one is lost.
    func contents(of entry: RecordedRevision) -> [String: [UInt8]]? {
        var result: [String: [UInt8]] = [:]
        for (path, hash) in entry.files {
            guard let bytes = object(hash), WeirSession.contentHash(of: bytes) == hash else {
                return nil
            }
            result[path] = bytes
        }
        return result
    }

    private func make(_ directory: String) {
        try? FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }
}
