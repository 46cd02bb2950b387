// SPDX-License-Identifier: GPL-3.0-or-later
//
// JSON as a value whose members keep their order, so that output for programs is the same bytes
// for the same findings. RFC 8259; an encoder that sorts or hashes keys would not do.

/// A JSON text under construction.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// Written in full; readers that use doubles lose precision above 2⁵³.
    case unsigned(UInt64)
    case string(String)
    case array([JSONValue])
    case object([Member])

    public struct Member: Hashable, Sendable {
        public let name: String
        public let value: JSONValue

        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// An object of those members that have a value.
    public static func members(_ list: [(String, JSONValue?)]) -> JSONValue {
        .object(list.compactMap { name, value in value.map { Member(name, $0) } })
    }

    public init(_ value: Int) { self = .integer(Int64(value)) }
    public init(_ value: String) { self = .string(value) }

    /// nil stays nil, so that the member is left out.
    public static func optional(_ value: String?) -> JSONValue? { value.map { .string($0) } }

    /// Two spaces a level, a newline at the end.
    public var text: String {
        var out = ""
        write(to: &out, indent: 0)
        return out + "\n"
    }

    private func write(to out: inout String, indent: Int) {
        switch self {
        case .null: out += "null"
        case .bool(let value): out += value ? "true" : "false"
        case .integer(let value): out += "\(value)"
        case .unsigned(let value): out += "\(value)"
        case .string(let value): Self.quote(value, to: &out)
        case .array(let items):
            Self.list(items, "[", "]", to: &out, indent: indent) { item, out, indent in
                item.write(to: &out, indent: indent)
            }
        case .object(let members):
            Self.list(members, "{", "}", to: &out, indent: indent) { member, out, indent in
                Self.quote(member.name, to: &out)
                out += ": "
                member.value.write(to: &out, indent: indent)
            }
        }
    }

    private static func list<Item>(
        _ items: [Item], _ open: String, _ close: String, to out: inout String, indent: Int,
        _ write: (Item, inout String, Int) -> Void
    ) {
        guard !items.isEmpty else {
            out += open + close
            return
        }
        out += open
        for (index, item) in items.enumerated() {
            out += (index == 0 ? "\n" : ",\n") + String(repeating: "  ", count: indent + 1)
            write(item, &out, indent + 1)
        }
        out += "\n" + String(repeating: "  ", count: indent) + close
    }

    /// RFC 8259 section 7: what must be escaped, and nothing else.
    private static func quote(_ value: String, to out: inout String) {
        out += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        out += "\""
    }
}
