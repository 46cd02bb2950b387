// SPDX-License-Identifier: GPL-3.0-or-later
//
// The signals and the agent's own state in Prometheus' text format (version 0.0.4), for
// node_exporter's textfile collector.

import WeirKernel
import WeirModel
import WeirRuleset

/// Lines of one metric.
private struct Metric {
    let name: String
    let kind: String
    let help: String
    var lines: [String] = []

    mutating func add(_ labels: KeyValuePairs<String, String>, _ value: String) {
        let text = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
        lines.append(text.isEmpty ? "\(name) \(value)" : "\(name){\(text)} \(value)")
    }

    private static func escaped(_ text: String) -> String {
        var out = ""
        for character in text {
            switch character {
            case "\\": out += "\\\\"
            case "\"": out += "\\\""
            case "\n": out += "\\n"
            default: out.append(character)
            }
        }
        return out
    }

    var text: String {
        guard !lines.isEmpty else { return "" }
        return "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
            + lines.map { $0 + "\n" }.joined()
    }
}

extension TriggerAgent {
    func metrics(_ reading: SignalReading?, nowEpochSeconds now: Int64) -> String {
        (ofCounters(reading) + ofSignals(reading) + ofAgent(reading, now)).map(\.text).joined()
    }

    private func ofCounters(_ reading: SignalReading?) -> [Metric] {
        var decisions = Metric(
            name: "weir_policy_decisions_total", kind: "counter",
            help: "New connections that a policy allowed, rejected, dropped or saw.")
        var refused = Metric(
            name: "weir_policy_over_total", kind: "counter",
            help: "Connections or packets over a limit or cap of a policy.")
        var packets = Metric(
            name: "weir_policy_watched_packets_total", kind: "counter",
            help: "Packets of admitted connections of a policy that a trigger watches.")
        var bytes = Metric(
            name: "weir_policy_watched_bytes_total", kind: "counter",
            help: "Bytes of admitted connections of a policy that a trigger watches.")
        for (name, value) in (reading?.counters ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let meaning = CounterMeaning(counterName: name) else { continue }
            let policy = meaning.policy
            let count = "\(value.packets)"
            switch meaning.subject {
            case .allowed: decisions.add(["policy": policy, "decision": "allow"], count)
            case .rejected: decisions.add(["policy": policy, "decision": "reject"], count)
            case .dropped: decisions.add(["policy": policy, "decision": "drop"], count)
            case .seen: decisions.add(["policy": policy, "decision": "seen"], count)
            case .overLimit, .overCap:
                let what = name.split(separator: ".").dropFirst(2).joined(separator: ".")
                refused.add(["policy": policy, "constraint": what], count)
            case .watched:
                packets.add(["policy": policy], count)
                bytes.add(["policy": policy], "\(value.bytes)")
            case .hypothetical: break
            }
        }
        return [decisions, refused, packets, bytes]
    }

    private func ofSignals(_ reading: SignalReading?) -> [Metric] {
        var connections = Metric(
            name: "weir_policy_connections", kind: "gauge",
            help: "Connections of a policy that stand.")
        var fill = Metric(
            name: "weir_policy_cap_fill_ratio", kind: "gauge",
            help: "Connections of a policy's fullest cap over the cap.")
        var left = Metric(
            name: "weir_policy_seconds_left", kind: "gauge",
            help: "Until a policy ends by itself.")
        for (policy, row) in (reading?.signals ?? [:]).sorted(by: { $0.key < $1.key }) {
            if let count = row.connections { connections.add(["policy": policy], "\(count)") }
            if let ratio = row.capFill { fill.add(["policy": policy], "\(ratio)") }
            if let seconds = row.secondsLeft { left.add(["policy": policy], "\(seconds)") }
        }
        return [connections, fill, left]
    }

    private func ofAgent(_ reading: SignalReading?, _ now: Int64) -> [Metric] {
        var info = Metric(
            name: "weir_revision_info", kind: "gauge", help: "The revision in force.")
        if let inForce = reading?.inForce {
            info.add(
                [
                    "content": inForce.revision.contentHash,
                    "commit": inForce.revision.gitCommit,
                    "number": "\(inForce.entry.number)",
                ], "1")
        }
        var on = Metric(
            name: "weir_trigger_on", kind: "gauge",
            help: "Whether a trigger's condition has held for long enough and still does.")
        var fires = Metric(
            name: "weir_trigger_fired_total", kind: "counter",
            help: "How often a trigger switched a policy on, or on for longer.")
        for item in watched {
            let isOn = document.triggers[item.key]?.phase == .on
            on.add(["when": item.key, "place": item.place], isOn ? "1" : "0")
            fires.add(["when": item.key, "place": item.place], "\(fired[item.key] ?? 0)")
        }
        var readings = Metric(
            name: "weir_agent_samples_total", kind: "counter", help: "Readings of the signals.")
        readings.add([:], "\(samples)")
        var last = Metric(
            name: "weir_agent_last_sample_timestamp_seconds", kind: "gauge",
            help: "When the signals were read last.")
        last.add([:], "\(now)")
        return [info, on, fires, readings, last]
    }
}
