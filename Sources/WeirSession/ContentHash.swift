// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tells two contents of a policy set apart. It identifies, it does not authenticate: git does
// that. FNV-1a with 128 bits (draft-eastlake-fnv), over names and bytes of all files.

public import WeirDiagnostics

/// The hash of a policy set's files, as 32 hexadecimal digits.
public func contentHash(of sources: SourceMap) -> String {
    var hash: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D
    let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013B
    func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { hash = (hash ^ UInt128(byte)) &* prime }
        hash = (hash ^ 0x100) &* prime
    }
    for text in sources.texts.sorted(by: { $0.name < $1.name }) where !text.isBuiltIn {
        add(text.name.utf8)
        add(text.bytes)
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 32 - digits.count) + digits
}
