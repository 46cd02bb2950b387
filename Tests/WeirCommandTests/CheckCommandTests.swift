// SPDX-License-Identifier: GPL-3.0-or-later

import FoundationEssentials
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun), .serialized)
struct CheckCommandTests {
    static let policies = """
        landscape "inventory.yaml"
        layers {
            security
            baseline
        }
        layer security { policy shut { from web to db; reject } }
        layer baseline { policy reads { from web to db on postgres; allow } }

        """

    /// A repository whose one commit has one finding.
    func repository(_ lab: CommandLab) throws -> String {
        let path = try lab.policies(
            "a", ["inventory.yaml": inventory, "p.weir": Self.policies])
        let script = """
            cd \(path) && git init -q && git add -A && \
            git -c user.name=t -c user.email=t@example.org commit -qm one
            """
        let made = try runCommand(["bash", "-c", script])
        #expect(made.succeeded, "\(made.errors)")
        return path
    }

    @Test func `against a revision only what is new is shown`() throws {
        let lab = try CommandLab()
        let path = try repository(lab)
        #expect(try lab.weir("check", path).output.contains("1 note"))
        let same = try lab.weir("check", path, "--against", "HEAD")
        #expect(same.output.contains("no findings"), "\(same)")
        let extra =
            "layer security { policy open { from db to web; allow } }\n"
            + "layer baseline { policy shut { from db to web; reject } }\n"
        try Data(extra.utf8).write(to: URL(filePath: path + "/q.weir"))
        let new = try lab.weir("check", path, "--against", "HEAD")
        #expect(new.status == 1)
        #expect(new.errors.contains("undeclared-override"))
        #expect(!new.errors.contains("narrowed"))
        #expect(try lab.weir("check", path, "--against", "nothing").status == 2)
    }

    @Test func `in the current directory too`() throws {
        let lab = try CommandLab()
        let path = try repository(lab)
        let command = "cd \(path) && \(CommandLab.binary) check --against HEAD"
        let result = try lab.namespace.command(["bash", "-c", command])
        #expect(result.output.contains("no findings"), "\(result)")
    }

    @Test func `programs get JSON and SARIF`() throws {
        let lab = try CommandLab()
        let path = try repository(lab)
        let json = try lab.weir("check", path, "--format", "json")
        #expect(json.output.contains("\"code\": \"narrowed\""))
        #expect(json.output.contains("\"certainty\": \"provable\""))
        let sarif = try lab.weir("check", path, "--format", "sarif")
        #expect(sarif.output.contains("\"version\": \"2.1.0\""))
        #expect(sarif.output.contains("\"ruleId\": \"narrowed\""))
    }

    @Test func `a commit that would cut the operator is refused`() throws {
        let lab = try CommandLab()
        let path = try repository(lab)
        let result = try lab.weir("check", path, "--operator", "web -> db tcp/22")
        #expect(result.status == 1)
        #expect(result.errors.contains("error[lockout]"), "\(result.errors)")
        #expect(try lab.weir("check", path, "--operator", "web tcp/22").status == 2)
    }

    @Test func `a code has a page`() throws {
        let lab = try CommandLab()
        let page = try lab.weir("explain", "undeclared-override")
        #expect(page.status == 0 && page.output.contains("## Avoid"))
    }
}
