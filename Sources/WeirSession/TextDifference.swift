// SPDX-License-Identifier: GPL-3.0-or-later
//
// What differs between two texts, as a unified diff, by the standard library's difference of
// collections (Myers, 1986) on what lies between the common start and end: edits are small, so
// that is fast.

/// One line of a difference.
public enum DifferenceLine: Hashable, Sendable {
    case same(String)
    case removed(String)
    case added(String)
}

/// A unified diff of two texts with three lines of context; empty where they are the same.
public func unifiedDifference(
    _ old: [UInt8], _ new: [UInt8], oldName: String, newName: String
) -> [String] {
    guard old != new else { return [] }
    let script = differenceLines(lines(old), lines(new))
    var out = ["--- \(oldName)", "+++ \(newName)"]
    let changed = script.indices.filter { if case .same = script[$0] { false } else { true } }
    var index = 0
    while index < changed.count {
        var last = index
        while last + 1 < changed.count, changed[last + 1] - changed[last] <= 6 { last += 1 }
        let range = max(0, changed[index] - 3)..<min(script.count, changed[last] + 4)
        out.append(header(script, range))
        out += script[range].map(\.marked)
        index = last + 1
    }
    return out
}

private func header(_ script: [DifferenceLine], _ range: Range<Int>) -> String {
    var (oldStart, newStart) = (1, 1)
    for line in script[..<range.lowerBound] {
        if line.isInOld { oldStart += 1 }
        if line.isInNew { newStart += 1 }
    }
    let (oldCount, newCount) = (
        script[range].count(where: \.isInOld), script[range].count(where: \.isInNew)
    )
    // diff counts from the line before where there is none.
    return "@@ -\(oldCount == 0 ? oldStart - 1 : oldStart),\(oldCount) "
        + "+\(newCount == 0 ? newStart - 1 : newStart),\(newCount) @@"
}

extension DifferenceLine {
    fileprivate var isInOld: Bool { if case .added = self { false } else { true } }
    fileprivate var isInNew: Bool { if case .removed = self { false } else { true } }
    fileprivate var marked: String {
        switch self {
        case .same(let text): " " + text
        case .removed(let text): "-" + text
        case .added(let text): "+" + text
        }
    }
}

private func lines(_ bytes: [UInt8]) -> [String] {
    guard !bytes.isEmpty else { return [] }
    var parts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
    if parts.last == "" { parts.removeLast() }
    return parts
}

/// The shortest script that makes one list of lines of another.
public func differenceLines(_ old: [String], _ new: [String]) -> [DifferenceLine] {
    let start = zip(old, new).prefix { $0 == $1 }.count
    let end = zip(old.dropFirst(start).reversed(), new.dropFirst(start).reversed())
        .prefix { $0 == $1 }.count
    let changes = new[start..<(new.count - end)].difference(from: old[start..<(old.count - end)])
    var removed: Set<Int> = []
    var inserted: [Int: String] = [:]
    for change in changes {
        switch change {
        case .remove(let offset, _, _): removed.insert(offset)
        case .insert(let offset, let line, _): inserted[offset] = line
        }
    }
    var out: [DifferenceLine] = old[..<start].map { .same($0) }
    var position = 0
    let middle = Array(old[start..<(old.count - end)])
    for (offset, line) in middle.enumerated() {
        if removed.contains(offset) {
            out.append(.removed(line))
            continue
        }
        while let added = inserted[position] {
            out.append(.added(added))
            position += 1
        }
        out.append(.same(line))
        position += 1
    }
    while let added = inserted[position] {
        out.append(.added(added))
        position += 1
    }
    out += old[(old.count - end)...].map { .same($0) }
    return out
}
