// SPDX-License-Identifier: GPL-3.0-or-later
//
// What weir asks of git, through the program itself: its configuration, hooks and signing are the
// operator's and must go on working.

import FoundationEssentials

/// The repository that a policy set lies in.
public enum GitRepository {
    /// What git says of a place.
    public enum Presence: Equatable, Sendable {
        case repository(topLevel: String)
        case none
        /// There is one, but git does not work with it; why, in git's words.
        case unusable(String)
    }

    /// git's own words about what it did not do.
    public struct Failure: Error, Equatable, Sendable {
        public let message: String
    }

    /// The commit that is checked out where a path lies; nil outside a repository, before its first
    /// commit, or without git.
    public static func head(containing path: String) -> String? {
        guard let result = git(path, "rev-parse", "--verify", "--quiet", "HEAD"), result.succeeded
        else { return nil }
        let text = result.text.filter { !$0.isWhitespace }
        return text.isEmpty ? nil : text
    }

    public static func presence(containing path: String) -> Presence {
        guard let result = git(path, "rev-parse", "--show-toplevel", merged: true) else {
            return .none
        }
        let text = result.text.trimmingSuffixWhitespace
        if result.succeeded { return .repository(topLevel: text) }
        return text.contains("not a git repository") ? .none : .unusable(firstLine(text))
    }

    /// Whether git knows who commits.
    static func identityProblem(at path: String) -> Failure? {
        guard let result = git(path, "var", "GIT_COMMITTER_IDENT", merged: true) else {
            return Failure(message: "git cannot be started")
        }
        return result.succeeded ? nil : Failure(message: firstLine(result.text))
    }

    /// Commits exactly some files, whatever else is in the index.
    /// - Parameter paths: absolute; those that do not exist are committed as removed.
    /// - Returns: the commit; nil where HEAD holds the files as they are.
    static func commit(
        _ paths: [String], at root: String, message: String, revision: String
    ) throws(Failure) -> String? {
        guard !paths.isEmpty else { return nil }
        try run(root, ["add", "--all", "--"] + paths)
        let difference = git(root, arguments: ["diff", "--cached", "--quiet", "--"] + paths)
        if difference?.succeeded == true { return nil }
        try run(
            root,
            [
                "commit", "--quiet", "--only", "--message", message, "--trailer",
                "Weir-Revision: \(revision)", "--",
            ] + paths)
        return head(containing: root)
    }

    /// Which of some files differ between two commits.
    static func changed(_ paths: [String], from old: String, to new: String, at root: String)
        -> [String]
    {
        paths.filter { path in
            let result = git(root, "diff", "--quiet", old, new, "--", path)
            return result.map { !$0.succeeded } ?? false
        }
    }

    /// Policy files and inventories that are not as HEAD has them, with git's two letters.
    public static func uncommitted(_ paths: [String], at root: String) -> [String] {
        guard !paths.isEmpty,
            let result = git(root, arguments: ["status", "--porcelain", "--"] + paths),
            result.succeeded
        else { return [] }
        return result.text.split(separator: "\n").map(String.init)
    }

    /// The subject of a commit.
    public static func subject(of commit: String, at root: String) -> String? {
        guard let result = git(root, "log", "-1", "--format=%s", commit), result.succeeded else {
            return nil
        }
        return result.text.trimmingSuffixWhitespace
    }

    /// Whether the last commit that touched some files says that it made a revision.
    static func lastCommit(of paths: [String], at root: String, hasRevision revision: String)
        -> Bool
    {
        let arguments = ["log", "-1", "--format=%(trailers:key=Weir-Revision,valueonly)", "--"]
        guard let result = git(root, arguments: arguments + paths) else { return false }
        return result.text.contains(revision)
    }

    private static func run(_ root: String, _ arguments: [String]) throws(Failure) {
        guard let result = git(root, arguments: arguments, merged: true) else {
            throw Failure(message: "git cannot be started")
        }
        guard result.succeeded else {
            throw Failure(message: result.text.trimmingSuffixWhitespace)
        }
    }

    private static func git(
        _ path: String, _ arguments: String..., merged: Bool = false
    ) -> SubprocessResult? {
        git(path, arguments: arguments, merged: merged)
    }

    private static func git(
        _ path: String, arguments: [String], merged: Bool = false
    ) -> SubprocessResult? {
        Subprocess.run(
            ["git", "-C", directory(of: path)] + arguments, errors: merged ? .merged : .dropped)
    }

    private static func firstLine(_ text: String) -> String {
        String(text.split(whereSeparator: \.isNewline).first ?? "git fails without a word")
    }

    private static func directory(of path: String) -> String {
        var isDirectory = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory {
            return path
        }
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension String {
    fileprivate var trimmingSuffixWhitespace: String {
        var text = self
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
