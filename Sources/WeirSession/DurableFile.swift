// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files that are there whole or not at all, whatever happens while they are written: a policy file
// must never be half an old one and half a new one, and a journal that can tear is none.

import FoundationEssentials
import Glibc

/// Why a file could not be read or written, for an operator.
public struct FileFailure: Error, Equatable, Sendable {
    public let message: String

    init(_ what: String, _ path: String, _ code: Int32) {
        let reason = unsafe String(cString: strerror(code)).lowercased()
        message = "cannot \(what) `\(path)`: \(reason)"
    }

    /// The same of another path.
    init(renaming failure: FileFailure, from path: String, to other: String) {
        let parts = failure.message.split(separator: "`", omittingEmptySubsequences: false)
        message = parts.map { $0 == path ? other : String($0) }.joined(separator: "`")
    }
}

public enum DurableFile {
    /// All bytes of a file; nil where there is none.
    public static func read(_ path: String) throws(FileFailure) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw FileFailure("read", path, errno)
        }
        defer { close(descriptor) }
        let size = max(0, Int(lseek(descriptor, 0, SEEK_END)))
        lseek(descriptor, 0, SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: size)
        var filled = 0
        while filled < size {
            let start = filled
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress! + start, size - start)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileFailure("read", path, errno) }
            if count == 0 { break }
            filled += count
        }
        return Array(bytes.prefix(filled))
    }

    /// Puts a whole new content in a file's place: a neighbour is written, made durable and
    /// renamed. Links are followed; the mode and the owner of a file that exists are kept.
    public static func write(
        _ bytes: [UInt8], to path: String, mode: mode_t = 0o644
    ) throws(FileFailure) {
        let target = resolved(path)
        let temporary = temporaryPath(target)
        var status = stat()
        let exists = unsafe stat(target, &status) == 0
        let descriptor = unsafe open(
            temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, exists ? 0o600 : mode)
        guard descriptor >= 0 else { throw FileFailure("write", target, errno) }
        var isWritten = false
        defer {
            close(descriptor)
            if !isWritten { _ = unsafe unlink(temporary) }
        }
        var offset = 0
        while offset < bytes.count {
            let start = offset
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(descriptor, buffer.baseAddress! + start, bytes.count - start)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileFailure("write", target, errno) }
            offset += count
        }
        if exists {
            _ = fchown(descriptor, status.st_uid, status.st_gid)
            _ = fchmod(descriptor, status.st_mode & 0o7777)
        }
        guard fsync(descriptor) == 0 else { throw FileFailure("write", target, errno) }
        guard unsafe rename(temporary, target) == 0 else {
            throw FileFailure("write", target, errno)
        }
        isWritten = true
        syncDirectory(of: target)
    }

    /// Whether ``write`` would come to its end: writes the neighbour and takes it away again. What
    /// is to be removed (nil) needs the same directory.
    static func rehearse(_ bytes: [UInt8]?, to path: String) throws(FileFailure) {
        let target = resolved(path)
        let neighbour = temporaryPath(target)
        defer { _ = unsafe unlink(neighbour) }
        do throws(FileFailure) {
            try write(bytes ?? [], to: neighbour)
        } catch {
            throw FileFailure(renaming: error, from: neighbour, to: target)
        }
    }

    /// Takes a file away; one that is not there is no failure.
    public static func remove(_ path: String) throws(FileFailure) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else {
            throw FileFailure("remove", path, errno)
        }
        syncDirectory(of: path)
    }

    /// What a crash in the middle of ``write`` leaves.
    static func temporaryPath(_ path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return (parts.dropLast() + [".\(parts.last ?? "").weir-new"]).joined(separator: "/")
    }

    /// The path with links resolved, so that a link stays a link.
    static func resolved(_ path: String) -> String {
        guard let pointer = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(pointer) }
        return unsafe String(cString: pointer)
    }

    private static func syncDirectory(of path: String) {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        close(descriptor)
    }
}

/// Documents of the state directory: JSON, whole or absent.
enum StateDocument {
    static func read<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
        guard let bytes = (try? DurableFile.read(path)) ?? nil else { return nil }
        return try? JSONDecoder().decode(type, from: Data(bytes))
    }

    static func write(_ value: some Encodable, _ path: String) throws(FileFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Encoding values of these types cannot fail: they are strings, numbers and lists.
        guard let data = try? encoder.encode(value) else {
            throw FileFailure("encode", path, EINVAL)
        }
        try DurableFile.write(Array(data), to: path, mode: 0o600)
    }
}
