// SPDX-License-Identifier: GPL-3.0-or-later
//
// Where a policy is named in a file, for renaming: its own declaration, what overrides it, and
// what triggers watch or enable.

import WeirDiagnostics
import WeirSyntax

extension ParsedFile {
    /// Ranges of every mention of a policy's name, the declaration included.
    /// - Parameter orBare: a reference without a layer means it too, since the name is unique.
    func references(
        toPolicy name: String, in layer: String, orBare: Bool
    ) -> [SourceRange] {
        func range(_ reference: PolicyReference) -> SourceRange? {
            guard reference.policy.text == name else { return nil }
            guard let own = reference.layer else { return orBare ? reference.policy.range : nil }
            return own.text == layer ? reference.policy.range : nil
        }
        var found: [SourceRange] = []
        for declaration in file.declarations {
            switch declaration {
            case .layer(let block):
                for policy in block.policies {
                    if block.name.text == layer, policy.name.text == name {
                        found.append(policy.name.range)
                    }
                    guard case .clauses(let clauses) = policy.body else { continue }
                    for case .decision(let clause) in clauses {
                        found += clause.overriding.compactMap(range)
                    }
                }
            case .pattern(let pattern):
                for case .decision(let clause) in pattern.clauses {
                    found += clause.overriding.compactMap(range)
                }
            case .trigger(let trigger):
                found += [trigger.policy, trigger.enables].compactMap(range)
            default: break
            }
        }
        return found
    }

    /// The edits that write `until` for each `for D`, the time running from now on.
    func durations(startingAt epochSeconds: Int64) -> [TextEdit] {
        var found: [TextEdit] = []
        for case .layer(let block) in file.declarations {
            for activation in block.policies.flatMap(\.activations) {
                guard case .forDuration(let seconds) = activation.kind else { continue }
                found.append(
                    TextEdit(
                        range: activation.range,
                        replacement: "until \(timestampText(epochSeconds + seconds))"))
            }
        }
        return found
    }
}
