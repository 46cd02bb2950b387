// SPDX-License-Identifier: GPL-3.0-or-later
//
// What somebody did to the table with `nft`, taken over into the policies; and what cannot be.

import FoundationEssentials
import Testing
import WeirLab

@Suite(.enabled(if: labCanRun), .serialized) struct AdoptCommandTests {
    private static let files = [
        "inventory.yaml": inventory,
        "main.weir": """
        landscape "inventory.yaml"
        layers {
            emergency
            base default reject
        }
        layer base {
            policy reads {
                from web to db on tcp/7001
                allow
                cap 10 connections          # ten
                limit 50 connections/s burst 5
            }
            policy other "odd" { from db to web on tcp/1; reject }
            policy ending until 2027-06-01T00:00:00Z { from db to web on tcp/2; reject }
        }
        layer emergency { policy shed standby { from web to db; reject } }

        """,
    ]

    /// Changes the table as a person would.
    private final class Hand {
        let lab: CommandLab
        let set: String

        init() throws {
            lab = try CommandLab()
            set = try lab.policies("set", AdoptCommandTests.files)
            #expect(try lab.weir("apply", set).succeeded)
        }

        /// The elements of a policy in sets whose names begin so: set, key and value.
        func elements(_ comment: String, in prefix: String) throws -> [(String, String, String)] {
            var name = ""
            var found: [(String, String, String)] = []
            for line in try lab.nft("list", "table", "inet", "weir").split(separator: "\n") {
                let words = line.split(whereSeparator: \.isWhitespace)
                if words.count == 3, ["map", "set"].contains(words[0]) { name = String(words[1]) }
                guard name.hasPrefix(prefix) else { continue }
                for part in line.split(separator: ",")
                where part.contains("\"\(comment)\"") || part.contains("\"\(comment) #") {
                    let text = String(part.split(separator: "{").last ?? "")
                    let key = text.prefix(upTo: text.firstRange(of: " comment")!.lowerBound)
                        .split(separator: " timeout")[0].split(separator: " ct count")[0]
                    let value = text.split(separator: " : ").last ?? ""
                    found.append(
                        (name, String(key), String(value.filter { $0 != "}" && $0 != " " })))
                }
            }
            try #require(!found.isEmpty, "\(comment) has no element in \(prefix)*")
            return found
        }

        func nft(_ lines: [String]) throws {
            try lab.namespace.loadRuleset(lines.joined(separator: "\n") + "\n")
        }

        func delete(_ comment: String, in prefix: String) throws {
            try nft(
                try elements(comment, in: prefix).map {
                    "delete element inet weir \($0.0) { \($0.1) }"
                })
        }

        var policies: String {
            get throws { try String(contentsOfFile: set + "/main.weir", encoding: .utf8) }
        }
    }

    @Test func `what can be said is taken over, and nothing restarts`() throws {
        let hand = try Hand()
        #expect(try hand.lab.weir("enable", "shed", "--for", "10m").succeeded)
        #expect(try hand.lab.weir("adopt", hand.set).output == "nothing was changed by hand\n")
        try hand.delete("emergency.shed", in: "layer.")
        try hand.delete("base.other", in: "layer.")
        let (set, key, value) = try hand.elements("base.ending", in: "layer.")[0]
        let cap = try hand.elements("base.reads", in: "cap_of")[0]
        let limit = try hand.elements("base.reads", in: "limit_of")[0]
        try hand.nft([
            "delete element inet weir \(set) { \(key) }",
            "add element inet weir \(set) { \(key) timeout 1h comment \"base.ending\" : \(value) }",
            "delete element inet weir cap_of { \(cap.1) }",
            "add element inet weir cap_of { \(cap.1) ct count 20 comment \"base.reads\" }",
            "delete element inet weir limit_of { \(limit.1) }",
            "delete limit inet weir base.reads.limit1",
            "add limit inet weir base.reads.limit1 { rate 80/second burst 9 packets; "
                + "comment \"base.reads\"; }",
            "add element inet weir limit_of { \(limit.1) comment \"base.reads\" : \(limit.2) }",
        ])
        let before = try hand.policies
        // At the prompt it is staged, and can be taken back.
        let shown = try hand.lab.weir("repl", hand.set, "-c", "\\adopt", "-c", "\\reset")
        #expect(shown.output.contains("  ~ policy base.other  main.weir"))
        #expect(try hand.policies == before)
        let adopted = try hand.lab.weir("adopt", hand.set)
        #expect(adopted.succeeded, "\(adopted)")
        let after = try hand.policies
        #expect(after.contains("        cap 20 connections          # ten\n"))
        #expect(after.contains("        limit 80 connections/s burst 9 connections then reject\n"))
        #expect(after.contains("policy other \"odd\" standby { from db to web on tcp/1; reject }"))
        #expect(after.contains("policy ending until 20"))
        #expect(!after.contains("2027-06-01"))
        let status = try hand.lab.weir("status", hand.set).output
        #expect(!status.contains("changed in the kernel") && !status.contains("enabled:"))
        let plan = try hand.lab.weir("plan", hand.set).output
        #expect(plan.contains("nothing to do"), "\(plan)")
        let history = try hand.lab.weir("history").output
        #expect(history.contains("weir: adopt what was changed by hand: base.ending: another end"))
    }

    @Test func `what an operator enabled by hand is known from then on`() throws {
        let hand = try Hand()
        #expect(try hand.lab.weir("enable", "shed", "--for", "10m").succeeded)
        // The log forgets, the kernel does not: as if it had been restored from a backup.
        try FileManager.default.removeItem(atPath: hand.lab.directory + "/state/enabled.json")
        let adopted = try hand.lab.weir("adopt", hand.set)
        #expect(adopted.output.contains("adopts emergency.shed: enabled by hand, until 20"))
        #expect(adopted.succeeded, "\(adopted)")
        #expect(try hand.lab.weir("status", hand.set).output.contains("enabled: emergency.shed by"))
        #expect(try hand.lab.weir("plan", hand.set).output.contains("nothing to do"))
    }

    @Test func `what cannot be said is listed, and nothing is adopted unless asked for`() throws {
        let hand = try Hand()
        try hand.nft(["add rule inet weir forward accept"])
        let counters = try hand.elements("base.reads", in: "refused_by_cap")[0]
        try hand.nft(["delete element inet weir refused_by_cap { \(counters.1) }"])
        try hand.delete("base.other", in: "layer.")
        let before = try hand.policies
        let refused = try hand.lab.weir("adopt", hand.set)
        #expect(refused.status == 1)
        #expect(refused.output.contains("adopts base.other: switched off by hand"))
        #expect(refused.output.contains("cannot adopt the rules of chain `forward` were changed"))
        #expect(refused.output.contains("cannot adopt base.reads: changed in part"))
        #expect(try hand.policies == before)
        let partly = try hand.lab.weir("adopt", "--partly", hand.set)
        #expect(partly.succeeded, "\(partly)")
        #expect(try hand.policies.contains("other \"odd\" standby"))
        #expect(try !hand.lab.nft("list", "chain", "inet", "weir", "forward").contains("\taccept"))
        #expect(try hand.lab.weir("plan", hand.set).output.contains("nothing to do"))
    }

    @Test func `files that are not in force are not mixed up with changes by hand`() throws {
        let hand = try Hand()
        try hand.delete("base.other", in: "layer.")
        let text = try hand.policies
        try Data((text + "# later\n").utf8).write(to: URL(filePath: hand.set + "/main.weir"))
        let refused = try hand.lab.weir("adopt", hand.set)
        #expect(refused.status == 1)
        #expect(refused.errors.contains("the files are not what is in force"))
    }
}
