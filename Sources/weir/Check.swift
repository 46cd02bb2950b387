// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import WeirDiagnostics
import WeirKernel
import WeirModel
import WeirResolve
import WeirRuleset
import WeirSession

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Parse, resolve and analyse; needs neither root nor a kernel.")

    @OptionGroup var location: PolicyPath

    func run() throws {
        let loaded = load(location.path)
        Output.diagnostics(loaded.diagnostics, loaded.sources)
        Output.write(summary(loaded.diagnostics, loaded.policySet))
        if loaded.diagnostics.hasErrors { throw Stop(unreadable(loaded) ? .unusable : .refused) }
    }
}
