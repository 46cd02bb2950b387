// SPDX-License-Identifier: GPL-3.0-or-later
//
// A lab with policies in force, for tests that count.

import FoundationEssentials
import Testing
import WeirKernel
import WeirLab
import WeirModel
import WeirRuleset

/// Two zones behind a gateway that enforces policy sets by netlink.
final class Gateway {
    let lab: GatewayLandscape
    private let servers: [EchoServer]

    init(tcp: [UInt16] = [7001, 7002, 7003], udp: [UInt16] = [7001, 7002, 7003]) throws {
        lab = try GatewayLandscape(segments: [
            ["10.1.0.0/16", "fd00:1::/32"], ["10.2.0.0/16", "fd00:2::/32"],
        ])
        servers = try lab.serve(tcp: tcp, udp: udp)
    }

    deinit {
        for server in servers { server.close() }
        lab.close()
    }

    /// Puts a policy set in force and says what that took.
    @discardableResult
    func enforce(_ set: PolicySet) throws -> Delta {
        try lab.gateway.run { () throws in
            var socket = try NetfilterSocket.open()
            let (kernel, generation) = try socket.readTable()
            let now = currentTimeMilliseconds()
            let options = LoweringOptions(state: PolicyState(epochSeconds: now / 1000))
            let (program, diagnostics) = lower(set, options: options, previous: kernel)
            let ruleset = try #require(program?.ruleset, "\(diagnostics)")
            let delta = ruleset.delta(from: kernel, nowMilliseconds: now)
            try socket.apply(delta, expectedGeneration: generation)
            return delta
        }
    }

    static func address(_ text: String) -> IPAddress { IPAddress(text)! }

    static func tcp(_ source: String, _ destination: String, _ port: UInt16) -> Flow {
        Flow(
            source: address(source), destination: address(destination),
            port: PortPoint(protocolNumber: IPProtocol.tcp, port: port))
    }
}

/// The seed of a random test: WEIR_LAB_SEED, to repeat one that failed, or another each time.
func labSeed() -> UInt64 {
    ProcessInfo.processInfo.environment["WEIR_LAB_SEED"].flatMap { UInt64($0) }
        ?? .random(in: 0 ... .max)
}

/// Services by name with one endpoint each, or several.
func landscape(_ services: [(String, [String])]) -> Landscape {
    Landscape(
        services: services.map { name, addresses in
            Service(name: name, endpoints: addresses.map(Gateway.address))
        })
}

extension Landscape {
    func service(_ name: String) -> AddressSet {
        .service(services.firstIndex { $0.name == name }!)
    }
}
