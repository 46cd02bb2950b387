// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Glibc
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun), .serialized)
struct ApplyCommandTests {
    @Test func `a second apply sends nothing`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("a", smallSet("allow"))
        let first = try lab.weir("apply", path)
        #expect(first.status == 0 && first.output.contains("applied: revision"), "\(first)")
        let listing = try lab.nft("list", "ruleset")
        let generation = try lab.nft("-j", "list", "metainfo")
        let second = try lab.weir("apply", path)
        #expect(second.status == 0 && second.output.contains("nothing to do"), "\(second)")
        #expect(try lab.nft("list", "ruleset") == listing)
        #expect(try lab.nft("-j", "list", "metainfo") == generation)
        #expect(try lab.weir("plan", "--detailed-exitcode", path).status == 0)
        let other = try lab.policies("b", smallSet("reject"))
        #expect(try lab.weir("plan", "--detailed-exitcode", other).status == 2)
    }

    @Test func `other tables stay as they are, byte for byte`() throws {
        let lab = try CommandLab()
        try lab.namespace.loadRuleset(
            """
            table inet other {
              set s { type ipv4_addr; elements = { 192.0.2.1 } }
              chain forward {
                type filter hook forward priority 0; policy drop;
                ip saddr @s accept
              }
            }
            table ip nat {
              chain post {
                type nat hook postrouting priority 100;
                masquerade
              }
            }
            """)
        func others() throws -> String {
            try lab.nft("list", "table", "inet", "other") + lab.nft("list", "table", "ip", "nat")
        }
        let before = try others()
        let allow = try lab.policies("a", smallSet("allow"))
        let plan = try lab.weir("plan", allow)
        #expect(plan.output.contains("inet table other, chain forward on forward"), "\(plan)")
        for path in [allow, try lab.policies("b", smallSet("drop"))] {
            #expect(try lab.weir("apply", path).status == 0)
            #expect(try others() == before)
        }
        #expect(try lab.weir("remove").output.contains("removed"))
        #expect(try others() == before)
        #expect(!(try lab.nft("list", "tables").contains("weir")))
        #expect(try lab.weir("remove").output.contains("nothing to do"))
    }

    @Test func `what was removed comes back, on the host where it was`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("a", smallSet("allow"))
        #expect(try lab.weir("apply", path, "--vantage", "host").succeeded)
        #expect(try lab.weir("remove", "-m", "too strict").output.contains("(revision 2)"))
        let history = try lab.weir("history").output
        #expect(history.contains("remove  too strict  nothing in force"))
        #expect(history.contains("-baseline.shield"))
        #expect(try lab.weir("rollback").output.contains("revision 3: weir: back to revision 1"))
        #expect(try lab.nft("list", "chains").contains("hook input"))
        #expect(try lab.weir("plan", path).output.contains("nothing to do"))
    }

    @Test func `wrong input applies nothing and says where`() throws {
        let lab = try CommandLab()
        #expect(try lab.weir("apply", lab.policies("a", smallSet("allow"))).status == 0)
        let listing = try lab.nft("list", "ruleset")
        let wrong = try lab.weir("apply", lab.policies("b", smallSet("alow")))
        #expect(wrong.status == 1)
        #expect(wrong.errors.contains("/b/p.weir:7:"), "\(wrong.errors)")
        let missing = try lab.weir("apply", lab.directory + "/nothing-here")
        #expect(missing.status == 2 && missing.errors.contains("nothing at"), "\(missing.errors)")
        let usage = try lab.weir("apply", "--frobnicate")
        #expect(usage.status == 2)
        #expect(try lab.nft("list", "ruleset") == listing)
    }

    @Test func `what cannot be enforced is refused by name and line`() throws {
        let lab = try CommandLab()
        let path = try lab.policies(
            "a",
            [
                "inventory.yaml": inventory,
                "p.weir": """
                landscape "inventory.yaml"
                layers { one }
                layer one { policy copy { from web to db; allow; mirror to 192.0.2.9 } }

                """,
            ])
        let result = try lab.weir("apply", path)
        #expect(result.status == 1)
        #expect(result.errors.contains("error[not-enforceable]"), "\(result.errors)")
        #expect(result.errors.contains("p.weir:3:"))
        #expect(try lab.nft("list", "tables") == "")
    }

    @Test func `without root apply says what it needs and the rest works`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("a", smallSet("allow"))
        chmodRecursively(lab.directory)
        func unprivileged(_ words: String...) throws -> CommandResult {
            try lab.namespace.command(
                ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
                    + lab.arguments(words))
        }
        let apply = try unprivileged("apply", path)
        #expect(apply.status == 2)
        #expect(apply.errors.contains("needs root"), "\(apply.errors)")
        #expect(try unprivileged("plan", path).status == 2)
        for words in [["check", path], ["compile", path], ["fmt", "--check", path]] {
            let result = try lab.namespace.command(
                ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
                    + lab.arguments(words))
            #expect(result.status == 0, "\(words): \(result)")
        }
        #expect(try unprivileged("explain", "web -> db tcp/5432", path).status == 0)
    }

    @Test func `a second writer is told that it lost`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("a", smallSet("allow"))
        let lock = unsafe open("\(lab.directory)/state/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
        let second = try lab.weir("apply", path)
        #expect(second.status == 1)
        #expect(second.errors.contains("another weir is writing"), "\(second.errors)")
        #expect(try lab.nft("list", "tables") == "")
        close(lock)
        #expect(try lab.weir("apply", path).status == 0)
    }

    @Test func `kill -9 leaves the old policies or the new, never a mixture`() throws {
        let lab = try CommandLab()
        func large(_ action: String) -> [String: String] {
            let policies = (0..<100).map {
                "policy p\($0) { from web to db on tcp/\($0 + 1); \(action) }"
            }
            return [
                "inventory.yaml": inventory,
                "p.weir": """
                landscape "inventory.yaml"
                layers { one }
                layer one { \(policies.joined(separator: "\n")) }

                """,
            ]
        }
        let paths = [
            try lab.policies("a", large("allow")), try lab.policies("b", large("reject")),
        ]
        #expect(try lab.weir("apply", paths[0]).status == 0)
        var outcomes: [Bool] = []
        for round in 0..<16 {
            let words = lab.arguments(["apply", paths[1 - round % 2]]).joined(separator: " ")
            let delay = Double.random(in: 0.005...0.4)
            _ = try lab.namespace.command([
                "bash", "-c",
                "\(words) >/dev/null 2>&1 & p=$!; sleep \(delay); kill -9 $p 2>/dev/null; wait",
            ])
            // Exactly one of the two is what the kernel holds: a plan for it has nothing to do.
            let states = try paths.map {
                try lab.weir("plan", "--detailed-exitcode", $0).status
            }
            #expect(states.sorted() == [0, 2], "round \(round): \(states)")
            outcomes.append(states[1 - round % 2] == 0)
        }
        print("kill -9: \(outcomes.count { $0 }) of \(outcomes.count) commits were made")
    }
}

private func chmodRecursively(_ path: String) {
    _ = try? runCommand(["chmod", "-R", "a+rX", path])
}
