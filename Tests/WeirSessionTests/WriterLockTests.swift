// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Testing
import WeirDiagnostics
import WeirSession

@Suite struct WriterLockTests {
    @Test func `the second writer is told who holds the lock`() throws {
        let path = "/tmp/weir-lock-test-\(getpid())"
        defer { _ = unsafe unlink(path) }
        do {
            let first = try WriterLock.acquire(path)
            #expect(throws: WriterLock.Failure.held(by: getpid())) {
                _ = try WriterLock.acquire(path)
            }
            _ = consume first
        }
        _ = try WriterLock.acquire(path)
    }

    @Test func `a place that cannot be written is named`() {
        #expect(
            throws: WriterLock.Failure.unavailable(path: "/nonexistent/lock", errno: ENOENT)
        ) {
            _ = try WriterLock.acquire("/nonexistent/lock")
        }
    }
}

@Suite struct ContentHashTests {
    @Test func `content and names count, order does not`() {
        func hash(_ files: [(String, String)]) -> String {
            var sources = SourceMap()
            for (name, text) in files { _ = sources.add(SourceText(name: "set/" + name, text)) }
            return contentHash(of: sources, root: "set")
        }
        let base = hash([("a", "x"), ("b", "y")])
        #expect(base.count == 32)
        #expect(base == hash([("b", "y"), ("a", "x")]))
        #expect(base != hash([("a", "y"), ("b", "x")]))
        #expect(base != hash([("ax", ""), ("b", "y")]))
    }

    @Test func `where it is called from does not count`() {
        var here = SourceMap()
        var there = SourceMap()
        _ = here.add(SourceText(name: "./a.weir", "x"))
        _ = here.add(SourceText(name: "inventory.yaml", "y"))
        _ = there.add(SourceText(name: "/etc/set/a.weir", "x"))
        _ = there.add(SourceText(name: "/etc/set/inventory.yaml", "y"))
        #expect(contentHash(of: here, root: ".") == contentHash(of: there, root: "/etc/set"))
    }
}
