// SPDX-License-Identifier: GPL-3.0-or-later
//
// "Did you mean": the nearest of the names that would have been right.

/// The candidate nearest to `name` by edit distance (optimal string alignment), if it is near
/// enough to be a slip: at most a third of the name's length, and at least one edit allowed.
public func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
    let limit = max(1, name.count / 3)
    var best: (name: String, distance: Int)?
    let wanted = Array(name.utf8)
    for candidate in candidates {
        let distance = editDistance(wanted, Array(candidate.utf8), limit: limit)
        guard distance <= limit else { continue }
        if let known = best, (known.distance, known.name) <= (distance, candidate) { continue }
        best = (candidate, distance)
    }
    return best?.name
}

/// Optimal string alignment distance; anything over `limit` comes back as `limit + 1`.
func editDistance(_ a: [UInt8], _ b: [UInt8], limit: Int) -> Int {
    guard abs(a.count - b.count) <= limit else { return limit + 1 }
    guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
    var beforeLast = [Int](repeating: 0, count: b.count + 1)
    var last = Array(0...b.count)
    for i in 1...a.count {
        var row = [i] + [Int](repeating: 0, count: b.count)
        for j in 1...b.count {
            let substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
            row[j] = min(last[j] + 1, row[j - 1] + 1, substitution)
            if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                row[j] = min(row[j], beforeLast[j - 2] + 1)
            }
        }
        if row.min() ?? 0 > limit { return limit + 1 }
        (beforeLast, last) = (last, row)
    }
    return min(last[b.count], limit + 1)
}
