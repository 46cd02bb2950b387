// SPDX-License-Identifier: GPL-3.0-or-later
//
// Makes what somebody changed in the kernel's table by hand the policies' own, where it can be said.

import ArgumentParser
import WeirDiagnostics
import WeirSession

struct Adopt: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take over what was changed in the kernel by hand, into files and git.",
        discussion: """
            What a policy can say is written into it: that it is off, its end, the number of a cap \
            or limit in total, that a standby policy is enabled or not. Everything else is listed, \
            with exit status 1, and nothing is committed unless --partly says so: the commit puts \
            the rest right. At the prompt, \\adopt stages the same edits.
            """)

    @OptionGroup var location: PolicyPath
    @Flag(help: "Take over what can be, although not all can.")
    var partly = false
    @Option(name: .shortAndLong, help: "What the log and git say about it.")
    var message: String?

    func run() throws {
        let session = PolicySession(location.path)
        do throws(SessionFailure) {
            let adoption = try session.adoptDrift()
            for line in adoption.lines { Output.write(line) }
            guard !adoption.taken.isEmpty, adoption.refused.isEmpty || partly else {
                session.reset()
                if adoption.refused.isEmpty { return }
                throw .nothingStaged
            }
            var options = CommitOptions()
            options.message =
                message ?? "weir: adopt what was changed by hand: "
                + adoption.taken.joined(separator: "; ")
            let outcome = try session.commit(options)
            report(outcome)
        } catch {
            throw stop(error)
        }
    }

    private func stop(_ failure: SessionFailure) -> Stop {
        switch failure {
        case .write(let failure): return weir.stop(failure, .init())
        case .noKernel(let error?): return weir.stop(.commit(.kernel(error)), .init())
        case .unsound(let diagnostics, let sources):
            Output.diagnostics(diagnostics, sources)
            Output.error("the policy set has errors; nothing was adopted")
        case .conflicts: Output.error("the files changed meanwhile; nothing was adopted")
        case .noKernel(nil), .nothingStaged: break
        }
        return Stop(.refused)
    }
}
