// SPDX-License-Identifier: GPL-3.0-or-later
//
// Live golden signals of each policy in force.

import ArgumentParser
import Glibc
import WeirDiagnostics
import WeirKernel
import WeirREPL
import WeirRuleset
import WeirSession

struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what each policy does just now, the busiest first.",
        discussion: """
            On a terminal it is drawn again each second; q ends. Elsewhere, and with --once or \
            --json, it reads twice, a second apart, and prints what happened in between. \
            docs/triggers.md says what the columns are and where they come from.
            """)

    @OptionGroup var format: JSONFlag
    @Flag(help: "Print one table and end.")
    var once = false

    func run() throws {
        let state = StateDirectory.standard()
        do throws(CommitFailure) {
            let kernel = try LiveKernel.opened()
            if format.json {
                let (reading, _) = try topOnce(state, kernel)
                let document = SignalDocument(
                    reading, revision: reading == nil ? "" : try revision(kernel),
                    nowEpochSeconds: Int64(time(nil)))
                Output.write((try? json(document)) ?? "")
            } else if once || isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1 {
                for line in try topOnce(state, kernel).lines { Output.write(line) }
            } else {
                try runTop(state, kernel, colour: Output.colourOnOutput)
            }
        } catch {
            throw report(error, SourceMap())
        }
    }

    private func revision(_ kernel: LiveKernel) throws(CommitFailure) -> String {
        try kernel.revision()?.contentHash ?? ""
    }
}
