// SPDX-License-Identifier: GPL-3.0-or-later

import ArgumentParser

@main
struct Weir: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "weir", abstract: "Layered interaction policies, compiled to nftables.")
}
