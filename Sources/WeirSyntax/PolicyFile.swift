// SPDX-License-Identifier: GPL-3.0-or-later
//
// The typed view of one policy file: what the operator declared, with a range on everything, and
// nothing of spacing or comments (those are in the lossless tree). Names are not resolved here.
// Every enum case and field corresponds to a production of grammar/weir.ebnf.

public import WeirDiagnostics

/// A name as written; quoted names come without their quotes.
public struct Name: Sendable {
    public let text: String
    public let range: SourceRange

    public init(text: String, range: SourceRange) {
        self.text = text
        self.range = range
    }
}

/// `policy` or `layer.policy`.
public struct PolicyReference: Sendable {
    public let layer: Name?
    public let policy: Name
    public let range: SourceRange

    public init(layer: Name?, policy: Name, range: SourceRange) {
        self.layer = layer
        self.policy = policy
        self.range = range
    }
}

/// One parsed file: its declarations in order of appearance. What could not be parsed is absent
/// here and present in the diagnostics.
public struct PolicyFile: Sendable {
    public let source: SourceID
    public let declarations: [Declaration]

    public init(source: SourceID, declarations: [Declaration]) {
        self.source = source
        self.declarations = declarations
    }
}

public enum Declaration: Sendable {
    case landscape(LandscapeDeclaration)
    case layers(LayersDeclaration)
    case group(GroupDeclaration)
    case port(PortDeclaration)
    case layer(LayerDeclaration)
    case assertion(AssertionDeclaration)
    case trigger(TriggerDeclaration)
    case pattern(PatternDeclaration)
}

/// `landscape "inventory.yaml"`
public struct LandscapeDeclaration: Sendable {
    public let path: Name
    public let range: SourceRange

    public init(path: Name, range: SourceRange) {
        self.path = path
        self.range = range
    }
}

/// `layers { emergency … baseline default reject }`, from the top.
public struct LayersDeclaration: Sendable {
    public struct Entry: Sendable {
        public let name: Name
        /// nil where the layer has no `default`: it passes.
        public let defaultAction: LayerDefault?
        public let range: SourceRange

        public init(name: Name, defaultAction: LayerDefault?, range: SourceRange) {
            self.name = name
            self.defaultAction = defaultAction
            self.range = range
        }
    }
    public let entries: [Entry]
    public let range: SourceRange

    public init(entries: [Entry], range: SourceRange) {
        self.entries = entries
        self.range = range
    }
}

public enum LayerDefault: String, Sendable { case pass, allow, reject, drop }

/// `group frontends = web or mobile-gateway`
public struct GroupDeclaration: Sendable {
    public let name: Name
    public let set: SetExpression
    public let range: SourceRange

    public init(name: Name, set: SetExpression, range: SourceRange) {
        self.name = name
        self.set = set
        self.range = range
    }
}

/// `port postgres = tcp/5432`
public struct PortDeclaration: Sendable {
    public let name: Name
    public let ports: [PortExpression]
    public let range: SourceRange

    public init(name: Name, ports: [PortExpression], range: SourceRange) {
        self.name = name
        self.ports = ports
        self.range = range
    }
}

/// `layer security { policy … }`; a layer may be opened in many places.
public struct LayerDeclaration: Sendable {
    public let name: Name
    public let policies: [PolicyDeclaration]
    public let range: SourceRange

    public init(name: Name, policies: [PolicyDeclaration], range: SourceRange) {
        self.name = name
        self.policies = policies
        self.range = range
    }
}

/// `policy NAME "description" until TIME overriding L.p { … }` or `policy NAME = pattern(…)`.
public struct PolicyDeclaration: Sendable {
    public enum Body: Sendable {
        case clauses([Clause])
        case instance(PatternInstance)
    }
    public let name: Name
    public let description: Name?
    /// In the order written; resolution refuses contradictory ones.
    public let activations: [Activation]
    public let body: Body
    /// The whole declaration, from `policy` to the closing brace.
    public let range: SourceRange

    public init(
        name: Name, description: Name?, activations: [Activation], body: Body, range: SourceRange
    ) {
        self.name = name
        self.description = description
        self.activations = activations
        self.body = body
        self.range = range
    }
}

/// When a policy is in force.
public struct Activation: Sendable {
    public enum Kind: Sendable {
        /// Seconds since 1970-01-01T00:00:00Z.
        case until(epochSeconds: Int64)
        case forDuration(seconds: Int64)
        case during(WeeklyWindow)
        case standby
        case staged
    }
    public let kind: Kind
    public let range: SourceRange

    public init(kind: Kind, range: SourceRange) {
        self.kind = kind
        self.range = range
    }
}

/// `Mon-Fri 09:00-17:00`: the days it holds on (0 is Monday) and minutes of the day, end
/// exclusive; an end at or before the start crosses midnight.
public struct WeeklyWindow: Hashable, Sendable {
    public let days: Set<Int>
    public let startMinute: Int
    public let endMinute: Int

    public init(days: Set<Int>, startMinute: Int, endMinute: Int) {
        self.days = days
        self.startMinute = startMinute
        self.endMinute = endMinute
    }
}

/// `assert ["text"] never|always from S to D on P across zones [with N connections]`
public struct AssertionDeclaration: Sendable {
    public enum Modality: String, Sendable { case never, always }
    public let text: Name?
    public let modality: Modality
    public let interaction: InteractionClause
    public let connections: Amount?
    public let range: SourceRange

    public init(
        text: Name?, modality: Modality, interaction: InteractionClause, connections: Amount?,
        range: SourceRange
    ) {
        self.text = text
        self.modality = modality
        self.interaction = interaction
        self.connections = connections
        self.range = range
    }
}

/// `when protect-orders-db.connections > 90% for 10s enable emergency.shed-batch for 5m`
public struct TriggerDeclaration: Sendable {
    public enum Comparison: String, Sendable {
        case greater = ">"
        case greaterOrEqual = ">="
        case less = "<"
        case lessOrEqual = "<="
    }
    public enum Threshold: Sendable {
        /// Of the policy's cap or limit.
        case percent(UInt64)
        case amount(Amount)
        case rate(Rate)
    }
    public let policy: PolicyReference
    /// `connections`, `rate`, `bytes`, `packets`, `rejected`: checked by resolution.
    public let signal: Name
    public let comparison: Comparison
    public let threshold: Threshold
    /// How long the condition must hold.
    public let holdSeconds: Int64
    public let enables: PolicyReference
    public let enableSeconds: Int64
    public let range: SourceRange

    public init(
        policy: PolicyReference, signal: Name, comparison: Comparison, threshold: Threshold,
        holdSeconds: Int64, enables: PolicyReference, enableSeconds: Int64, range: SourceRange
    ) {
        self.policy = policy
        self.signal = signal
        self.comparison = comparison
        self.threshold = threshold
        self.holdSeconds = holdSeconds
        self.enables = enables
        self.enableSeconds = enableSeconds
        self.range = range
    }
}

/// `pattern backpressure(clients, service, rate) { … }`
public struct PatternDeclaration: Sendable {
    public let name: Name
    public let parameters: [Name]
    public let clauses: [Clause]
    public let range: SourceRange

    public init(name: Name, parameters: [Name], clauses: [Clause], range: SourceRange) {
        self.name = name
        self.parameters = parameters
        self.clauses = clauses
        self.range = range
    }
}

/// `backpressure([plan=free], api, 5 connections/s)`
public struct PatternInstance: Sendable {
    public enum Argument: Sendable {
        case set(SetExpression)
        case ports([PortExpression])
        case amount(Amount)
        case rate(Rate)
    }
    public let pattern: Name
    public let arguments: [(argument: Argument, range: SourceRange)]
    /// What the policy's head says it overrides: joins the pattern's clauses, which cannot know
    /// the policies of the policy set.
    public var overriding: [DecisionClause]
    public let range: SourceRange

    public init(
        pattern: Name, arguments: [(argument: Argument, range: SourceRange)],
        overriding: [DecisionClause] = [], range: SourceRange
    ) {
        self.pattern = pattern
        self.arguments = arguments
        self.overriding = overriding
        self.range = range
    }
}
