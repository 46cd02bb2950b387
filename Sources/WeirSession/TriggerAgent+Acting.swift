// SPDX-License-Identifier: GPL-3.0-or-later
//
// What an agent does about one trigger: nothing most of the time, else one commit, and a line that
// says why.

import WeirKernel
import WeirModel
import WeirRuleset

extension TriggerAgent {
    func evaluate(
        _ item: Watched, _ reading: SignalReading, _ inForce: PoliciesInForce, _ now: Int64,
        _ milliseconds: Int64
    ) {
        let set = inForce.declared
        guard let value = value(of: item.trigger, reading, inForce) else { return }
        var progress = document.triggers[item.key] ?? TriggerProgress()
        let name = set.qualifiedName(item.trigger.enables)
        let enabled = enabledPolicies(now).first { $0.policy == name }
        let event = progress.take(
            value, of: item.trigger, enabled: enabled, nowEpochSeconds: now,
            milliseconds: milliseconds)
        document.triggers[item.key] = progress
        let signal =
            "\(set.qualifiedName(item.trigger.policy)).\(item.trigger.signal.rawValue) is "
            + "\(amountText(value)), threshold \(amountText(item.trigger.threshold))"
        switch event {
        case nil: break
        case .over:
            let left = enabled?.untilEpochSeconds.map { "; `\(name)` ends in \($0 - now) s" }
            log("\(item.place): over: \(signal)\(left ?? "")")
        case .overruled:
            log(
                "\(item.place): somebody switched `\(name)` off; it stays off until the condition "
                    + "is over")
        case .due where enabled.map { hasTime($0, now) } == true:
            // Somebody has switched it on, perhaps this agent before it was killed.
            document.triggers[item.key]?.isOn(until: enabled?.untilEpochSeconds)
            log("\(item.place): \(signal); `\(name)` is on already, by \(enabled?.who ?? "")")
        case .due, .renewal:
            // Less than this is rounding to a commit, which would leave the kernel's timers alone.
            let least = enabled?.untilEpochSeconds.map { $0 - now + Self.leastRenewalSeconds }
            enable(
                item, name, inForce, signal, isOn: enabled != nil,
                seconds: max(item.trigger.enableSeconds, least ?? 0), now)
        }
    }

    private static let leastRenewalSeconds: Int64 = 3

    private func hasTime(_ enabled: EnabledPolicy, _ now: Int64) -> Bool {
        enabled.untilEpochSeconds.map { $0 - now > TriggerProgress.renewalLeadSeconds } ?? true
    }

    func enabledPolicies(_ now: Int64) -> [EnabledPolicy] {
        guard options.isDryRun else { return state.enabledPolicies(atEpochSeconds: now) }
        imagined = imagined.filter { $0.untilEpochSeconds.map { $0 > now } ?? true }
        return state.enabledPolicies(atEpochSeconds: now) + imagined
    }

    /// The signal's value; nil where it cannot be told yet. What is not in force does nothing: 0.
    private func value(
        of trigger: Trigger, _ reading: SignalReading, _ inForce: PoliciesInForce
    ) -> Double? {
        let name = inForce.declared.qualifiedName(trigger.policy)
        guard let row = reading.signals[name] else { return 0 }
        switch trigger.signal {
        case .connections: return row.connections.map(Double.init)
        case .rate: return row.newPerSecond
        case .bytes: return row.bytesPerSecond
        case .packets: return row.packetsPerSecond
        case .rejected: return reading.hasRates ? row.rejectedPerSecond ?? 0 : nil
        }
    }

    // MARK: Switching on

    private func enable(
        _ item: Watched, _ name: String, _ inForce: PoliciesInForce, _ signal: String, isOn: Bool,
        seconds: Int64, _ now: Int64
    ) {
        if !isOn {
            guard mayStart(name, now) else { return }
            document.starts[name, default: []].append(now)
        }
        let until: Int64?
        if options.isDryRun {
            until = now + seconds
            imagined.removeAll { $0.policy == name }
            imagined.append(
                EnabledPolicy(policy: name, untilEpochSeconds: until, who: Self.name))
        } else {
            // First on paper: killed after the commit, it must not count as never begun.
            keep()
            until = commit(item, name, inForce, signal, seconds, now)
        }
        guard let until else {
            if !isOn { _ = document.starts[name]?.popLast() }
            return
        }
        document.triggers[item.key]?.isOn(until: until)
        fired[item.key, default: 0] += 1
        let verb =
            options.isDryRun
            ? (isOn ? "would go on with" : "would enable") : (isOn ? "goes on with" : "enabled")
        log(
            "\(item.place): \(signal) for \(item.trigger.holdSeconds) s: \(verb) `\(name)` for "
                + "\(seconds) s, until \(timestampText(until))")
    }

    private func commit(
        _ item: Watched, _ name: String, _ inForce: PoliciesInForce, _ signal: String,
        _ seconds: Int64, _ now: Int64
    ) -> Int64? {
        do throws(WriteFailure) {
            var writer = try PolicyWriter(state, kernel)
            if let report = try writer.recover() { log(report.text) }
            return try writer.enable(
                name, forSeconds: seconds, of: inForce.revision.contentHash,
                reason: "when \(item.place), \(signal)", nowEpochSeconds: now)
        } catch {
            trouble("\(item.place): cannot enable `\(name)`: \(error.words.message)")
            return nil
        }
    }

    /// Whether a policy may be switched on once more; says when it may again, once.
    private func mayStart(_ name: String, _ now: Int64) -> Bool {
        let since = now - options.startWindowSeconds
        let recent = (document.starts[name] ?? []).filter { $0 > since }
        document.starts[name] = recent
        guard recent.count >= options.maximumStarts else { return true }
        let next = (recent.first ?? now) + options.startWindowSeconds
        if heldBack.updateValue(next, forKey: name) != next {
            log(
                "held back: `\(name)` was switched on \(recent.count) times in "
                    + "\(options.startWindowSeconds) s; not before \(timestampText(next)) again")
        }
        return false
    }
}
