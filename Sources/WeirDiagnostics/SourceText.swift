// SPDX-License-Identifier: GPL-3.0-or-later
//
// Source text and positions in it. Everything weir says to an operator leads back to a place in a
// file, so a place must be cheap to carry: a file number and two byte offsets. Lines and columns
// are computed only when somebody reads them.

/// One file as it was read: its name as the operator knows it, and its bytes.
public struct SourceText: Sendable {
    /// The path as given or found, relative to the working directory where possible.
    public let name: String
    /// The file's bytes, unchanged. May be invalid UTF-8; that is diagnosed by the parser.
    public let bytes: [UInt8]
    /// Offsets of the first byte of each line; never empty, always starting with 0.
    public let lineStarts: [Int]
    /// Part of weir and not of the operator's files: named in messages, never hashed or written.
    public let isBuiltIn: Bool

    public init(name: String, bytes: [UInt8], isBuiltIn: Bool = false) {
        self.name = name
        self.bytes = bytes
        self.isBuiltIn = isBuiltIn
        var starts = [0]
        for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            starts.append(offset + 1)
        }
        self.lineStarts = starts
    }

    public init(name: String, _ text: String) {
        self.init(name: name, bytes: Array(text.utf8))
    }

    /// Line and column of a byte offset, both from 1; the column counts Unicode scalars.
    public func position(at offset: Int) -> SourcePosition {
        let offset = min(max(offset, 0), bytes.count)
        var low = 0
        var high = lineStarts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        var column = 1
        for byte in bytes[lineStarts[low]..<offset] where byte & 0xC0 != 0x80 { column += 1 }
        return SourcePosition(line: low + 1, column: column)
    }

    /// The text of a line (from 1) without its line end.
    public func line(_ number: Int) -> String {
        guard number >= 1, number <= lineStarts.count else { return "" }
        let start = lineStarts[number - 1]
        return text(in: start..<start + contentLength(ofLine: number))
    }

    /// Bytes of a line (from 1) without its line end.
    func contentLength(ofLine number: Int) -> Int {
        let start = lineStarts[number - 1]
        var end = number < lineStarts.count ? lineStarts[number] - 1 : bytes.count
        if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return max(0, end - start)
    }

    public func text(in range: Range<Int>) -> String {
        String(decoding: bytes[range.clamped(to: 0..<bytes.count)], as: UTF8.self)
    }
}

/// A line and a column, both from 1.
public struct SourcePosition: Hashable, Sendable {
    public let line: Int
    public let column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// Which file of a ``SourceMap``.
public struct SourceID: Hashable, Sendable, Comparable {
    public let index: Int

    public init(index: Int) { self.index = index }

    public static func < (a: SourceID, b: SourceID) -> Bool { a.index < b.index }
}

/// A range of bytes in one file.
public struct SourceRange: Hashable, Sendable {
    public let source: SourceID
    /// Byte offsets, half-open.
    public let start: Int
    public let end: Int

    public init(source: SourceID, start: Int, end: Int) {
        self.source = source
        self.start = start
        self.end = max(start, end)
    }

    public var bytes: Range<Int> { start..<end }

    /// The smallest range that holds both; both must lie in the same file.
    public func union(_ other: SourceRange) -> SourceRange {
        precondition(source == other.source, "a range lies in one file")
        return SourceRange(
            source: source, start: min(start, other.start), end: max(end, other.end))
    }
}

/// All files of one run, by number.
public struct SourceMap: Sendable {
    public private(set) var texts: [SourceText] = []

    public init() {}

    public mutating func add(_ text: SourceText) -> SourceID {
        texts.append(text)
        return SourceID(index: texts.count - 1)
    }

    public subscript(_ id: SourceID) -> SourceText { texts[id.index] }

    /// `file:line:column` of a range's start, as compilers print it.
    public func location(_ range: SourceRange) -> String {
        let text = self[range.source]
        let position = text.position(at: range.start)
        return "\(text.name):\(position.line):\(position.column)"
    }
}
