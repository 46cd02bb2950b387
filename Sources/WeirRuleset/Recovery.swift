// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the kernel's table says about numbers already given: which policy has which number, and
// which constraint sits in which slot. Nothing is remembered elsewhere, so a restart loses nothing.

/// Numbers recovered from a table that was read back.
struct Recovery {
    /// By counter name, for verdicts and constraints alike.
    private(set) var numbers: [String: UInt32] = [:]
    /// The stage that a constraint's number was found in.
    private(set) var stageOfConstraint: [UInt32: String] = [:]
    /// What the cap of a number counts (``CapFingerprint``).
    private(set) var fingerprints: [UInt32: String] = [:]

    init(_ previous: KernelTable?) {
        guard let previous else { return }
        for map in ProgramName.counterMaps {
            for (key, element) in previous.sets[map]?.elements ?? [:] {
                guard case .object(let name) = element.value else { continue }
                numbers[name] = UInt32(truncatingIfNeeded: key.first)
            }
        }
        for (name, set) in previous.sets
        where name == ProgramName.caps || name.hasPrefix("cap") && set.key == [.classid] {
            for (key, element) in set.elements {
                fingerprints[UInt32(truncatingIfNeeded: key.first)] =
                    CapFingerprint.digits(in: element.comment).map(String.init) ?? ""
            }
        }
        for (name, set) in previous.sets
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
    /// Stages in which a thing keeps its slot.
    static let slotStages = [limitStage, capStage, meterStage, seenStage, stagedStage]
    static let admitted = "admitted"
    static let rejected = "rejected"
    static let dropped = "dropped"
    static let refusedByLimit = "refused_by_limit"
    static let refusedByCap = "refused_by_cap"
    static let refusedByMeter = "refused_by_meter"
    static let wouldRefuse = "would_refuse"
    static let seen = "seen"
    static let staged = "staged"
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
        seen,
        staged,
    ]
}
