// SPDX-License-Identifier: GPL-3.0-or-later
//
// The edge to libyaml: bytes in, events with byte ranges out. Nothing else in weir sees a C
// pointer of libyaml. Its marks count characters, so they are turned into byte offsets here.

import CYaml

/// One event of a YAML stream, with the bytes it stands in.
struct YamlEvent {
    enum Kind {
        case documentStart
        case scalar(String, isPlain: Bool, anchor: String?, tag: String?)
        case sequenceStart(anchor: String?, tag: String?)
        case mappingStart(anchor: String?, tag: String?)
        case containerEnd
        case alias(String)
        case streamEnd
    }
    let kind: Kind
    let bytes: Range<Int>
}

/// Why a text is no YAML, in libyaml's words.
struct YamlSyntaxError: Error {
    let problem: String
    let offset: Int
    /// What was being read, and where it started: `while parsing a block mapping`.
    let context: (text: String, offset: Int)?
}

/// Reads a YAML stream event by event until it ends or `body` returns false.
///
/// `bytes` must be valid UTF-8. Throws where libyaml's parser or scanner gives up.
func readYamlEvents(
    _ bytes: [UInt8], _ body: (YamlEvent) -> Bool
) throws(YamlSyntaxError) {
    let offsets = CharacterOffsets(bytes)
    let failure: YamlSyntaxError? = unsafe bytes.withUnsafeBufferPointer { buffer in
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { unsafe parser.deallocate() }
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            return YamlSyntaxError(problem: "out of memory", offset: 0, context: nil)
        }
        defer { unsafe yaml_parser_delete(parser) }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, buffer.baseAddress, buffer.count)
        while true {
            var event = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(parser, &event) == 1 else {
                return unsafe syntaxError(of: parser.pointee, offsets)
            }
            defer { unsafe yaml_event_delete(&event) }
            guard let kind = unsafe kind(of: event) else { continue }
            let start = unsafe offsets.byte(ofCharacter: event.start_mark.index)
            let end = unsafe offsets.byte(ofCharacter: event.end_mark.index)
            guard body(YamlEvent(kind: kind, bytes: start..<max(start, end))) else { return nil }
            if case .streamEnd = kind { return nil }
        }
    }
    if let failure { throw failure }
}

private func kind(of event: yaml_event_t) -> YamlEvent.Kind? {
    switch unsafe event.type {
    case YAML_DOCUMENT_START_EVENT: return .documentStart
    case YAML_SCALAR_EVENT:
        let scalar = unsafe event.data.scalar
        let value = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
        return unsafe .scalar(
            String(decoding: value, as: UTF8.self),
            isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE,
            anchor: text(scalar.anchor), tag: text(scalar.tag))
    case YAML_SEQUENCE_START_EVENT:
        let sequence = unsafe event.data.sequence_start
        return unsafe .sequenceStart(anchor: text(sequence.anchor), tag: text(sequence.tag))
    case YAML_MAPPING_START_EVENT:
        let mapping = unsafe event.data.mapping_start
        return unsafe .mappingStart(anchor: text(mapping.anchor), tag: text(mapping.tag))
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .containerEnd
    case YAML_ALIAS_EVENT: return unsafe .alias(text(event.data.alias.anchor) ?? "")
    case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return .streamEnd
    default: return nil
    }
}

private func text(_ pointer: UnsafeMutablePointer<UInt8>?) -> String? {
    unsafe pointer.map { unsafe String(cString: $0) }
}

private func syntaxError(
    of parser: yaml_parser_t, _ offsets: CharacterOffsets
) -> YamlSyntaxError {
    let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "unreadable"
    if unsafe parser.error == YAML_READER_ERROR {
        return YamlSyntaxError(
            problem: problem, offset: unsafe Int(parser.problem_offset), context: nil)
    }
    let context = unsafe parser.context.map { unsafe String(cString: $0) }
    let contextOffset = unsafe offsets.byte(ofCharacter: parser.context_mark.index)
    return YamlSyntaxError(
        problem: problem,
        offset: unsafe offsets.byte(ofCharacter: parser.problem_mark.index),
        context: context.map { ($0, contextOffset) })
}

/// From libyaml's character numbers to byte offsets.
struct CharacterOffsets {
    private static let stride = 64
    private let bytes: [UInt8]
    /// Byte offset of every 64th character; nil where all is ASCII and both numbers are equal.
    private let checkpoints: [Int]?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard bytes.contains(where: { $0 >= 0x80 }) else {
            checkpoints = nil
            return
        }
        var found: [Int] = []
        var character = 0
        for (offset, byte) in bytes.enumerated() where byte & 0xC0 != 0x80 {
            if character % Self.stride == 0 { found.append(offset) }
            character += 1
        }
        checkpoints = found
    }

    func byte(ofCharacter index: Int) -> Int {
        guard let checkpoints else { return min(index, bytes.count) }
        let checkpoint = index / Self.stride
        guard checkpoint < checkpoints.count else { return bytes.count }
        var offset = checkpoints[checkpoint]
        var rest = index % Self.stride
        while offset < bytes.count, rest > 0 {
            offset += 1
            while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
            rest -= 1
        }
        return offset
    }
}
