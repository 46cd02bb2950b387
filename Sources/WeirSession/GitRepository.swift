// SPDX-License-Identifier: GPL-3.0-or-later
//
// What weir asks of git, through the program itself: its configuration, hooks and signing are the
// operator's and must go on working.

import FoundationEssentials

/// The repository that a policy set lies in.
public enum GitRepository {
    /// The commit that is checked out where a path lies; nil outside a repository, before its first
    /// commit, or without git.
    public static func head(containing path: String) -> String? {
        let result = Subprocess.run([
            "git", "-C", directory(of: path), "rev-parse", "--verify", "--quiet", "HEAD",
        ])
        guard let result, result.succeeded else { return nil }
        let text = result.text.filter { !$0.isWhitespace }
        return text.isEmpty ? nil : text
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
