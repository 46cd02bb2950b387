// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the commands say of measures that ended by themselves, and which vantage comes back.

import FoundationEssentials
import Glibc
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun), .serialized) struct EndedCommandTests {
    private static let policies = [
        "p.weir": """
        landscape "inventory.yaml"
        layers {
            emergency
            baseline
        }
        layer baseline {
            policy costly { from web to db on tcp/5432; allow; log "cost $x" }
        }
        layer emergency {
            policy shed standby { from web to db on tcp/1-100; reject }
        }

        """,
        "inventory.yaml": """
        services:
          web: {endpoints: [10.1.0.1]}
          db: {endpoints: [10.2.0.1]}
        """,
    ]

    @Test func `a measure that ended is nobody's change`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", Self.policies)
        #expect(try lab.weir("apply", path).succeeded)
        #expect(try lab.weir("enable", "shed", "--for", "1s").succeeded)
        let during = try lab.weir("show").output
        #expect(!during.contains("over"), "\(during)")
        usleep(2_200_000)
        let status = try lab.weir("status", path)
        #expect(!status.output.contains("changed in the kernel"), "\(status)")
        let shown = try lab.weir("show").output
        #expect(shown.contains("emergency.shed") && shown.contains("  over"), "\(shown)")
        #expect(shown.contains("polices what is forwarded"))
        #expect(try lab.weir("adopt", path).output.contains("nothing was changed by hand"))
        // What somebody did change is still seen.
        _ = try lab.nft("add", "chain", "inet", "weir", "byhand")
        let changed = try lab.weir("status", path)
        #expect(changed.output.contains("chain `byhand` was added"), "\(changed)")
    }

    @Test func `going back brings the vantage back`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", Self.policies)
        #expect(try lab.weir("apply", path, "--vantage", "host").succeeded)
        #expect(try lab.weir("apply", path, "--vantage", "gateway").succeeded)
        #expect(try !lab.nft("list", "table", "inet", "weir").contains("hook input"))
        #expect(try lab.weir("rollback", "99").errors.contains("there is no revision 99"))
        let back = try lab.weir("rollback")
        #expect(back.succeeded, "\(back)")
        #expect(try lab.nft("list", "table", "inet", "weir").contains("hook input"))
        #expect(try lab.weir("show").output.contains("polices this host"))
    }

    @Test func `nft reads a log with a dollar sign`() throws {
        let lab = try CommandLab()
        let path = try lab.policies("set", Self.policies)
        let text = try lab.weir("compile", path).output
        #expect(text.contains("cost ?x"), "\(text)")
        #expect(try lab.weir("apply", path).succeeded)
        let listing = try lab.nft("list", "table", "inet", "weir")
        #expect(listing.contains("cost ?x"))
    }

    @Test func `a limit that no kernel can hold is refused, not a crash`() throws {
        let lab = try CommandLab()
        var policies = Self.policies
        policies["q.weir"] = """
            layer emergency {
                policy huge { from web to db; limit 18446744073709551615 connections/s }
            }

            """
        let path = try lab.policies("set", policies)
        let result = try lab.weir("compile", path)
        #expect(result.status == 1, "\(result)")
        #expect(result.errors.contains("error[not-enforceable]"), "\(result)")
        #expect(result.errors.contains("q.weir:2:"), "\(result)")
    }
}
