// SPDX-License-Identifier: GPL-3.0-or-later
//
// A policy set as a git revision has it, read from the repository and not from the work tree, so
// that `check --against REV` compares what was committed.

import FoundationEssentials
public import WeirResolve

public struct GitTreeFailure: Error, Sendable {
    public let message: String
}

/// The policy and inventory files of a revision, under the paths that they have in the work tree.
public func gitTree(of path: String, at revision: String) throws(GitTreeFailure) -> MemoryTree {
    let directory = path.hasSuffix(".weir") ? parent(of: path) : path
    func git(_ arguments: String...) throws(GitTreeFailure) -> SubprocessResult {
        guard let result = Subprocess.run(["git", "-C", directory] + arguments) else {
            throw GitTreeFailure(message: "git cannot be run")
        }
        return result
    }
    let prefixResult = try git("rev-parse", "--show-prefix")
    guard prefixResult.succeeded else {
        throw GitTreeFailure(message: "`\(directory)` is in no git repository")
    }
    let commit = try git("rev-parse", "--verify", "--quiet", "\(revision)^{commit}")
    guard commit.succeeded else {
        throw GitTreeFailure(message: "there is no revision `\(revision)`")
    }
    let name = commit.text.filter { !$0.isWhitespace }
    let prefix = prefixResult.text.split(separator: "\n").first.map(String.init) ?? ""
    let listing = try git("ls-tree", "-r", "-z", "--name-only", "--full-tree", name)
    var tree = MemoryTree([:])
    let from = prefix.split(separator: "/")
    for file in listing.text.split(separator: "\0")
    where [".weir", ".yaml", ".yml"].contains(where: { file.hasSuffix($0) }) {
        let content = try git("show", "\(name):\(file)")
        guard content.succeeded else { continue }
        let parts = file.split(separator: "/")
        let common = zip(from, parts).prefix { $0 == $1 }.count
        let up = [Substring](repeating: "..", count: from.count - common)
        let relative = (up + parts.dropFirst(common)).joined(separator: "/")
        tree.files[join(directory, relative)] = content.output
        // An inventory beside the policies of `.` is looked for without the dot.
        if directory == "." { tree.files[relative] = content.output }
    }
    return tree
}

private func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

private func join(_ directory: String, _ name: String) -> String {
    directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
}
