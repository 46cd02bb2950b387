// SPDX-License-Identifier: GPL-3.0-or-later
//
// At the prompt: the operator's own connection is not cut unnoticed, and what mends a finding can
// be staged by its number.

import FoundationEssentials
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun), .serialized) struct PromptLockoutTests {
    /// The command over SSH from 10.9.0.2 to this host, 10.9.0.1.
    private func overSSH(_ lab: CommandLab, _ words: String...) throws -> CommandResult {
        try lab.namespace.command(
            ["env", "SSH_CONNECTION=10.9.0.2 50000 10.9.0.1 22"] + lab.arguments(words))
    }

    private static let policies = [
        "p.weir": """
        landscape "inventory.yaml"
        layers {
            emergency
            baseline default reject
        }
        layer baseline {
            policy way-in { from admin to bastion on tcp/22; allow }
        }

        """,
        "inventory.yaml": """
        services:
          admin: {endpoints: [10.9.0.2]}
          bastion: {endpoints: [10.9.0.1]}
        """,
    ]

    private func host() throws -> (CommandLab, String) {
        let lab = try CommandLab()
        try lab.namespace.ip(
            """
            address add 10.9.0.1/32 dev lo
            link set lo up
            """)
        let path = try lab.policies("set", Self.policies)
        let applied = try overSSH(lab, "apply", path, "--vantage", "host")
        try #require(applied.succeeded, "\(applied)")
        return (lab, path)
    }

    @Test func `a line that would cut the operator is found, a commit of it refused`() throws {
        let (lab, path) = try host()
        let shut = "policy shut { from any to bastion on tcp/22; drop }"
        let refused = try overSSH(
            lab, "repl", path, "--keep-going", "-c", shut, "-c", "\\plan", "-c", "\\commit")
        #expect(refused.status == 1)
        #expect(refused.errors.ranges(of: "error[lockout]").count == 3, "\(refused.errors)")
        #expect(refused.errors.contains("`emergency.shut` drops such a flow"))
        #expect(refused.errors.contains("the commit would cut your own connection"))
        #expect(try !lab.nft("list", "table", "inet", "weir").contains("emergency.shut"))
        let wrong = try overSSH(lab, "repl", path, "-c", "\\commit --operator all")
        #expect(wrong.status == 1 && wrong.errors.contains("`all` is not `none`"), "\(wrong)")
        let made = try overSSH(lab, "repl", path, "--keep-going", "-c", "\\commit --operator none")
        #expect(made.output.contains("in force: revision 2"), "\(made)")
        #expect(try lab.nft("list", "table", "inet", "weir").contains("emergency.shut"))
    }

    @Test func `who is not policed here, or says so, is not asked for`() throws {
        let (lab, path) = try host()
        let shut = "policy shut { from admin to bastion on tcp/22; drop }"
        let told = try overSSH(
            lab, "repl", path, "--operator", "none", "-c", shut, "-c", "\\reset")
        #expect(!told.errors.contains("lockout"), "\(told)")
        let elsewhere = try lab.weir("repl", path, "-c", shut, "-c", "\\reset")
        #expect(!elsewhere.errors.contains("lockout"), "\(elsewhere)")
        let named = try lab.weir(
            "repl", path, "--operator", "10.9.0.2", "-c", shut, "-c", "\\reset")
        #expect(named.errors.contains("error[lockout]"), "\(named)")
    }

    @Test func `plan and apply know the vantage of the table in force`() throws {
        let (lab, path) = try host()
        try Data("layer emergency { policy shut { from any to bastion on tcp/22; drop } }\n".utf8)
            .write(to: URL(filePath: path + "/q.weir"))
        let planned = try overSSH(lab, "plan", path)
        #expect(planned.status == 1 && planned.errors.contains("error[lockout]"), "\(planned)")
        let refused = try overSSH(lab, "apply", path)
        #expect(refused.status == 1 && refused.errors.contains("--operator none"), "\(refused)")
        #expect(try overSSH(lab, "apply", path, "--operator", "none").succeeded)
    }

    @Test func `switching and going back do not cut the operator unnoticed`() throws {
        let (lab, path) = try host()
        let file = URL(filePath: path + "/q.weir")
        try Data("layer emergency { policy shut { from any to bastion on tcp/22; drop } }\n".utf8)
            .write(to: file)
        #expect(try overSSH(lab, "apply", path, "--operator", "none").succeeded)
        let standby = "layer emergency { policy lock standby { from any to bastion; reject } }\n"
        try Data(standby.utf8).write(to: file)
        #expect(try overSSH(lab, "apply", path, "--operator", "none").succeeded)
        let flow = "this would cut your own connection 10.9.0.2 -> 10.9.0.1 tcp/22: "
        let before = try lab.nft("list", "table", "inet", "weir")
        let enabled = try overSSH(lab, "enable", "lock")
        #expect(enabled.status == 1, "\(enabled)")
        #expect(enabled.errors.contains(flow + "reject by `emergency.lock`"), "\(enabled)")
        #expect(enabled.errors.contains("`--operator none` goes on all the same"))
        let back = try overSSH(lab, "rollback")
        #expect(back.status == 1 && back.errors.contains(flow + "drop by `emergency.shut`"))
        let typed = try overSSH(
            lab, "repl", path, "--keep-going", "-c", "\\enable lock", "-c", "\\rollback")
        #expect(typed.errors.ranges(of: flow).count == 2, "\(typed)")
        #expect(try lab.nft("list", "table", "inet", "weir") == before)
        #expect(try lab.weir("enable", "lock", "--operator", "10.9.0.2").status == 1)
        #expect(try overSSH(lab, "enable", "lock", "--operator", "none").succeeded)
        #expect(try overSSH(lab, "disable", "lock").succeeded)
        let made = try overSSH(lab, "repl", path, "-c", "\\rollback --operator none")
        #expect(made.output.contains("weir: back to revision 2"), "\(made)")
    }

    @Test func `a fix is staged by its number`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", smallSet("allow"))
        let clash = "policy shut { from web to db on tcp/5000-6000; reject }"
        let result = try lab.weir(
            "repl", path, "--keep-going", "-c", "\\layer baseline", "-c", clash, "-c", "\\fix",
            "-c", "\\fix 2", "-c", "\\diff", "-c", "\\undo", "-c", "\\fix 1")
        #expect(result.errors.contains("= fix 1: add `overriding shut` to `baseline.web-reads`"))
        #expect(result.errors.contains("= fix 2: add `overriding web-reads`"))
        #expect(result.errors.contains("which fix?"))
        #expect(
            result.errors.contains("the policies changed since the fixes were shown"),
            "\(result.errors)")
        #expect(
            result.output.contains(
                "+    policy shut { from web to db on tcp/5000-6000; reject overriding web-reads }"),
            "\(result.output)")
        #expect(result.status == 1)
    }

    @Test func `check --fix writes what leaves nothing to choose`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", smallSet("allow"))
        let text = """
            group nobody = web

            layer security {
                policy old until 2020-01-01T00:00Z { from web to db; drop }
                policy one { from web to db on tcp/80; allow }  # kept
                policy two { from web to db on tcp/80; reject }
            }

            """
        try Data(text.utf8).write(to: URL(filePath: path + "/q.weir"))
        let fixed = try lab.weir("check", path, "--fix")
        #expect(fixed.status == 1, "two policies still disagree")
        #expect(fixed.errors.contains("fixed[expired-policy]: remove `security.old`"))
        #expect(fixed.errors.contains("2 fixes written to \(path)/q.weir"), "\(fixed.errors)")
        let after = try String(contentsOf: URL(filePath: path + "/q.weir"), encoding: .utf8)
        #expect(
            after == """
                layer security {
                    policy one { from web to db on tcp/80; allow }  # kept
                    policy two { from web to db on tcp/80; reject }
                }

                """)
        let program = try lab.weir("check", path, "--format", "json").output
        #expect(program.contains("\"automatic\""))
        let against = try lab.weir("check", path, "--fix", "--against", "HEAD")
        #expect(against.status != 0 && against.errors.contains("--against"))
        #expect(try lab.weir("check", path, "--format", "sarif").output.contains("\"fixes\""))
    }
}
