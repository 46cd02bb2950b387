// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which revision a table enforces is kept in the table, as comments of two elements of a small
// set: the kernel cannot change the user data of a table that exists, and an element is replaced
// in the same transaction as everything else, listed by `nft` and loaded again from its listing.

extension Revision {
    /// The set that holds it.
    public static let setName = "revision"

    private static let contentKey = ElementKey(1)
    private static let commitKey = ElementKey(2)

    /// The set with the revision in the comments of its elements 1 (content) and 2 (commit).
    public var set: NamedSet {
        var result = NamedSet(key: [.mark])
        if !contentHash.isEmpty {
            result.elements[Self.contentKey] = Element(comment: "content \(contentHash)")
        }
        if !gitCommit.isEmpty {
            result.elements[Self.commitKey] = Element(comment: "commit \(gitCommit)")
        }
        return result
    }

    /// Reads what ``set`` wrote; empty where an element is missing or says something else.
    public init(set: NamedSet?) {
        func text(_ key: ElementKey, after prefix: String) -> String {
            guard let comment = set?.elements[key]?.comment, comment.hasPrefix(prefix) else {
                return ""
            }
            return String(comment.dropFirst(prefix.count))
        }
        self.init(
            contentHash: text(Self.contentKey, after: "content "),
            gitCommit: text(Self.commitKey, after: "commit "))
    }
}

extension Ruleset {
    /// The declared sets and the one that holds the revision.
    public var allSets: [String: NamedSet] {
        var result = sets
        result[Revision.setName] = revision.set
        return result
    }
}
