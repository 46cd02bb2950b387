// SPDX-License-Identifier: GPL-3.0-or-later
//
// The prompt's commands: each with one line of what it does and an example, so that `\help` alone
// is enough to work with.

/// A backslash command.
public enum PromptCommand: String, CaseIterable, Sendable {
    case help, check, fix, diff, plan, commit, confirm, undo, redo, reset, stage, rollback, history
    case explain, show, top, status, adopt, enable, disable, edit, layer, file, merge, quit

    /// What may follow the name.
    public var usage: String {
        switch self {
        case .help: "[COMMAND]"
        case .commit: "[-m MSG] [--confirm 60s] [--no-git] [--operator none] [-y]"
        case .plan: "[--operator none]"
        case .fix: "[N]"
        case .stage: "[-p | --all]"
        case .rollback: "[N]"
        case .explain: "FLOW"
        case .enable: "POLICY [--for 5m]"
        case .disable, .edit: "POLICY"
        case .layer: "[LAYER]"
        case .file: "[FILE]"
        case .merge: "[mine | theirs]"
        default: ""
        }
    }

    /// One line, lower case, no final period.
    public var summary: String {
        switch self {
        case .help: "this list, or one command with its example"
        case .check: "everything that is wrong with the staged policies"
        case .fix: "stage what mends a finding: the fix of that number, as shown last"
        case .diff: "what is staged: the files' lines, then the policies"
        case .plan: "what a commit would change in the kernel, and whom it hits"
        case .commit: "put what is staged in force, into its files and into git"
        case .confirm: "keep the commit that waits to be confirmed"
        case .undo: "take back the last staged line"
        case .redo: "stage again what \\undo took back"
        case .reset: "drop everything that is staged (\\undo brings it back)"
        case .stage: "list what is staged; -p chooses what the next commit takes"
        case .rollback: "put an earlier revision in force; each time one further back"
        case .history: "the operations so far: who, when, why, what changed"
        case .explain: "what the staged policies do with a flow, layer by layer"
        case .show: "what is in force, with counters and time left"
        case .top: "what each policy does just now, the busiest first; q ends"
        case .status: "kernel, files and HEAD side by side, and what differs"
        case .adopt: "take over what was changed in the kernel by hand, as staged edits"
        case .enable: "switch a standby policy on, for a while or until \\disable"
        case .disable: "switch a standby policy off"
        case .edit: "change a policy's text in $EDITOR"
        case .layer: "the layer that a new policy goes to"
        case .file: "the file that a new declaration goes to"
        case .merge: "what others changed meanwhile; settle it with mine or theirs"
        case .quit: "leave; what is staged is kept for the next session"
        }
    }

    public var example: String {
        switch self {
        case .help: "\\help commit"
        case .check: "\\check"
        case .fix: "\\fix 1"
        case .diff: "\\diff"
        case .plan: "\\plan"
        case .commit: "\\commit --confirm 60s -m \"shed the batch tier\""
        case .confirm: "\\confirm"
        case .undo: "\\undo"
        case .redo: "\\redo"
        case .reset: "\\reset"
        case .stage: "\\stage -p"
        case .rollback: "\\rollback 12"
        case .history: "\\history"
        case .explain: "\\explain checkout -> orders-db tcp/5432"
        case .show: "\\show"
        case .top: "\\top"
        case .status: "\\status"
        case .adopt: "\\adopt"
        case .enable: "\\enable emergency.shed-batch --for 5m"
        case .disable: "\\disable emergency.shed-batch"
        case .edit: "\\edit resilience.protect-orders-db"
        case .layer: "\\layer resilience"
        case .file: "\\file incidents/december.weir"
        case .merge: "\\merge mine"
        case .quit: "\\quit"
        }
    }

    /// What the language adds at the prompt, for `\help`.
    static let language: [(usage: String, summary: String, example: String)] = [
        (
            "DECLARATION", "stage it: adds it, or replaces the one of its name",
            "policy shut { from backup to any; drop }"
        ),
        ("drop KIND NAME", "stage its removal", "drop policy emergency.shut"),
        (
            "rename policy A to B", "stage a new name, also where it is referred to",
            "rename policy shut to close"
        ),
        (
            "edit POLICY [CLAUSE]",
            "change one clause; without one, type several, then an empty line",
            "edit protect-orders-db cap 900 connections"
        ),
    ]
}
