// SPDX-License-Identifier: GPL-3.0-or-later
//
// Going on from an earlier resolution gives what resolving everything gives, whatever was edited.

import Testing
import WeirDiagnostics
import WeirInventory
import WeirModel
import WeirResolve
import WeirSyntax
import WeirTesting

@Suite struct ResolutionTests {
    private static let ground = """
        layers { top; middle; base default reject }
        group frontends = web or mobile-gateway
        group unused-maybe = [tier=batch]
        port postgres = tcp/5432
        pattern calm(clients, service) { from clients to service; limit 5 connections/s }
        pattern free(clients, service, loser) { from clients to service; allow overriding loser }
        layer base { policy g1 { from web to api; reject }
                     policy g2 { from api to web; drop } }
        assert always from monitoring to vault on tcp/9100
        """

    /// Bodies of policies: sound ones, some with warnings, some with errors.
    private static let bodies = [
        "{ from web to orders-db on postgres; allow }",
        "{ from frontends to api; reject }",
        "{ from [tier=batch] to any; drop }",
        "{ from [tier=btach] to any; drop }",
        "{ from unused-maybe to vault on tcp/22; cap 10 connections reserve 2 for backup }",
        "= calm(frontends, api)",
        "= calm(backup, orders-db)",
        "= backpressure(web, api, 5 connections/s)",
        "{ from checkout to orders-db; allow overriding g1 }",
        "{ from checkout to orders-db; allow overriding base.g2, base.g1 }",
        "{ from web to vault }",
        "{ from web and [tier=ops] to vault; allow }",
        "{ from nobody to vault; allow }",
        "{ from web to api on nothing; allow }",
        "standby { from 10.9.0.0/16 to api; drop }",
    ]
    private static let layers = ["top", "middle", "base"]

    private var generator: SeededGenerator
    private var files: [String: String] = [:]
    private let seed: UInt64

    init() {
        seed = .random(in: 0 ... .max)
        generator = SeededGenerator(state: seed)
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &generator)
    }

    private mutating func text(_ file: Int) -> String {
        var blocks: [String] = []
        for _ in 0...number(0...2) {
            var policies: [String] = []
            for _ in 0...number(0...3) {
                let body = Self.bodies[number(0...(number(0...39) == 0 ? 14 : 10))]
                policies.append("policy p\(number(0...300))f\(file) \(body)")
            }
            blocks.append(
                "layer \(Self.layers[number(0...2)]) {\n\(policies.joined(separator: "\n"))\n}")
        }
        return blocks.joined(separator: "\n")
    }

    private mutating func edit() {
        let file = number(0...5)
        switch number(0...29) {
        case 0: files["ground.weir"] = Self.ground + "\ngroup g\(number(0...3)) = vault\n"
        case 1...3: files["f\(file).weir"] = nil
        case 4: files["f\(file).weir"] = "layer nowhere { policy x { from a to b } }"
        case 5: files["f\(file).weir"] = "layer top { policy broken { from to } }"
        default: files["f\(file).weir"] = text(file)
        }
    }

    /// Every part, places included.
    private func description(_ resolution: Resolution) -> String {
        var out = ""
        dump(resolution.policySet.policies, to: &out)
        dump(resolution.policySet.assertions, to: &out)
        return out
    }

    @Test mutating func `going on gives what starting anew gives`() throws {
        print("ResolutionTests seed \(seed)")
        let (landscape, _) = readInventory(
            SourceText(name: "i.yaml", Sample.inventory), id: SourceID(index: 90))
        let library = parse(PatternLibrary.source, id: SourceID(index: 0)).file
        var goneOn = 0
        for _ in 0..<30 {
            files = ["ground.weir": Self.ground]
            var last: Resolution?
            for _ in 0..<25 {
                edit()
                // A source keeps its number as long as its file is there, as in a session.
                var texts = [SourceText](repeating: SourceText(name: "", ""), count: 10)
                texts[0] = PatternLibrary.source
                texts[1] = SourceText(name: "ground.weir", files["ground.weir"] ?? "")
                for index in 0...5 {
                    guard let text = files["f\(index).weir"] else { continue }
                    texts[index + 2] = SourceText(name: "f\(index).weir", text)
                }
                var sources = SourceMap()
                for text in texts { _ = sources.add(text) }
                let parsed = texts.indices.dropFirst().filter { !texts[$0].name.isEmpty }.map {
                    parse(texts[$0], id: SourceID(index: $0))
                }
                let damaged = Set(parsed.flatMap(\.damagedNames).map(\.text))
                let whole = Resolution(
                    files: parsed.map(\.file), landscape: landscape, sources: sources,
                    damagedNames: damaged, library: library)
                if let earlier = last,
                    let next = Resolution(
                        from: earlier, files: parsed.map(\.file), landscape: landscape,
                        sources: sources, damagedNames: damaged)
                {
                    goneOn += 1
                    #expect(next.diagnostics == whole.diagnostics)
                    #expect(description(next) == description(whole))
                    // What was gone on to is gone on from.
                    last = next
                } else {
                    last = whole
                }
            }
        }
        #expect(goneOn > 100)
    }
}
