// SPDX-License-Identifier: GPL-3.0-or-later
//
// Loading from a tree of files: what is found, in which order, and what is said of that which
// cannot be read. The work tree is tried on a real directory with links, loops and pipes in it.

import FoundationEssentials
import Glibc
import Testing
import WeirDiagnostics
import WeirModel
import WeirSyntax

@testable import WeirResolve

private let base = "landscape \"inventory.yaml\"\nlayers { base }\n"
private let inventory = "services: {web: {endpoints: [10.0.0.1]}}"

private func codes(_ loaded: LoadedPolicySet) -> [String] {
    loaded.diagnostics.map { "\($0.code): \($0.message)" }
}

@Suite struct LoaderTests {
    private func policy(_ name: String) -> String {
        "layer base { policy \(name) { from web to any; allow } }\n"
    }

    @Test func `every file below a directory, whatever their order`() {
        let loaded = PolicySetLoader(
            tree: MemoryTree([
                "set/z.weir": base, "set/inventory.yaml": inventory, "set/a.weir": policy("b"),
                "set/deep/er/c.weir": policy("a"), "set/notes.txt": "not weir",
                "set/.git/x.weir": "garbage", "set/.hidden.weir": "garbage",
            ])
        ).load("set")
        #expect(codes(loaded) == [])
        #expect(
            loaded.files.map { loaded.sources[$0.file.source].name }
                == ["set/a.weir", "set/deep/er/c.weir", "set/z.weir"])
        #expect(loaded.policySet?.policies.map(\.name) == ["a", "b"])
    }

    @Test func `one file is a policy set too`() {
        let loaded = PolicySetLoader(
            tree: MemoryTree(["s/one.weir": base + policy("p"), "s/inventory.yaml": inventory])
        ).load("s/one.weir")
        #expect(codes(loaded) == [])
        #expect(loaded.inventories == ["s/inventory.yaml"])
    }

    @Test func `an inventory is found from the file that names it and read once`() {
        let loaded = PolicySetLoader(
            tree: MemoryTree([
                "s/a/one.weir": "landscape \"../common/i.yaml\"\nlayers { base }\n" + policy("p"),
                "s/b/two.weir": "landscape \"../common/./i.yaml\"\nlandscape \"more.yaml\"\n",
                "s/common/i.yaml": inventory, "s/b/more.yaml": "zones: {z: [10.0.0.0/8]}",
            ])
        ).load("s")
        #expect(codes(loaded) == [])
        #expect(loaded.inventories == ["s/common/i.yaml", "s/b/more.yaml"])
        #expect(loaded.landscape.zones.map(\.name) == ["z"])
    }

    @Test func `two inventories that declare the same are refused`() {
        let loaded = PolicySetLoader(
            tree: MemoryTree([
                "s/one.weir": "landscape \"a.yaml\"\nlandscape \"b.yaml\"\nlayers { base }\n",
                "s/a.yaml": inventory, "s/b.yaml": inventory,
            ])
        ).load("s")
        #expect(
            codes(loaded) == ["duplicate-service: service `web` is declared in two inventories"])
        #expect(loaded.policySet == nil)
    }

    @Test func `without an inventory addresses are still there`() {
        let loaded = PolicySetLoader(
            tree: MemoryTree([
                "p.weir": "layers { a }\nlayer a { policy p { from any to 10.0.0.1; allow } }"
            ])
        ).load("p.weir")
        #expect(codes(loaded) == [])
        #expect(loaded.policySet?.policies.count == 1)
    }

    @Test func `what is not there is said`() {
        let tree = MemoryTree(["s/x.txt": "", "e.weir": ""])
        #expect(
            codes(PolicySetLoader(tree: tree).load("absent"))
                == ["unreadable: there is nothing at `absent`"])
        #expect(
            codes(PolicySetLoader(tree: tree).load("s"))
                == ["no-policy-files: there is no `*.weir` below `s`"])
        #expect(
            codes(PolicySetLoader(tree: tree).load("e.weir")) == [
                "no-layers: no `layers` block says which layers there are, from the top"
            ])
    }

    @Test func `paths are put together`() {
        let path = PolicySetLoader.path
        #expect(path("i.yaml", "p.weir") == "i.yaml")
        #expect(path("i.yaml", "a/b/p.weir") == "a/b/i.yaml")
        #expect(path("../i.yaml", "a/b/p.weir") == "a/i.yaml")
        #expect(path("../../../i.yaml", "a/p.weir") == "../../i.yaml")
        #expect(path("../../../i.yaml", "/a/p.weir") == "/i.yaml")
        #expect(path("/x/./i.yaml", "a/p.weir") == "/x/i.yaml")
        #expect(path("i.yaml", "../a/p.weir") == "../a/i.yaml")
    }
}

@Suite struct WorkTreeTests {
    /// Makes a directory, runs the body in it and removes it.
    private func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory
            .appending(path: "weir-loader-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    private func write(_ text: String, _ path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    @Test func `links, loops and pipes do not hang it`() throws {
        try inDirectory { directory in
            let manager = FileManager.default
            try write(base, directory + "/a.weir")
            try write(inventory, directory + "/real.yaml")
            try manager.createDirectory(
                atPath: directory + "/sub", withIntermediateDirectories: true)
            try manager.createSymbolicLink(
                atPath: directory + "/inventory.yaml", withDestinationPath: "real.yaml")
            try manager.createSymbolicLink(
                atPath: directory + "/sub/loop", withDestinationPath: "..")
            try manager.createSymbolicLink(
                atPath: directory + "/self.weir", withDestinationPath: "self.weir")
            try manager.createSymbolicLink(
                atPath: directory + "/gone.weir", withDestinationPath: "nowhere")
            try write(
                "layer base { policy p { from web to any; allow } }", directory + "/p.txt")
            try manager.createSymbolicLink(
                atPath: directory + "/linked.weir", withDestinationPath: "p.txt")
            let isMade = unsafe mkfifo(directory + "/pipe.weir", 0o600) == 0
            try #require(isMade)
            let loaded = PolicySetLoader().load(directory)
            #expect(
                Set(codes(loaded)) == [
                    "unreadable: `\(directory)/self.weir` is a symbolic link that leads nowhere",
                    "unreadable: `\(directory)/gone.weir` is a symbolic link that leads nowhere",
                    "unreadable: `\(directory)/pipe.weir` is not a regular file",
                ])
            #expect(
                loaded.files.map { loaded.sources[$0.file.source].name }
                    == [directory + "/a.weir", directory + "/linked.weir"])
            #expect(loaded.policySet == nil)
        }
    }

    @Test func `devices, pipes and directories are no inventories`() throws {
        try inDirectory { directory in
            try write(
                "landscape \"/dev/zero\"\nlandscape \".\"\nlayers { a }", directory + "/a.weir")
            let loaded = PolicySetLoader().load(directory)
            #expect(
                codes(loaded) == [
                    "unreadable: `/dev/zero` is a device",
                    "unreadable: `\(directory)` is a directory",
                ])
            #expect(loaded.diagnostics.allSatisfy { $0.range != nil })
        }
    }

    @Test func `what may not be read is said`() throws {
        // Root may read everything; the errors of reading are then only tried in memory.
        guard geteuid() != 0 else {
            print("skipped: running as root, no file is unreadable")
            return
        }
        try inDirectory { directory in
            try write(base, directory + "/a.weir")
            let isShut = unsafe chmod(directory + "/a.weir", 0) == 0
            try #require(isShut)
            #expect(
                codes(PolicySetLoader().load(directory)) == [
                    "unreadable: cannot read policy file `\(directory)/a.weir`:"
                        + " no permission to read it"
                ])
        }
    }
}
