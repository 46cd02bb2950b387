// SPDX-License-Identifier: GPL-3.0-or-later
//
// What an operator has typed and not committed, as a value: the files as they were read, the edits
// in order, and every state before, so that undo and redo are steps along a list. Nothing here
// touches a disk.

import WeirDiagnostics

/// Staged edits over a policy set's files.
public struct StagedWork: Sendable {
    /// One state of the timeline.
    struct State: Sendable {
        var edits: [StagedEdit]
        var draft: PolicyDraft
    }

    /// The files as they are on disk, as far as this session knows.
    public private(set) var base: PolicyDraft
    private var states: [State]
    private var position: Int

    public init(over base: PolicyDraft) {
        self.base = base
        states = [State(edits: [], draft: base)]
        position = 0
    }

    /// Every edit, those that are held too.
    public var edits: [StagedEdit] { states[position].edits }
    /// The edits that the next commit makes.
    public var activeEdits: [StagedEdit] { edits.filter { !$0.isHeld } }
    /// The files with the active edits made.
    public var draft: PolicyDraft { states[position].draft }
    public var canUndo: Bool { position > 0 }
    public var canRedo: Bool { position + 1 < states.count }

    /// Adds an edit; what was undone before is then gone.
    @discardableResult
    public mutating func stage(_ edit: StagedEdit) throws(StagingError) -> StagedEdit {
        try stage([edit])[0]
    }

    /// Adds edits as one step of the timeline.
    @discardableResult
    public mutating func stage(_ new: [StagedEdit]) throws(StagingError) -> [StagedEdit] {
        var state = states[position]
        var made: [StagedEdit] = []
        for edit in new { made.append(try state.draft.apply(edit)) }
        state.edits += made
        push(state)
        return made
    }

    /// Goes back one step; the edits that this took away, or nil where there is none to take.
    public mutating func undo() -> [StagedEdit]? {
        guard canUndo else { return nil }
        let before = edits
        position -= 1
        return difference(before, edits)
    }

    public mutating func redo() -> [StagedEdit]? {
        guard canRedo else { return nil }
        let before = edits
        position += 1
        return difference(edits, before)
    }

    /// Drops every edit; a step like others, which undo takes back.
    public mutating func reset() {
        guard !edits.isEmpty else { return }
        push(State(edits: [], draft: base))
    }

    /// Chooses which edits the next commit makes; the others stay staged and are left out.
    public mutating func hold(_ held: Set<Int>) throws(StagingError) {
        var edits = self.edits
        for index in edits.indices { edits[index].isHeld = held.contains(index) }
        var draft = base
        for edit in edits where !edit.isHeld { try draft.apply(edit) }
        push(State(edits: edits, draft: draft))
    }

    private mutating func push(_ state: State) {
        states.removeSubrange((position + 1)...)
        states.append(state)
        // Enough for a long incident; each state shares all files but one with its neighbour.
        if states.count > 1000 { states.removeFirst(states.count - 1000) }
        position = states.count - 1
    }

    private func difference(_ longer: [StagedEdit], _ shorter: [StagedEdit]) -> [StagedEdit] {
        let common = zip(longer, shorter).prefix { $0 == $1 }.count
        return Array((longer.count >= shorter.count ? longer : shorter).dropFirst(common))
    }

    // MARK: Merging

    /// Makes every edit again over other files.
    /// - Returns: the conflicts; where there are any, nothing has changed.
    public mutating func rebase(onto base: PolicyDraft) -> [EditConflict] {
        var conflicts: [EditConflict] = []
        let rebased = states.map { state -> State in
            let (result, found) = Self.replay(state.edits, over: base)
            if state.edits == edits { conflicts = found }
            return result
        }
        guard conflicts.isEmpty else { return conflicts }
        self.base = base
        states = rebased
        return []
    }

    /// Takes other files as the base and keeps the edits that conflict as they were typed (`mine`)
    /// or drops them.
    public mutating func rebase(onto base: PolicyDraft, keepingMine: Bool) {
        var state = State(edits: [], draft: base)
        for var edit in edits {
            let now = state.draft.text(of: edit.name)
            if !Self.isSame(now, edit.before, in: edit), !keepingMine { continue }
            if edit.isHeld {
                state.edits.append(edit)
                continue
            }
            if case .drop = edit.change, now == nil { continue }
            guard let made = try? state.draft.apply(edit) else { continue }
            edit.before = made.before
            state.edits.append(edit)
        }
        self.base = base
        states = [State(edits: [], draft: base), state]
        position = 1
    }

    /// After a commit: the files are the draft's, and only what was held is still staged.
    public mutating func committed(as base: PolicyDraft) {
        let held = edits.filter(\.isHeld)
        self.base = base
        states = [State(edits: held, draft: base)]
        position = 0
    }

    /// Takes up edits that were staged by a session that is gone.
    public mutating func adopt(_ edits: [StagedEdit]) -> [EditConflict] {
        let (state, conflicts) = Self.replay(edits, over: base)
        guard conflicts.isEmpty else { return conflicts }
        push(state)
        return []
    }

    private static func replay(
        _ edits: [StagedEdit], over base: PolicyDraft
    ) -> (State, [EditConflict]) {
        var state = State(edits: [], draft: base)
        var conflicts: [EditConflict] = []
        for var edit in edits {
            if edit.isHeld {
                state.edits.append(edit)
                continue
            }
            let now = state.draft.text(of: edit.name)
            if isDone(edit, now) { continue }
            guard isSame(now, edit.before, in: edit) else {
                conflicts.append(EditConflict(edit: edit, theirs: now))
                continue
            }
            do throws(StagingError) {
                edit.before = try state.draft.apply(edit).before
                state.edits.append(edit)
            } catch {
                conflicts.append(EditConflict(edit: edit, theirs: now))
            }
        }
        return (state, conflicts)
    }

    /// Somebody else has made the same change.
    private static func isDone(_ edit: StagedEdit, _ now: String?) -> Bool {
        switch edit.change {
        case .put(_, let text, _): now.map(normalized) == normalized(text)
        case .drop: now == nil
        case .rename: false
        }
    }

    private static func isSame(_ now: String?, _ before: String?, in edit: StagedEdit) -> Bool {
        now.map(normalized) == before.map(normalized)
    }
}
