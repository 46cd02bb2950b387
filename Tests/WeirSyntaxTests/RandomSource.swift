// SPDX-License-Identifier: GPL-3.0-or-later
//
// Random inputs that can be had again: a small generator with a printed seed, and random policy
// files that follow grammar/weir.ebnf production by production.

import FoundationEssentials

/// SplitMix64 (Steele, Lea, Flood 2014).
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<T>(_ choices: [T]) -> T { choices.randomElement(using: &self)! }
}

/// The seed of this run: WEIR_SEED, or the clock.
let runSeed: UInt64 =
    ProcessInfo.processInfo.environment["WEIR_SEED"].flatMap { UInt64($0) }
    ?? UInt64(Date().timeIntervalSince1970 * 1000)

/// Random sound policy files.
struct PolicyFileGenerator {
    var random: SplitMix64
    private var depth = 0
    private var isInPattern = false

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func file() -> String {
        many(0...8) { generator in
            switch Int.random(in: 0..<9, using: &generator.random) {
            case 0: "landscape \"inventory.yaml\""
            case 1: generator.layers()
            case 2: "group \(generator.name()) = \(generator.setExpression())"
            case 3: "port \(generator.name()) = \(generator.portList())"
            case 4: generator.assertion()
            case 5: generator.trigger()
            case 6: generator.pattern()
            default: generator.layer()
            }
        }
    }

    // MARK: Text

    /// Items with line ends between them, and now and then a comment or an empty line.
    private mutating func many(
        _ count: ClosedRange<Int>, _ item: (inout PolicyFileGenerator) -> String
    ) -> String {
        var out = ""
        for _ in 0..<Int.random(in: count, using: &random) {
            out +=
                item(&self)
                + random.pick(["\n", "\n", "\n", ";", " ; ", "\r\n", "\n\n\n", " # c\n"])
            if random.chance(10) { out += "   # own line\n" }
        }
        return out
    }

    private mutating func space() -> String { random.pick([" ", " ", " ", "  ", "\t"]) }

    private mutating func block(_ items: String) -> String {
        random.pick([" {", "\n{", "{ ", " { # c\n"]) + items + random.pick(["}", " }", "\n}"])
    }

    private mutating func name() -> String {
        random.pick([
            "web", "db", "a-1", "_x", "port", "layer", "service", "zone", "group", "limit", "drop",
            "standby", "policy", "\"to\"", "\"a name\"", "\"with \\\"quotes\\\"\"", "tcp80",
        ])
    }

    /// A name that no operand before it can take for its own.
    private mutating func operandName() -> String {
        random.pick(["web", "db", "a-1", "_x", "\"to\"", "\"any\"", "frontends"])
    }

    private mutating func number() -> String { "\(Int.random(in: 1...100_000, using: &random))" }

    private mutating func duration() -> String {
        random.pick(["60s", "5m", "1h", "2d", "1h30m", "1d1s"])
    }

    // MARK: Sets and ports

    private mutating func setExpression(andEnds: Bool = false) -> String {
        let count = random.pick([1, 1, 1, 2, 3])
        let word = random.pick(andEnds ? ["or", "except"] : ["and", "or", "except"])
        return (0..<count).map { _ in setOperand() }.joined(
            separator: "\(space())\(word)\(space())")
    }

    private mutating func setOperand() -> String {
        let zone = random.chance(10) ? " in zone \(operandName())" : ""
        switch Int.random(in: 0..<8, using: &random) {
        case 0: return random.pick(["any", "internal", "external"]) + zone
        case 1:
            return random.pick([
                "10.0.0.1", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "2001:db8::/32", "::1",
                "2001:db8::1-2001:db8::9",
            ]) + zone
        case 2: return random.pick(["service", "zone", "group"]) + " \(operandName())" + zone
        case 3 where depth < 4:
            depth += 1
            defer { depth -= 1 }
            return "(" + random.pick(["", " ", "\n", " # c\n"]) + setExpression()
                + random.pick(["", "\n"]) + ")" + zone
        case 4: return labelSelector() + zone
        default: return operandName() + zone
        }
    }

    private mutating func labelSelector() -> String {
        let count = Int.random(in: 1...3, using: &random)
        let requirements = (0..<count).map { _ in
            let key = name()
            return random.pick([
                key, "!\(key)", "\(key)=\(name())", "\(key) = \(name())",
                "\(key) in (\(name()), \(name()))",
            ])
        }
        return "[" + requirements.joined(separator: random.pick([", ", ",", ",\n", ", # c\n"]))
            + "]"
    }

    private mutating func portList() -> String {
        (0..<random.pick([1, 1, 2, 3])).map { _ in
            random.pick([
                "any", "tcp/80", "tcp/8000-8100", "udp/53", "sctp/1", "tcp", "icmp",
                "icmp/echo-request", "icmpv6/nd-redirect", "postgres", "\"tcp\"",
            ])
        }.joined(separator: random.pick([", ", ","]))
    }

    // MARK: Declarations

    private mutating func layers() -> String {
        "layers"
            + block(
                many(0...4) { generator in
                    generator.name()
                        + generator.random.pick(["", " default reject", "\tdefault  pass"])
                })
    }

    private mutating func layer() -> String {
        "layer \(name())" + block(many(0...3) { $0.policy() })
    }

    private mutating func policy() -> String {
        var out = "policy\(space())\(name())"
        if random.chance(20) { out += " \"a description\"" }
        let isInstance = random.chance(20)
        for _ in 0..<random.pick([0, 0, 1, 2]) {
            let window = random.pick(["Mon-Fri 09:00-17:00", "22:00-06:00", "Sat,Sun 00:00-24:00"])
            out += random.pick([
                " standby", " staged", " until 2026-12-01T18:00Z", " for \(duration())",
                " during \(window)", " overriding \(reference())",
            ])
        }
        guard isInstance else { return out + block(clauses()) }
        let arguments = (0..<random.pick([0, 1, 2])).map { _ in
            random.pick([
                setExpression(), "tcp/80", "(tcp/80, udp/53)", "5 connections/s", "100",
                "80% of capacity of db", "20MB/s",
            ])
        }
        return out + " = \(name())(" + arguments.joined(separator: random.pick([", ", ",\n"])) + ")"
    }

    private mutating func reference() -> String { random.pick(["", "\(name())."]) + name() }

    private mutating func clauses() -> String {
        many(0...4) { generator in
            switch Int.random(in: 0..<6, using: &generator.random) {
            case 0:
                generator.random.pick([
                    "allow", "reject", "drop overriding \(generator.reference())",
                    "overriding \(generator.reference()), \(generator.reference())",
                ])
            case 1: "cap \(generator.amount())" + generator.per() + generator.reservation()
            case 2:
                "limit \(generator.rate())" + generator.per()
                    + generator.random.pick(["", " burst 100", " burst 1 MB"])
                    + generator.random.pick(["", " then drop", " then mark-ecn"])
            case 3:
                generator.random.pick([
                    "observe", "log \"x\"", "log \"# no comment\" sample 1/100", "priority low",
                    "mirror to 10.0.0.1",
                ])
            default: generator.interaction()
            }
        }
    }

    private mutating func interaction() -> String {
        let tail =
            random.pick(["", " on \(portList())"])
            + random.pick(["", "", " across zones", " within zones"])
        if random.chance(20) {
            return "between \(setExpression(andEnds: true)) and \(setExpression(andEnds: true))"
                + tail
        }
        return "from\(space())\(setExpression()) to\(space())\(setExpression())" + tail
    }

    private mutating func per() -> String {
        random.pick(["", "", " per source", " per destination", " per pair"])
    }

    private mutating func reservation() -> String {
        random.chance(30) ? " reserve \(number()) for \(setExpression())" : ""
    }

    private mutating func amount() -> String {
        if isInPattern, random.chance(30) { return random.pick(["n", "n connections"]) }
        return random.pick([
            "\(number()) connections", "\(number()) connections per endpoint of \(setExpression())",
            "80% of capacity of \(setExpression())", "5connections",
        ])
    }

    private mutating func rate() -> String {
        if isInPattern, random.chance(30) { return random.pick(["rate", "n connections/s"]) }
        return random.pick([
            "\(number()) connections/s", "\(number()) MB/m", "20kbit/h", "7 packets/s",
            "80% of capacity of db", "5 connections/s per endpoint of \(setExpression())",
        ])
    }

    private mutating func assertion() -> String {
        "assert " + random.pick(["", "\"text\" "]) + random.pick(["never ", "always "])
            + interaction() + random.pick(["", " with \(number()) connections"])
    }

    private mutating func trigger() -> String {
        "when \(reference()).\(random.pick(["connections", "rate", "rejected"])) "
            + random.pick([">", ">=", "<", "<="])
            + random.pick([" 90%", "5 connections/s", " 0", " \(number()) MB"])
            + " for \(duration()) enable \(reference()) for \(duration())"
    }

    private mutating func pattern() -> String {
        isInPattern = true
        defer { isInPattern = false }
        return "pattern \(name())" + random.pick(["()", "(a)", "(a, b)", "( a,\nb , )"])
            + block(clauses())
    }
}
