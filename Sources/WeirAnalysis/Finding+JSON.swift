// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a program wants of a finding beyond its words: the policies by name, the witness as a flow
// and a state, the numbers as numbers, the edit that mends it. docs/findings-schema.md.

public import WeirDiagnostics
public import WeirModel

extension Finding {
    /// The member `details` of the finding in `weir check --format json`.
    public func details(in policySet: PolicySet) -> JSONValue {
        .members([
            ("certainty", JSONValue(certainty.rawValue)),
            (
                "policies",
                .array(
                    policies.map { involved in
                        .members([
                            ("policy", JSONValue(policySet.qualifiedName(involved.policy))),
                            ("role", JSONValue(involved.role.rawValue)),
                            ("part", involved.part.map { JSONValue($0.path) }),
                        ])
                    })
            ),
            ("assertion", assertionIndex.map { JSONValue($0) }),
            (
                "service",
                serviceIndex.map { JSONValue(policySet.landscape.services[$0].name) }
            ),
            ("witness", witness?.json(in: policySet)),
            ("fix", fix?.json(in: policySet)),
        ])
    }

    private var assertionIndex: Int? {
        if case .assertion(let index, _) = subject { return index }
        return nil
    }

    private var serviceIndex: Int? {
        if case .service(let index) = subject { return index }
        return nil
    }
}

extension Finding.Part {
    /// `cap[0]`, `cap[0].reserve[1]`.
    var path: String {
        switch self {
        case .interaction(let index): "interaction[\(index)]"
        case .cap(let index): "cap[\(index)]"
        case .limit(let index): "limit[\(index)]"
        case .reservation(let cap, let index): "cap[\(cap)].reserve[\(index)]"
        }
    }
}

extension Finding.Witness {
    func json(in policySet: PolicySet) -> JSONValue {
        .members([
            (
                "flow",
                flow.map { flow in
                    .members([
                        ("source", JSONValue("\(flow.source)")),
                        ("destination", JSONValue("\(flow.destination)")),
                        ("protocol", JSONValue(IPProtocol.name(flow.port.protocolNumber))),
                        ("port", JSONValue(Int(flow.port.port))),
                    ])
                }
            ),
            (
                "state",
                .members([
                    ("time", JSONValue(describeInstant(state.epochSeconds))),
                    (
                        "enabled",
                        .array(
                            state.enabled.sorted().map {
                                JSONValue(policySet.qualifiedName($0))
                            })
                    ),
                    ("dependsOnTime", .bool(timeDependent)),
                ])
            ),
            ("numbers", arithmetic?.json),
            (
                "defaultOfLayer",
                defaultLayer.map { JSONValue(policySet.layers[$0].name) }
            ),
        ])
    }
}

extension Finding.Arithmetic {
    var json: JSONValue {
        .members([
            ("unit", JSONValue(unit.rawValue)),
            ("terms", .array(terms.map(\.json))),
            ("total", .unsigned(total)),
            ("relation", JSONValue(relation.rawValue)),
            ("bound", bound.json),
        ])
    }
}

extension Finding.Arithmetic.Term {
    var json: JSONValue {
        .members([
            ("counters", .unsigned(counters)), ("scope", JSONValue(scope.rawValue)),
            ("each", .unsigned(each)), ("perSeconds", perSeconds.map { .unsigned($0) }),
        ])
    }
}

extension Finding.FixIntent {
    func json(in policySet: PolicySet) -> JSONValue {
        func name(_ id: PolicyID) -> JSONValue { JSONValue(policySet.qualifiedName(id)) }
        return switch self {
        case .addOverriding(let policy, let other):
            .members([
                ("kind", JSONValue("add-overriding")), ("policy", name(policy)),
                ("overridden", name(other)),
            ])
        case .removeOverriding(let policy, let other):
            .members([
                ("kind", JSONValue("remove-overriding")), ("policy", name(policy)),
                ("overridden", name(other)),
            ])
        case .removePolicy(let policy):
            .members([("kind", JSONValue("remove-policy")), ("policy", name(policy))])
        case .removePart(let policy, let part):
            .members([
                ("kind", JSONValue("remove-part")), ("policy", name(policy)),
                ("part", JSONValue(part.path)),
            ])
        }
    }
}
