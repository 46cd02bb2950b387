// SPDX-License-Identifier: GPL-3.0-or-later
//
// The policy set of the design, with an inventory that has all it names.

import Testing
import WeirDiagnostics
import WeirModel
import WeirResolve

enum Sample {
    static let inventory = """
        zones:
          az-a: [10.1.0.0/16, "2001:db8:a::/48"]
          az-b: [10.2.0.0/16, "2001:db8:b::/48"]
        services:
          web: {labels: {tier: web, env: prod}, endpoints: [10.1.1.1, 10.2.1.1]}
          mobile-gateway: {labels: {tier: web, env: prod}, endpoints: [10.1.1.20]}
          checkout:
            labels: {tier: app, env: prod}
            endpoints: [10.1.2.1, 10.2.2.1, "2001:db8:a::201"]
          orders-db:
            labels: {tier: data, env: prod, team: orders}
            ports: {postgres: tcp/5432}
            capacity: {connections: 1000, rate: 2000 connections/s}
            endpoints: [10.1.3.10, 10.2.3.10, "2001:db8:a::310"]
          warehouse: {labels: {tier: data, env: canary}, endpoints: [10.2.4.1]}
          vault: {labels: {tier: data, env: prod}, endpoints: [10.1.5.1]}
          api: {labels: {tier: app}, endpoints: [10.1.6.1]}
          freemium-apps: {labels: {plan: free}, endpoints: [10.1.7.1, 10.1.7.2]}
          monitoring: {labels: {tier: ops}, endpoints: [10.1.9.9, 10.2.9.9]}
          backup: {labels: {tier: batch}, endpoints: [10.2.8.1]}
        """

    static let policies = """
        landscape "inventory.yaml"
        layers {                       # top wins
            emergency
            security
            resilience
            baseline    default reject
        }
        group frontends = web or mobile-gateway
        group prod-data = [tier=data, env in (prod, canary)] except warehouse
        port  postgres  = tcp/5432
        layer baseline {
            policy checkout-reads-orders {
                from checkout to orders-db on postgres
                allow
            }
            policy watch-everything {
                from monitoring to internal on tcp/9100
                allow
            }
        }
        layer security {
            policy az-bulkhead "zones fail alone" {
                from internal except monitoring to internal across zones
                reject
            }
        }
        layer resilience {
            policy protect-orders-db {
                from any to orders-db on postgres
                cap 800 connections reserve 200 for checkout
                limit 50 connections/s per source burst 100
            }
            policy trickle-backups {
                from backup to orders-db on postgres
                limit 20 MB/s
            }
        }
        layer emergency {
            policy failover until 2026-12-01T18:00Z {
                from checkout to orders-db in zone az-b on postgres
                allow overriding security.az-bulkhead
                cap 100 connections
            }
            policy shed-batch standby {
                from [tier=batch] to any
                reject
            }
        }
        assert "card data stays in" never from external to vault
        assert always from monitoring to internal on tcp/9100
        assert always from checkout to orders-db on postgres within zones with 200 connections
        when protect-orders-db.connections > 90% for 10s enable emergency.shed-batch for 5m
        pattern backpressure(clients, service, rate) {
            from clients to service
            limit rate per source then drop
        }
        layer resilience {
            policy calm-freemium = backpressure([plan=free], api, 5 connections/s)
        }
        """

    /// 2026-12-01T18:00Z.
    static let failoverEnd: Int64 = 1_796_148_000

    static func load() throws -> (PolicySet, LoadedPolicySet) {
        let tree = MemoryTree([
            "policies/inventory.yaml": inventory, "policies/all.weir": policies,
        ])
        let loaded = PolicySetLoader(tree: tree).load("policies")
        let policySet = loaded.policySet
        return (try #require(policySet), loaded)
    }
}

/// A policy set of one text over the sample's inventory; every finding of severity error is an
/// issue of the test.
func resolved(
    _ text: String, inventory: String = Sample.inventory,
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> PolicySet {
    let tree = MemoryTree(["i.yaml": inventory, "p.weir": "landscape \"i.yaml\"\n" + text])
    let loaded = PolicySetLoader(tree: tree).load("p.weir")
    let renderer = TextRenderer(sources: loaded.sources)
    for diagnostic in loaded.diagnostics where diagnostic.severity == .error {
        Issue.record("\(renderer.render(diagnostic))", sourceLocation: sourceLocation)
    }
    // Not `#require(loaded.policySet)`: it would print every byte of the sources.
    let policySet = loaded.policySet
    return try #require(policySet, sourceLocation: sourceLocation)
}
