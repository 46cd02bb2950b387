// SPDX-License-Identifier: GPL-3.0-or-later
//
// What stands between tokens, taken apart: the formatter keeps comments and blank lines, colouring
// needs where comments are. Both read only what the lexer found to be trivia.

/// A piece of trivia that means something to a reader.
enum TriviaPiece: Hashable {
    /// From `#` to the last visible character of the line.
    case comment(Range<Int>)
    /// One or more empty lines.
    case blankLine
}

/// The comments and blank lines among some bytes of trivia. Trivia that begins a line, as it does
/// after a token's own line end, counts that line end.
func triviaPieces(_ bytes: [UInt8], in range: Range<Int>) -> [TriviaPiece] {
    var pieces: [TriviaPiece] = []
    var newlines = 0
    var position = range.lowerBound
    while position < range.upperBound {
        switch bytes[position] {
        case UInt8(ascii: "\n"):
            newlines += 1
            if newlines == 2 { pieces.append(.blankLine) }
            position += 1
        case UInt8(ascii: "#"):
            let start = position
            while position < range.upperBound, bytes[position] != UInt8(ascii: "\n") {
                position += 1
            }
            var end = position
            while [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
                .contains(bytes[end - 1])
            { end -= 1 }
            pieces.append(.comment(start..<end))
            newlines = 0
        default: position += 1
        }
    }
    return pieces
}
