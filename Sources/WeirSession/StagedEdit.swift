// SPDX-License-Identifier: GPL-3.0-or-later
//
// One edit that was typed and is not in force yet. An edit carries all it takes to make it again
// over other files: its declaration's name, the new text, and the text it was made over. That is
// what lets it survive a crash, be merged with what others did meanwhile, or be refused.

/// What becomes of a declaration.
public enum EditChange: Hashable, Sendable, Codable {
    /// Adds the declaration, or replaces the one of its name.
    /// - `isVerbatim`: the text stands in the file byte for byte, rather than being indented like
    ///   what surrounds it.
    case put(DeclarationName, text: String, isVerbatim: Bool)
    case drop(DeclarationName)
    /// A policy, and every reference to it.
    case rename(layer: String, from: String, to: String)
}

/// One edit of a policy set.
public struct StagedEdit: Hashable, Sendable, Codable {
    public var change: EditChange
    /// The file for a new declaration, relative to the policy set; nil for `live.weir`.
    public var file: String?
    /// The declaration's text that the edit was made over; nil where there was none.
    public var before: String?
    /// Set aside by the operator: not part of the next commit.
    public var isHeld = false

    public init(_ change: EditChange, file: String? = nil) {
        self.change = change
        self.file = file
    }

    /// The declaration that the edit is about, by its name before the edit.
    public var name: DeclarationName {
        switch change {
        case .put(let name, _, _), .drop(let name): name
        case .rename(let layer, let from, _): .policy(layer: layer, name: from)
        }
    }

    /// One line: `+ policy emergency.shed`, `~ group web`, `- …`, `> policy a.b to c`.
    public var summary: String {
        switch change {
        case .put(let name, _, _): (before == nil ? "+ " : "~ ") + name.text
        case .drop(let name): "- " + name.text
        case .rename(let layer, let from, let to): "> policy \(layer).\(from) to \(to)"
        }
    }
}

/// Why an edit cannot be made, for an operator: lower case, no final period.
public struct StagingError: Error, Equatable, Sendable {
    public let message: String
    public let help: String

    public init(_ message: String, help: String) {
        self.message = message
        self.help = help
    }
}

/// An edit and somebody else's change that are about the same declaration.
public struct EditConflict: Hashable, Sendable {
    public let edit: StagedEdit
    /// The declaration's text as it is now; nil where it is gone.
    public let theirs: String?
}
