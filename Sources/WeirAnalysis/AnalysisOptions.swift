// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the checker must be told because no policy file says it: the time, who is operating, and
// how long it may search.

public import WeirModel

/// What an analysis depends on beside the policy set.
public struct AnalysisOptions: Sendable {
    /// Seconds since 1970-01-01T00:00:00Z. States before it are not examined.
    public var epochSeconds: Int64
    /// Flows that must stay admitted: the operator's own connection, the fleet's control channel.
    public var channels: [ProtectedChannel]
    /// Cells that one cover search may visit before it gives up as *undecided*.
    public var searchBudget: Int

    public init(
        epochSeconds: Int64, channels: [ProtectedChannel] = [], searchBudget: Int = 20_000
    ) {
        self.epochSeconds = epochSeconds
        self.channels = channels
        self.searchBudget = searchBudget
    }
}

/// A connection that no policy may cut.
public struct ProtectedChannel: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case operatorConnection, controlChannel
    }
    public let kind: Kind
    public let flow: Flow

    public init(_ kind: Kind, _ flow: Flow) {
        self.kind = kind
        self.flow = flow
    }
}
