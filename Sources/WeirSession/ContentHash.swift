// SPDX-License-Identifier: GPL-3.0-or-later
//
// Tells two contents of a policy set apart. It identifies, it does not authenticate: git does
// that. FNV-1a with 128 bits (draft-eastlake-fnv) over each file, then over names and hashes, so
// that an edit hashes one file again and not all. Names are relative to the policy set: where it
// was called from does not matter.

import FoundationEssentials
public import WeirDiagnostics

private struct FNV1a {
    private(set) var value: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D

    mutating func add(_ bytes: some Sequence<UInt8>) {
        let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013B
        var hash = value
        for byte in bytes { hash = (hash ^ UInt128(byte)) &* prime }
        value = (hash ^ 0x100) &* prime
    }

    var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }
}

/// The hash of one file's bytes, as 32 hexadecimal digits.
public func contentHash(of bytes: [UInt8]) -> String {
    var hash = FNV1a()
    hash.add(bytes)
    return hash.text
}

/// The hash of a policy set's files, as 32 hexadecimal digits.
/// - Parameter root: the policy set's path as the sources' names have it.
public func contentHash(of sources: SourceMap, root: String) -> String {
    contentHash(
        ofFiles: Dictionary(
            sources.texts.filter { !$0.isBuiltIn }
                .map { ($0.name, contentHash(of: $0.bytes)) }, uniquingKeysWith: { $1 }),
        root: root)
}

/// - Parameter files: path to hash.
func contentHash(ofFiles files: [String: String], root: String) -> String {
    var hash = FNV1a()
    let named = files.map { (name: relativePath($0, to: root), hash: $1) }
    for (name, content) in named.sorted(by: { $0.name < $1.name }) where !name.isEmpty {
        hash.add(name.utf8)
        hash.add(content.utf8)
    }
    return hash.text
}

/// The absolute path with `.` and `..` taken out; links are not followed.
public func absolutePath(_ path: String) -> String {
    let start = path.hasPrefix("/") ? "" : FileManager.default.currentDirectoryPath + "/"
    var parts: [Substring] = []
    for part in (start + path).split(separator: "/") where part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
}

/// A path as seen from a policy set: its directory, or that of its one file.
public func relativePath(_ path: String, to root: String) -> String {
    guard !path.isEmpty else { return "" }
    var base = absolutePath(root).split(separator: "/")
    let parts = absolutePath(path).split(separator: "/")
    if base == parts { return String(parts.last ?? "") }
    if root.hasSuffix(".weir") { _ = base.popLast() }
    let common = zip(base, parts).prefix { $0 == $1 }.count
    let up = [Substring](repeating: "..", count: base.count - common)
    return (up + parts.dropFirst(common)).joined(separator: "/")
}
