// SPDX-License-Identifier: GPL-3.0-or-later
//
// Flows as an operator types them.

import Testing
import WeirModel
import WeirResolve

private let inventory = """
    zones: {az-a: [10.1.0.0/16]}
    services:
      checkout: {endpoints: [10.1.2.1, 10.2.2.1, "2001:db8::1"]}
      orders-db: {ports: {postgres: tcp/5432}, endpoints: [10.1.3.10, "2001:db8::3"]}
      web: {ports: {http: "tcp/80, tcp/8000-8100", dns: udp/53}, endpoints: [10.1.1.1]}
      "two words": {endpoints: [10.1.1.2]}
      asleep: {ports: {x: tcp/1}, endpoints: []}
    """

private func parse(_ text: String) throws -> Result<[Flow], FlowError> {
    let set = try resolved(
        "layers { base }\nlayer base { policy p { from any to any; allow } }",
        inventory: inventory)
    return parseFlow(text, in: set)
}

@Suite struct FlowTests {
    @Test(arguments: [
        ("10.1.0.4 -> 10.1.3.10 tcp/5432", ["10.1.0.4 -> 10.1.3.10 tcp/5432"]),
        ("10.1.0.4->orders-db udp/53", ["10.1.0.4 -> 10.1.3.10 udp/53"]),
        ("  10.1.0.4  to  orders-db  on  postgres ", ["10.1.0.4 -> 10.1.3.10 tcp/5432"]),
        ("10.1.0.4 orders-db", ["10.1.0.4 -> 10.1.3.10 tcp/5432"]),
        (
            "checkout -> orders-db",
            [
                "10.1.2.1 -> 10.1.3.10 tcp/5432", "10.2.2.1 -> 10.1.3.10 tcp/5432",
                "2001:db8::1 -> 2001:db8::3 tcp/5432",
            ]
        ),
        ("10.0.0.1 -> web http", ["10.0.0.1 -> 10.1.1.1 tcp/80", "10.0.0.1 -> 10.1.1.1 tcp/8000"]),
        (
            "checkout -> orders-db icmp/echo-request",
            ["10.1.2.1 -> 10.1.3.10 icmp/8", "10.2.2.1 -> 10.1.3.10 icmp/8"]
        ),
        ("checkout -> orders-db icmpv6/128", ["2001:db8::1 -> 2001:db8::3 icmpv6/128"]),
        ("\"two words\" -> web dns", ["10.1.1.2 -> 10.1.1.1 udp/53"]),
        ("::1 -> 2001:db8::3 sctp/7", ["::1 -> 2001:db8::3 sctp/7"]),
    ])
    func `what is meant`(text: String, expected: [String]) throws {
        #expect(try parse(text).get().map(\.description) == expected)
    }

    @Test(arguments: [
        (
            "", "`` is no flow: it has a source, a destination and a port",
            "write `checkout -> orders-db tcp/5432`"
        ),
        (
            "a b c d e", "`a b c d e` is no flow: it has a source, a destination and a port",
            "write `checkout -> orders-db tcp/5432`"
        ),
        (
            "chekout -> web http", "`chekout` is neither an address nor a service",
            "did you mean `checkout`?"
        ),
        ("10.0.0.0/8 -> web http", "`10.0.0.0/8` is more than one address", "give one of them"),
        ("az-a -> web http", "`az-a` is a zone, not one address", "give an address in it"),
        ("asleep -> web http", "service `asleep` has no endpoints", "give an address"),
        (
            "checkout -> web", "the flow has no port",
            "add one, such as `tcp/443`, or one of `dns`, `http`"
        ),
        ("checkout -> 10.0.0.1", "the flow has no port", "add one, such as `tcp/443`"),
        ("checkout -> web htp", "`htp` is no port of `web`", "did you mean `http`?"),
        (
            "checkout -> 10.0.0.1 http", "`http` is no port",
            "write `tcp/443` or `icmp/echo-request`"
        ),
        ("checkout -> web tpc/1", "`tpc` is no protocol", "did you mean `tcp`?"),
        (
            "checkout -> web tcp/65536", "`65536` is no port number",
            "write one number from 0 to 65535: `tcp/443`"
        ),
        (
            "checkout -> web tcp/080", "`080` is no port number",
            "write one number from 0 to 65535: `tcp/443`"
        ),
        (
            "checkout -> web icmp/eco-request", "`eco-request` is no type of icmp",
            "did you mean `echo-request`?"
        ),
        (
            "10.0.0.1 -> 2001:db8::1 tcp/1",
            "`10.0.0.1` and `2001:db8::1` have no addresses of one family for this port",
            "give two IPv4 or two IPv6 addresses; `icmp` is IPv4 and `icmpv6` is IPv6"
        ),
        ("\"two -> web", "`\"two -> web` has a quote that does not end", "add the closing quote"),
    ])
    func `what is wrong`(text: String, message: String, help: String) throws {
        guard case .failure(let error) = try parse(text) else {
            Issue.record("\(text) was read")
            return
        }
        #expect(error.message == message)
        #expect(error.help == help)
    }

    @Test func `pairs are bounded`() throws {
        let many = (0..<100).map { "10.0.0.\($0)" }.joined(separator: ", ")
        let set = try resolved(
            "layers { base }\nlayer base { policy p { from any to any; allow } }",
            inventory: "services: {a: {endpoints: [\(many)]}}")
        #expect(try parseFlow("a -> a tcp/1", in: set).get().count == flowLimit)
    }
}
