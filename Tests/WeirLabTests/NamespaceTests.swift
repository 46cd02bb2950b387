// SPDX-License-Identifier: GPL-3.0-or-later
//
// A lab that leaves namespaces behind, or works in the machine's own, is worse than none.

import Glibc
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun))
struct `A namespace` {
    /// Names and addresses of the links that a command sees here.
    private func links() throws -> String {
        try runCommand(["ip", "-o", "addr", "show"]).output
    }

    private func exists(_ name: String) -> Bool {
        unsafe access("/run/netns/\(name)", F_OK) == 0
    }

    @Test func `what runs inside leaves the machine's own links alone`() throws {
        let before = try links()
        let namespace = try Namespace()
        try namespace.ip(
            "link add inside type veth peer name other\naddr add 10.99.0.1/32 dev inside")
        let inside = try namespace.run { () throws(LabFailure) in
            try runCommand(["ip", "-o", "addr", "show"])
        }
        #expect(inside.output.contains("10.99.0.1"))
        #expect(try links() == before)
        namespace.close()
        #expect(!exists(namespace.name))
    }

    @Test func `a failed command is told with its words`() throws {
        let namespace = try Namespace()
        defer { namespace.close() }
        #expect(throws: LabFailure.self) { try namespace.ip("link set nothing up") }
        #expect(throws: LabFailure.self) { try namespace.loadRuleset("tabel inet x { }") }
        let result = try namespace.command(["sh", "-c", "cat; echo no >&2; exit 3"], input: "yes")
        #expect(result.status == 3 && result.output == "yes" && result.errors == "no\n")
    }

    @Test func `it goes with its process, even one that is killed`() async throws {
        let ended = await #expect(
            processExitsWith: .signal(SIGKILL), observing: [\.standardOutputContent]
        ) {
            let namespace = try Namespace()
            print("made \(namespace.name) made")
            fflush(nil)
            kill(getpid(), SIGKILL)
        }
        let words = String(decoding: ended?.standardOutputContent ?? [], as: UTF8.self)
            .split(separator: " ")
        let name = try #require(words.first { $0.hasPrefix("weir-") })
        var patience = 100
        while exists(String(name)), patience > 0 {
            usleep(50_000)
            patience -= 1
        }
        #expect(patience > 0, "\(name) is still there")
    }
}
