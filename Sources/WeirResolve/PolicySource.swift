// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where policy files come from. The loader asks through this protocol, so that a git revision, a
// test or the editor's unsaved text can stand in for the work tree.

import FoundationEssentials

/// What there is at a path.
public enum SourceKind: Equatable, Sendable {
    case missing
    case file
    case directory
    /// A device, a pipe, a socket, a symbolic link that leads nowhere: named for messages.
    case other(String)
}

/// Why something could not be read, for an operator: lower case, no final period.
public struct SourceReadError: Error, Equatable, Sendable {
    public let message: String

    public init(_ message: String) { self.message = message }
}

/// A tree of files. Paths are as the operator gives them, with `/` between their parts.
public protocol PolicySource {
    /// Follows symbolic links.
    func kind(of path: String) -> SourceKind
    /// Whether the path itself is a symbolic link.
    func isLink(_ path: String) -> Bool
    /// Names in a directory, in any order.
    func entries(of directory: String) throws(SourceReadError) -> [String]
    /// All of a file's bytes.
    func read(_ path: String) throws(SourceReadError) -> [UInt8]
}

/// The files on disk.
public struct WorkTree: PolicySource, Sendable {
    /// Larger files are refused unread.
    public static let sizeLimit = 64 << 20

    public init() {}

    public func kind(of path: String) -> SourceKind {
        var isDirectory = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            return isLink(path) ? .other("a symbolic link that leads nowhere") : .missing
        }
        if isDirectory { return .directory }
        let target = URL(filePath: path).resolvingSymlinksInPath().path
        switch type(target) {
        case .typeRegular: return .file
        case .typeSocket: return .other("a socket")
        case .typeCharacterSpecial, .typeBlockSpecial: return .other("a device")
        default: return .other("not a regular file")
        }
    }

    public func isLink(_ path: String) -> Bool { type(path) == .typeSymbolicLink }

    private func type(_ path: String) -> FileAttributeType? {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        return attributes?[.type] as? FileAttributeType
    }

    public func entries(of directory: String) throws(SourceReadError) -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw describe(error)
        }
    }

    public func read(_ path: String) throws(SourceReadError) -> [UInt8] {
        let target = URL(filePath: path).resolvingSymlinksInPath().path
        if let size = try? FileManager.default.attributesOfItem(atPath: target)[.size] as? Int,
            size > Self.sizeLimit
        {
            throw SourceReadError("it has more than \(Self.sizeLimit >> 20) MB")
        }
        do {
            return Array(try Data(contentsOf: URL(filePath: path)))
        } catch {
            throw describe(error)
        }
    }

    private func describe(_ error: any Error) -> SourceReadError {
        guard let error = error as? CocoaError else { return SourceReadError("it cannot be read") }
        switch error.code {
        case .fileReadNoPermission: return SourceReadError("no permission to read it")
        case .fileReadNoSuchFile, .fileNoSuchFile: return SourceReadError("there is no such file")
        default: return SourceReadError("it cannot be read")
        }
    }
}

/// Files in memory, by path; directories are what the paths imply. For tests, and for text that is
/// staged and not on disk.
public struct MemoryTree: PolicySource, Sendable {
    public var files: [String: [UInt8]]

    public init(_ files: [String: String]) { self.files = files.mapValues { Array($0.utf8) } }

    public func kind(of path: String) -> SourceKind {
        if files[path] != nil { return .file }
        let prefix = path.hasSuffix("/") ? path : path + "/"
        return files.keys.contains { $0.hasPrefix(prefix) } ? .directory : .missing
    }

    public func isLink(_ path: String) -> Bool { false }

    public func entries(of directory: String) throws(SourceReadError) -> [String] {
        let prefix = directory.hasSuffix("/") ? directory : directory + "/"
        let names = files.keys.filter { $0.hasPrefix(prefix) }.map { path in
            String(path.dropFirst(prefix.count).prefix { $0 != "/" })
        }
        return Array(Set(names))
    }

    public func read(_ path: String) throws(SourceReadError) -> [UInt8] {
        guard let bytes = files[path] else { throw SourceReadError("there is no such file") }
        return bytes
    }
}
