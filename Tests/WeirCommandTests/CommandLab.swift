// SPDX-License-Identifier: GPL-3.0-or-later
//
// The command as an operator runs it: the built binary, in a network namespace, on files.

import FoundationEssentials
import Glibc
import Testing
import WeirLab

/// A namespace, a directory for policies, and the binary under test.
final class CommandLab {
    let namespace: Namespace
    let directory: String

    init() throws {
        namespace = try Namespace()
        directory = "/tmp/weir-command-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(
            atPath: directory + "/state", withIntermediateDirectories: true)
    }

    deinit {
        namespace.close()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// The binary next to the one that runs the tests.
    static let binary: String = {
        let own = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        let folder = own.components(separatedBy: "/").dropLast().joined(separator: "/")
        return folder + "/weir"
    }()

    func arguments(_ words: [String]) -> [String] {
        ["env", "WEIR_STATE=\(directory)/state", Self.binary] + words
    }

    @discardableResult
    func weir(_ words: String...) throws -> CommandResult {
        try namespace.command(arguments(words))
    }

    /// Writes a policy set and returns its path.
    func policies(_ name: String, _ files: [String: String]) throws -> String {
        let path = "\(directory)/\(name)"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
        for (file, text) in files {
            try Data(text.utf8).write(to: URL(filePath: "\(path)/\(file)"))
        }
        return path
    }

    func nft(_ words: String...) throws -> String {
        try namespace.command(["nft"] + words).output
    }
}

extension String {
    func components(separatedBy separator: Character) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}

let inventory = """
    services:
      web: {endpoints: [10.1.0.1, "fd00:1::1"]}
      db: {ports: {postgres: tcp/5432}, endpoints: [10.2.0.1, "fd00:2::1"]}
    """

/// A small set; `action` decides web to db.
func smallSet(_ action: String) -> [String: String] {
    [
        "inventory.yaml": inventory,
        "p.weir": """
        landscape "inventory.yaml"
        layers {
            security
            baseline default reject
        }
        layer baseline {
            policy web-reads { from web to db on postgres; \(action) }
            policy shield { from any to db; cap 100 connections }
        }

        """,
    ]
}
