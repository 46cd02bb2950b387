// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser
import FoundationEssentials
import WeirDiagnostics
import WeirResolve
import WeirSyntax

struct Fmt: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print policy files in the canonical layout, in place.",
        discussion: """
            Rewrites every *.weir file of a policy set that is not in the canonical layout; comments \
            stay. With --check it changes nothing and exits with 1 where a file would change. A \
            file with syntax errors is reported and left alone.
            """)

    @OptionGroup var location: PolicyPath
    @Flag(help: "Change nothing; name the files that would change, and exit with 1.")
    var check = false

    func run() throws {
        let loaded = PolicySetLoader().load(location.path)
        var status = ExitStatus.success
        for file in loaded.files {
            let source = loaded.sources[file.file.source]
            guard let text = format(file) else {
                let own = file.diagnostics.filter { $0.severity == .error }
                Output.diagnostics(own, loaded.sources)
                status = .refused
                continue
            }
            guard Array(text.utf8) != source.bytes else { continue }
            if check {
                Output.write("\(source.name) is not in the canonical layout")
                status = .refused
                continue
            }
            do {
                try Data(text.utf8).write(to: URL(filePath: source.name), options: .atomic)
            } catch {
                Output.error("cannot write `\(source.name)`")
                throw Stop(.unusable)
            }
            Output.write("formatted \(source.name)")
        }
        if loaded.files.isEmpty {
            Output.diagnostics(loaded.diagnostics, loaded.sources)
            throw Stop(loaded.diagnostics.hasErrors ? .unusable : .success)
        }
        if status != .success { throw Stop(status) }
    }
}
