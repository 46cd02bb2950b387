// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the kernel's table says about numbers already given: which policy has which number, and
// which constraint sits in which slot. Nothing is remembered elsewhere, so a restart loses nothing.

/// Numbers recovered from a table that was read back. What is asked for is worked out when it is
/// asked for: an edit asks for little.
final class Recovery {
    private let previous: KernelTable?
    private var fewNames = 0
    private lazy var numbers: [String: UInt32] = {
        var found: [String: UInt32] = [:]
        forEachNumber { found[$0] = $1 }
        return found
    }()
    /// The stage that a constraint's number was found in.
    private(set) lazy var stageOfConstraint: [UInt32: String] = stages()
    /// What the cap of a number counts (``CapFingerprint``).
    private(set) lazy var fingerprints: [UInt32: String] = counted()

    init(_ previous: KernelTable?) { self.previous = previous }

    private func forEachNumber(_ body: (String, UInt32) -> Void) {
        guard let previous else { return }
        for map in ProgramName.counterMaps {
            for (key, element) in previous.sets[map]?.elements ?? [:] {
                guard case .object(let name) = element.value else { continue }
                body(name, UInt32(truncatingIfNeeded: key.first))
            }
        }
    }

    /// The number that has the counter of some name, for verdicts and constraints alike.
    func number(of name: String) -> UInt32? {
        // A handful of names is looked for; for more it pays to sort them all.
        fewNames += 1
        guard fewNames <= 8 else { return numbers[name] }
        var found: UInt32?
        forEachNumber { if $0 == name { found = $1 } }
        return found
    }

    /// All numbers of a range that somebody has.
    func numbers(in range: ClosedRange<UInt32>) -> [UInt32] {
        var found = fingerprints.keys.filter(range.contains)
        forEachNumber { if range.contains($1) { found.append($1) } }
        return found
    }

    private func counted() -> [UInt32: String] {
        var fingerprints: [UInt32: String] = [:]
        for (name, set) in previous?.sets ?? [:]
        where name == ProgramName.caps || name.hasPrefix("cap") && set.key == [.classid] {
            for (key, element) in set.elements {
                fingerprints[UInt32(truncatingIfNeeded: key.first)] =
                    CapFingerprint.digits(in: element.comment).map(String.init) ?? ""
            }
        }
        return fingerprints
    }

    private func stages() -> [UInt32: String] {
        var stageOfConstraint: [UInt32: String] = [:]
        for (name, set) in previous?.sets ?? [:]
        where ProgramName.slotStages.contains(where: { name.hasPrefix($0) }) {
            guard let dot = name.lastIndex(of: "."),
                PortShape(rawValue: String(name[name.index(after: dot)...])) != nil
            else { continue }
            let stage = String(name[..<dot])
            for element in set.elements.values {
                guard case .number(let number) = element.value else { continue }
                stageOfConstraint[number] = stage
            }
        }
        return stageOfConstraint
    }
}

/// Names of the program's own sets and maps. None may be a word of nft's language (`limits`).
enum ProgramName {
    static let limitStage = "limit."
    static let capStage = "cap."
    static let meterStage = "meter."
    static let seenStage = "seen."
    static let stagedStage = "staged."
    static let priorityStage = "prio."
    static let watchStage = "watch."
    /// Stages in which a thing keeps its slot.
    static let slotStages = [limitStage, capStage, meterStage, seenStage, stagedStage, watchStage]
    static let admitted = "admitted"
    static let rejected = "rejected"
    static let dropped = "dropped"
    static let refusedByLimit = "refused_by_limit"
    static let refusedByCap = "refused_by_cap"
    static let refusedByMeter = "refused_by_meter"
    static let wouldRefuse = "would_refuse"
    static let seen = "seen"
    static let staged = "staged"
    static let watched = "watched"
    static let limits = "limit_of"
    static let caps = "cap_of"
    static let marks = "marks"
    static let neighbours = "neighbours"
    static let torn = "weir.torn"
    static let marksFull = "weir.marks_full"

    /// Code points whose packets the kernel gives a priority.
    static func tos(_ priority: UInt32) -> String { "tos_\(priority)" }

    /// Maps from a number to the counter of whatever has that number.
    static let counterMaps = [
        admitted, rejected, dropped, refusedByLimit, refusedByCap, refusedByMeter, wouldRefuse,
        seen, staged, watched,
    ]
}
