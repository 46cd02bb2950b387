// SPDX-License-Identifier: GPL-3.0-or-later
//
// The ruleset as text for `nft -f`, for people who want to read what weir would do, or to load it
// where weir does not run. Loading it replaces weir's own table in one transaction, with all its
// counters and learned state, and touches no other table.

extension Ruleset {
    /// The whole table as nft 1.0.6 reads it.
    ///
    /// The first two lines create the table if need be and delete it, so that `nft -f` of the
    /// result replaces it atomically whatever was there before.
    /// - Parameter nowMilliseconds: since 1970-01-01; elements that expire are written with the
    ///   time they have left then, and left out when it has passed.
    public func nftText(nowMilliseconds: Int64) -> String {
        var text = ""
        writeNftText(nowMilliseconds: nowMilliseconds, to: &text)
        return text
    }

    /// As ``nftText(nowMilliseconds:)``, element by element: 10⁶ elements need no second copy.
    public func writeNftText(
        nowMilliseconds: Int64, to output: inout some TextOutputStream
    ) {
        let table = "\(family.rawValue) \(name)"
        output.write("table \(table)\ndelete table \(table)\n\n")
        output.write("table \(table) {\n")
        output.write("\tcomment \(nftQuoted(Ruleset.tableComment))\n")
        for (name, object) in objects.sorted(by: { $0.key < $1.key }) {
            output.write("\n" + object.nftText(named: name))
        }
        for (name, set) in allSets.sorted(by: { $0.key < $1.key }) {
            output.write("\n")
            set.writeNftText(named: name, nowMilliseconds: nowMilliseconds, to: &output)
        }
        for (name, chain) in chains.sorted(by: { $0.key < $1.key }) {
            output.write("\n" + chain.nftText(named: name, family: family))
        }
        output.write("}\n")
    }

    /// Said in the table itself, for whoever finds it with `nft list`.
    public static let tableComment = "written by weir: change the policies, not this table"
}

/// Longest comment that nft 1.0.6 reads, in bytes.
public let nftCommentLimitBytes = 128

/// Text as nft can hold it between quotes, which know no escape: `"` becomes `'`, control
/// characters become spaces. The same text is put into netlink messages, so that a table reads
/// the same whichever way it was made.
public func nftSafe(_ text: String, limitBytes: Int = nftCommentLimitBytes) -> String {
    func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F && byte != 0x22 }
    if text.utf8.count <= limitBytes && text.utf8.allSatisfy(isPlain) { return text }
    var result = ""
    var bytes = 0
    for scalar in text.unicodeScalars {
        bytes += UTF8.width(scalar)
        if bytes > limitBytes { break }
        switch scalar {
        case "\"": result.unicodeScalars.append("'")
        case _ where scalar.value < 0x20 || scalar.value == 0x7F: result.append(" ")
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// A log's prefix; nft takes `$` in it for a variable of its own.
public func nftLogPrefix(_ text: String) -> String {
    String(nftSafe(text, limitBytes: 127).map { $0 == "$" ? "?" : $0 })
}

func nftQuoted(_ text: String, limitBytes: Int = nftCommentLimitBytes) -> String {
    "\"\(nftSafe(text, limitBytes: limitBytes))\""
}

/// `1d2h3m4s5ms`; nft reads no longer number than eight digits, so each unit is written.
func nftDuration(milliseconds: UInt64) -> String {
    let units: [(String, UInt64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]
    var rest = milliseconds
    var text = ""
    for (unit, size) in units where rest >= size {
        text += "\(rest / size)\(unit)"
        rest %= size
    }
    return text.isEmpty ? "0s" : text
}

extension NamedObject {
    func nftText(named name: String) -> String {
        let remark = comment.isEmpty ? "" : "\t\tcomment \(nftQuoted(comment))\n"
        switch kind {
        case .counter: return "\tcounter \(name) {\n\(remark)\t}\n"
        case .limit(let limit):
            return "\tlimit \(name) {\n\(remark)\t\trate \(limit.nftText)\n\t}\n"
        }
    }
}

extension RateLimit {
    /// What follows `rate` in a rule and in a named limit alike.
    var nftText: String {
        let unit =
            switch intervalSeconds {
            case 1: "second"
            case 60: "minute"
            case 3600: "hour"
            case 86_400: "day"
            default: "week"
            }
        let amount = self.unit == .bytes ? "\(rate) bytes" : "\(rate)"
        return "\(over ? "over " : "")\(amount)/\(unit) burst \(burst) \(self.unit.rawValue)"
    }
}

extension Chain {
    func nftText(named name: String, family: TableFamily) -> String {
        var text = "\tchain \(name) {\n"
        if let hook {
            text += "\t\ttype filter hook \(hook.point.rawValue) priority \(hook.priority);"
            text += " policy accept;\n"
        }
        for rule in rules { text += "\t\t\(rule.nftText(family: family))\n" }
        return text + "\t}\n"
    }
}
