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
        let checked = check(location.path)
        Output.diagnostics(checked.diagnostics, checked.sources)
        Output.write(summary(checked.diagnostics, checked.policySet))
        if checked.diagnostics.hasErrors { throw Stop(checked.isUnreadable ? .unusable : .refused) }
    }
}
