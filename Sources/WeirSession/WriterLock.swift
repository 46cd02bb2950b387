// SPDX-License-Identifier: GPL-3.0-or-later
//
// One writer at a time in one network namespace. The kernel's generation check would catch a
// second writer too; the lock lets it say so before it has done its work, and who holds it.

import Glibc

/// An exclusive lock that ends with its owner, also when that is killed.
public struct WriterLock: ~Copyable {
    private let descriptor: Int32

    /// Why the lock was not had.
    public enum Failure: Error, Equatable {
        /// Another process writes; its number where it could be read.
        case held(by: Int32?)
        case unavailable(path: String, errno: Int32)
    }

    private init(descriptor: Int32) { self.descriptor = descriptor }

    /// Takes the lock at once or not at all.
    public static func acquire(_ path: String) throws(Failure) -> WriterLock {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unavailable(path: path, errno: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = readNumber(descriptor)
            close(descriptor)
            if code == EWOULDBLOCK { throw .held(by: holder) }
            throw .unavailable(path: path, errno: code)
        }
        let text = Array("\(getpid())\n".utf8)
        ftruncate(descriptor, 0)
        _ = unsafe text.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        return WriterLock(descriptor: descriptor)
    }

    private static func readNumber(_ descriptor: Int32) -> Int32? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = unsafe bytes.withUnsafeMutableBytes {
            unsafe pread(descriptor, $0.baseAddress, $0.count, 0)
        }
        guard count > 0 else { return nil }
        return Int32(
            String(decoding: bytes.prefix(count), as: UTF8.self).prefix { $0.isNumber })
    }

    deinit {
        // Said, not left to closing: a child that was just forked may still hold the descriptor.
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
