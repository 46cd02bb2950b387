// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

struct Compile: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the ruleset as nft text; needs no root.",
        discussion: """
            The text replaces weir's own table and nothing else: weir compile PATH | nft -f -
            """)

    @OptionGroup var location: PolicyPath
    @OptionGroup var vantage: VantageOption

    func run() throws {
        let ready = try loadWithoutErrors(location.path)
        let state = currentState()
        let (program, diagnostics) = lower(
            ready.policySet,
            options: LoweringOptions(
                revision: revision(of: ready), state: state,
                vantage: vantage.onHost == true ? .host(ownAddresses()) : .gateway))
        Output.diagnostics(diagnostics, ready.sources)
        guard let program else { throw Stop(.refused) }
        var stream = OutputStream()
        program.ruleset.writeNftText(nowMilliseconds: state.epochSeconds * 1000, to: &stream)
        stream.flush()
    }
}
