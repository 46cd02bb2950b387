// SPDX-License-Identifier: GPL-3.0-or-later
//
// A twin of the kernel's evaluation, for tests: runs one packet through a `Ruleset` by the same
// rules as nf_tables, so that lowering can be held against `decide` thousands of times a second.

public import WeirModel
public import WeirRuleset

/// What became of a packet, and what it met on the way.
public struct MachineOutcome {
    public enum Fate: Equatable { case accepted, dropped, rejected }
    public var fate: Fate
    public var counters: [String] = []
    /// Numbers looked up in `caps`, names of limits asked, and names of dynamic sets.
    public var constraints: Set<String> = []
    public var priority: UInt32
    public var mark: UInt32
}

public struct RulesetMachine {
    public let ruleset: Ruleset
    private var flow: Flow
    private var priority: UInt32 = 0
    private var mark: UInt32
    private var saved: UInt32?
    private var counters: [String] = []
    private var constraints: Set<String> = []

    public static func run(_ flow: Flow, mark: UInt32 = 0, through ruleset: Ruleset)
        -> MachineOutcome
    {
        var machine = RulesetMachine(ruleset: ruleset, flow: flow, mark: mark)
        let fate = machine.run(chain: "forward") ?? .accepted
        return MachineOutcome(
            fate: fate, counters: machine.counters, constraints: machine.constraints,
            priority: machine.priority, mark: machine.mark)
    }

    private init(ruleset: Ruleset, flow: Flow, mark: UInt32) {
        self.ruleset = ruleset
        self.flow = flow
        self.mark = mark
    }

    /// nil: the chain returned.
    private mutating func run(chain name: String) -> MachineOutcome.Fate? {
        guard let chain = ruleset.chains[name] else { preconditionFailure("no chain \(name)") }
        rules: for rule in chain.rules {
            for statement in rule.statements {
                switch step(statement) {
                case .next: continue
                case .miss: continue rules
                case .fate(let fate): return fate
                case .leave: return nil
                }
            }
        }
        return nil
    }

    private enum Step {
        case next, miss, leave
        case fate(MachineOutcome.Fate)
    }

    private mutating func step(_ statement: Statement) -> Step {
        switch statement {
        case .connectionState(let states): return states.contains(.new) ? .next : .miss
        case .connectionConfirmed, .setConnectionZone, .hopLimit: return .miss
        case .connectionDirection(let direction): return direction == .original ? .next : .miss
        case .equals(let field, let value): return self[field] == value ? .next : .miss
        case .differs(let field, let value): return self[field] != value ? .next : .miss
        case .inRange(let field, let low, let high):
            return (low...high).contains(self[field]) ? .next : .miss
        case .l4proto(let number): return flow.port.protocolNumber == number ? .next : .miss
        case .networkFamily(let family):
            return (flow.source.family == .v4) == (family == .ipv4) ? .next : .miss
        case .missing(let key, let set):
            return element(key, in: set) == nil ? .next : .miss
        case .lookup(let key, let set):
            if set == "cap_of" { constraints.insert("cap \(priority)") }
            return element(key, in: set) == nil ? .miss : .next
        case .set(let field, let value):
            self[field] = value
            return .next
        case .setFromMap(let field, [.ctID], _):
            guard let saved else { return .miss }
            self[field] = saved
            return .next
        case .setFromMap(let field, let key, let map):
            guard case .number(let value)? = element(key, in: map)?.value else { return .miss }
            self[field] = value
            return .next
        case .object(let kind, let key, let map):
            guard case .object(let name)? = element(key, in: map)?.value else { return .miss }
            if kind == .limit { constraints.insert("limit \(priority)") } else { count(name) }
            return .next
        case .counter(let name):
            count(name)
            return .next
        case .learn:
            saved = mark
            return .next
        case .learnLimit, .learnConnectionCount:
            constraints.insert(
                (priority >> 28 == 7 ? "cap " : "limit ") + "\(priority)")
            return .next
        case .rejectWithReset, .rejectProhibited: return .fate(.rejected)
        case .verdict(.accept): return .fate(.accepted)
        case .verdict(.drop): return .fate(.dropped)
        case .verdict(.return): return .leave
        case .verdict(.jump(let chain)): return run(chain: chain).map { .fate($0) } ?? .next
        case .verdict(.goto(let chain)): return run(chain: chain).map { .fate($0) } ?? .leave
        default: preconditionFailure("the machine does not know \(statement)")
        }
    }

    private mutating func count(_ name: String) {
        precondition(ruleset.objects[name]?.kind == .counter, "no counter \(name)")
        counters.append(name)
    }

    private subscript(_ field: Scratch) -> UInt32 {
        get { field == .priority ? priority : mark }
        set { if field == .priority { priority = newValue } else { mark = newValue } }
    }

    /// nil too where a selector cannot be read from this packet.
    private func element(_ selectors: [Selector], in name: String) -> Element? {
        guard let set = ruleset.sets[name] else { preconditionFailure("no set \(name)") }
        precondition(set.key.count == selectors.count, "\(name) has another key")
        var key: UInt128 = 0
        for (selector, field) in zip(selectors, set.key) {
            guard let value = value(of: selector) else { return nil }
            key = field.packedBits == 128 ? value : key << 32 | value
        }
        if !set.flags.contains(.interval) { return set.elements[ElementKey(key)] }
        let hits = set.elements.filter { $0.key.first <= key && key <= $0.key.last }
        precondition(hits.count <= 1, "overlapping intervals in \(name)")
        return hits.first?.value
    }

    private func value(of selector: Selector) -> UInt128? {
        let proto = flow.port.protocolNumber
        switch selector {
        case .priority: return UInt128(priority)
        case .mark: return UInt128(mark)
        case .l4proto: return UInt128(proto)
        case .destinationPort:
            // Any other header has bytes there too; they must not matter.
            return IPProtocol.hasPorts(proto) ? UInt128(flow.port.port) : 0xBEEF
        case .icmpType: return proto == IPProtocol.icmp ? UInt128(flow.port.port) : nil
        case .icmpv6Type: return proto == IPProtocol.icmpv6 ? UInt128(flow.port.port) : nil
        case .ipSource: return flow.source.family == .v4 ? flow.source.value : nil
        case .ipDestination: return flow.source.family == .v4 ? flow.destination.value : nil
        case .ip6Source: return flow.source.family == .v6 ? flow.source.value : nil
        case .ip6Destination: return flow.source.family == .v6 ? flow.destination.value : nil
        case .dscp: return flow.source.family == .v4 ? 0 : nil
        case .ctID, .sourcePort: return nil
        }
    }
}
