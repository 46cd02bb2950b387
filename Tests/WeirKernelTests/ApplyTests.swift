// SPDX-License-Identifier: GPL-3.0-or-later
//
// What is written over netlink is what nft would have written: the listings agree byte for byte,
// load again, and read back as nothing left to do.

import Testing
import WeirKernel
import WeirRuleset

@Suite struct ApplyTests {
    @Test func `netlink and nft text make the same table`() throws {
        let now = currentTimeMilliseconds()
        let ruleset = everyStatement(now: now)
        let fromText = try inNewNamespace {
            let text = ruleset.nftText(nowMilliseconds: now)
            let load = try run(["nft", "-f", "-"], input: text)
            #expect(load == ProgramResult(status: 0, output: ""), "\(text)")
            return try listing()
        }
        let fromNetlink = try inNewNamespace {
            var socket = try NetfilterSocket.open()
            let delta = ruleset.delta(from: nil, nowMilliseconds: now)
            try socket.apply(delta, expectedGeneration: socket.generation(), nowMilliseconds: now)
            return try listing()
        }
        #expect(sorted(fromNetlink) == sorted(fromText))
    }
}

/// The parts of a listing in the order of their text: nft lists in the order of creation.
private func sorted(_ listing: String) -> [String] {
    listing.split(separator: "\n\n").map { String($0) }.sorted()
}
