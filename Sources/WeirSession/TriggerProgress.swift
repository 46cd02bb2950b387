// SPDX-License-Identifier: GPL-3.0-or-later
//
// How far a `when` is: a pure state machine over readings of one signal, kept on disk so that an
// agent that is killed and started again neither forgets what it saw nor does it twice.

import FoundationEssentials
import WeirModel

/// What a reading asks for.
enum TriggerEvent: Equatable {
    /// The condition has held for long enough: what it enables is to be on.
    case due
    /// It still holds while what it enabled is about to end.
    case renewal
    /// Somebody switched off what it had enabled; it stays off until the condition is over.
    case overruled
    /// The condition is over. What it enabled ends by itself.
    case over
}

/// The state of one trigger. Times are milliseconds since the machine started.
struct TriggerProgress: Codable, Equatable, Sendable {
    enum Phase: String, Codable, Sendable { case idle, holding, on, overruled }

    var phase = Phase.idle
    /// Since when the condition has held in every reading.
    var sinceMilliseconds: Int64 = 0
    /// The last reading of which the value was known.
    var readMilliseconds: Int64 = 0
    /// Until when what it enabled is on, in seconds since 1970-01-01.
    var untilEpochSeconds: Int64?

    /// Nothing is known of what happened in a gap that is longer.
    static let longestGapMilliseconds: Int64 = 5000
    /// Readings come once a second, not to the millisecond.
    private static let tolerance: Int64 = 100
    /// What is to go on is renewed while so much of its time is left.
    static let renewalLeadSeconds: Int64 = 3

    /// Takes one reading of the signal.
    /// - Parameter enabled: how what the trigger enables is on now; nil: it is not.
    mutating func take(
        _ value: Double, of trigger: Trigger, enabled: EnabledPolicy?, nowEpochSeconds now: Int64,
        milliseconds: Int64
    ) -> TriggerEvent? {
        let hasGap = milliseconds - readMilliseconds > Self.longestGapMilliseconds
        readMilliseconds = milliseconds
        switch phase {
        case .idle:
            if trigger.holds(value) { hold(milliseconds) }
            return nil
        case .holding:
            guard trigger.holds(value) else {
                phase = .idle
                return nil
            }
            if hasGap { hold(milliseconds) }
            let held = milliseconds - sinceMilliseconds + Self.tolerance
            return held >= trigger.holdSeconds * 1000 ? .due : nil
        case .on:
            guard trigger.holdsOn(value) else {
                phase = .idle
                return .over
            }
            return stillOn(trigger, value, enabled, hasGap, now, milliseconds)
        case .overruled:
            guard !trigger.holdsOn(value) else { return nil }
            phase = .idle
            return .over
        }
    }

    private mutating func hold(_ milliseconds: Int64) {
        phase = .holding
        sinceMilliseconds = milliseconds
    }

    private mutating func stillOn(
        _ trigger: Trigger, _ value: Double, _ enabled: EnabledPolicy?, _ hasGap: Bool,
        _ now: Int64, _ milliseconds: Int64
    ) -> TriggerEvent? {
        if let enabled {
            let lead = min(Self.renewalLeadSeconds, max(1, trigger.enableSeconds - 1))
            guard let end = enabled.untilEpochSeconds, end - now <= lead else { return nil }
            return .renewal
        }
        if let untilEpochSeconds, untilEpochSeconds > now + 1 {
            phase = .overruled
            return .overruled
        }
        guard hasGap else { return .due }
        // Its time ran out while nobody looked: whether the condition held on is not known.
        phase = .idle
        if trigger.holds(value) { hold(milliseconds) }
        return nil
    }

    /// Writes down that what the trigger enables is on.
    mutating func isOn(until epochSeconds: Int64?) {
        phase = .on
        untilEpochSeconds = epochSeconds
    }
}

extension Trigger {
    /// How far back a signal has to go before the condition counts as over: a tenth.
    static let hysteresis = 0.1

    /// Whether a value fulfils the condition.
    func holds(_ value: Double) -> Bool { comparison.holds(value, threshold) }

    /// Whether a condition that was fulfilled still counts as such.
    func holdsOn(_ value: Double) -> Bool {
        switch comparison {
        case .greater, .greaterOrEqual:
            comparison.holds(value, threshold * (1 - Self.hysteresis))
        case .less, .lessOrEqual: comparison.holds(value, threshold * (1 + Self.hysteresis))
        }
    }
}

extension Trigger.Comparison {
    fileprivate func holds(_ value: Double, _ threshold: Double) -> Bool {
        switch self {
        case .greater: value > threshold
        case .greaterOrEqual: value >= threshold
        case .less: value < threshold
        case .lessOrEqual: value <= threshold
        }
    }
}

extension PolicySet {
    /// A trigger as it could be written, with its amounts as numbers.
    func text(of trigger: Trigger) -> String {
        "\(qualifiedName(trigger.policy)).\(trigger.signal.rawValue) "
            + "\(trigger.comparison.rawValue) \(amountText(trigger.threshold)) "
            + "for \(trigger.holdSeconds)s enable \(qualifiedName(trigger.enables)) "
            + "for \(trigger.enableSeconds)s"
    }
}

/// At most one decimal.
func amountText(_ value: Double) -> String {
    guard value.magnitude < 1e15 else { return "\(value)" }
    let tenths = Int64((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
}

/// What an agent keeps between its runs.
struct AgentDocument: Codable, Equatable, Sendable {
    /// Of the machine's start that milliseconds count from.
    var boot = ""
    /// By the trigger's text.
    var triggers: [String: TriggerProgress] = [:]
    /// When policies were switched on, in seconds since 1970-01-01, by `layer.policy`.
    var starts: [String: [Int64]] = [:]
}

extension StateDirectory {
    var agentPath: String { path + "/agent.json" }
    var agentLockPath: String { path + "/agent.lock" }

    /// What the last agent knew; of an earlier start of the machine only what it had switched on.
    func agentDocument() -> AgentDocument {
        let boot = Self.bootIdentifier
        var document = StateDocument.read(AgentDocument.self, agentPath) ?? AgentDocument()
        if document.boot != boot { document.triggers = [:] }
        document.boot = boot
        return document
    }

    func save(_ document: AgentDocument) throws(FileFailure) {
        try StateDocument.write(document, agentPath)
    }

    private static var bootIdentifier: String {
        let bytes = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id")
        return String(decoding: bytes ?? Data(), as: UTF8.self).filter { !$0.isWhitespace }
    }
}
