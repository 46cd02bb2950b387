// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pattern library for reading: what an operator may use without declaring it, and what it
// does.

import ArgumentParser
import WeirDiagnostics
import WeirResolve

struct Library: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the patterns that every policy set has.",
        discussion: """
            Without a name the whole file, which may be read as an example of the language; with a \
            name that pattern and its page. A pattern of the same name in a policy set wins.
            """)

    @Argument(help: "A pattern, such as quarantine.", completion: .list(libraryNames))
    var name: String?

    func run() throws {
        guard let name else {
            return Output.write(
                PatternLibrary.source.text(in: 0..<PatternLibrary.source.bytes.count),
                terminator: "")
        }
        guard let entry = PatternLibrary.entries.first(where: { $0.name == name }) else {
            let near = nearestName(to: name, among: libraryNames)
            Output.error(
                "the library has no pattern \(quoted(name))",
                help: near.map { "did you mean `\($0)`?" }
                    ?? "it has \(libraryNames.joined(separator: ", "))")
            throw Stop(.unusable)
        }
        Output.write(entry.text + "\n\n" + entry.page, terminator: "")
    }
}

private let libraryNames = PatternLibrary.entries.map(\.name)
