// SPDX-License-Identifier: GPL-3.0-or-later
//
// The command: arguments in, exit status out. What the commands do is in WeirSession; how it
// looks is in the other files here.

import ArgumentParser
import Glibc
import WeirDiagnostics

struct Weir: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir",
        abstract: "Layered interaction policies, compiled to nftables.",
        discussion: """
            Reads a policy set (a directory of *.weir files and the inventories they name), proves \
            that its layers do not contradict each other, and puts it in force in this network \
            namespace by one atomic commit to one nftables table.

            Exit status: 0 well; 1 findings of severity error, or a refused commit; 2 usage, \
            unreadable input, no permission.
            """,
        subcommands: [
            Check.self, PlanCommand.self, Apply.self, Explain.self, Show.self, Compile.self,
            Fmt.self, Library.self, Remove.self, Repl.self, Confirm.self, ConfirmGuard.self,
            SettleCaps.self,
            History.self, Rollback.self, Enable.self, Disable.self, Status.self,
            Agent.self, Top.self, Adopt.self, Trace.self,
        ])
}

@main
enum Main {
    static func main() {
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try Weir.parseAsRoot()
            try command.run()
        } catch let stop as Stop {
            exit(stop.status.rawValue)
        } catch {
            let code = Weir.exitCode(for: error)
            let text = Weir.fullMessage(for: error)
            if code == .success {
                Output.write(text)
                exit(ExitStatus.success.rawValue)
            }
            Output.message(text)
            exit(ExitStatus.unusable.rawValue)
        }
    }
}
