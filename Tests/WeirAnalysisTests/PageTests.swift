// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every page keeps its word: its Avoid block has exactly the finding that it is about, its Prefer
// block has none.

import Testing
import WeirAnalysis
import WeirDiagnostics
import WeirModel
import WeirResolve

@Suite struct PageTests {
    static let inventory = """
        zones:
          az-a: [10.1.0.0/16]
          az-b: [10.2.0.0/16]
        services:
          web: {labels: {tier: web}, endpoints: [10.1.1.1, 10.2.1.1]}
          checkout: {labels: {tier: app}, endpoints: [10.1.2.1, 10.2.2.1]}
          api: {labels: {tier: app}, endpoints: [10.1.6.1, 10.2.6.1]}
          orders-db:
            labels: {tier: data}
            capacity: {connections: 1000}
            endpoints: [10.1.3.10, 10.2.3.10]
          vault: {labels: {tier: data}, endpoints: [10.1.5.1]}
          monitoring: {labels: {tier: ops}, endpoints: [10.1.9.9]}
          backup: {labels: {tier: batch}, endpoints: [10.2.8.1]}
        """

    static let layers = "layers { emergency; security; resilience; baseline default reject }\n"

    /// Where the operator of the `lockout` page comes from.
    static let channel = ProtectedChannel(
        .operatorConnection,
        Flow(
            source: .v4(0x0A01_0909), destination: .v4(0x0A01_0101),
            port: PortPoint(protocolNumber: IPProtocol.tcp, port: 22)))

    /// All codes that a block has, from every pass.
    static func codes(_ block: String, of code: FindingCode) -> [String] {
        let text = "landscape \"i.yaml\"\n" + (block.contains("layers {") ? "" : layers) + block
        let tree = MemoryTree(["i.yaml": inventory, "p.weir": text])
        let loaded = PolicySetLoader(tree: tree).load("p.weir")
        let renderer = TextRenderer(sources: loaded.sources)
        for diagnostic in loaded.diagnostics { print(renderer.render(diagnostic)) }
        var found = loaded.diagnostics.map(\.code)
        if let policySet = loaded.policySet {
            let options = AnalysisOptions(
                epochSeconds: monday, channels: code == .lockout ? [channel] : [])
            for finding in analyze(policySet, options: options) {
                found.append(finding.code.rawValue)
                print(renderer.render(finding.diagnostic(in: policySet)))
            }
        }
        return found
    }

    @Test(arguments: FindingCode.allCases)
    func `the page keeps its word`(code: FindingCode) {
        let page = code.page
        #expect(page.code == code)
        #expect(Set(Self.codes(page.avoid, of: code)) == [code.rawValue])
        #expect(Self.codes(page.prefer, of: code) == [])
        let text = WeirAnalysis.page(for: code.rawValue)
        #expect(text?.hasPrefix("# \(code.rawValue) (") == true)
    }

    @Test func `other codes have no page here`() {
        #expect(page(for: "unknown-name") == nil)
    }
}
