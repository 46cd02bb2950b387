// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a good inventory becomes, what several become together, that no bytes crash the reader,
// and that a large one is read in time.

import Testing
import WeirDiagnostics
import WeirModel

@testable import WeirInventory

private func read(_ text: String) -> (Landscape, [Diagnostic]) {
    readInventory(SourceText(name: "inventory.yaml", text), id: SourceID(index: 0))
}

private let sample = """
    zones:
      az-a: [10.1.0.0/16, "2001:db8:a::/48"]
      az-b: [10.2.0.0/16, 10.9.0.1-10.9.0.4]
    services:
      orders-db:
        labels: {tier: data, env: prod, replicas: 3}
        ports: {postgres: tcp/5432, admin: "tcp/8000-8100, udp/53", both: [tcp/1, sctp/2]}
        capacity: {connections: 100 per endpoint, rate: 20 connections/m per endpoint}
        endpoints: [10.1.3.10, 10.2.3.10, "2001:db8:a::310"]
      web: {endpoints: [], capacity: {connections: 1000, rate: 2000 connections/s}}

    """

@Suite struct InventoryTests {
    @Test func `a good inventory becomes a landscape`() throws {
        let (landscape, diagnostics) = read(sample)
        #expect(diagnostics.isEmpty)
        #expect(landscape.zones.map(\.name) == ["az-a", "az-b"])
        #expect(
            landscape.zones.flatMap(\.ranges).map(\.description)
                == ["10.1.0.0/16", "2001:db8:a::/48", "10.2.0.0/16", "10.9.0.1-10.9.0.4"])
        let database = try #require(landscape.services.first)
        #expect(database.labels == ["tier": "data", "env": "prod", "replicas": "3"])
        #expect(database.ports["postgres"]?.description == "tcp/5432")
        #expect(database.ports["admin"]?.description == "tcp/8000-8100, udp/53")
        #expect(database.ports["both"]?.description == "tcp/1, sctp/2")
        #expect(
            database.endpoints.map(\.description)
                == ["10.1.3.10", "10.2.3.10", "2001:db8:a::310"])
        #expect(database.capacity.connections == 300)
        #expect(
            database.capacity.connectionRate == RatePerInterval(amount: 60, intervalSeconds: 60))
        let web = landscape.services[1]
        #expect(web.capacity.connections == 1000)
        #expect(web.endpoints.isEmpty)
    }

    @Test func `an origin is the name in the file`() throws {
        let text = SourceText(name: "inventory.yaml", sample)
        let (landscape, _) = readInventory(text, id: SourceID(index: 0))
        let origins = landscape.services.map(\.origin) + landscape.zones.map(\.origin)
        let names = try origins.map { text.text(in: try #require($0).bytes) }
        #expect(names == ["orders-db", "web", "az-a", "az-b"])
    }

    @Test func `columns count characters after wide ones`() {
        let offsets = CharacterOffsets(Array((String(repeating: "ä€😀", count: 100) + "x").utf8))
        #expect(offsets.byte(ofCharacter: 0) == 0)
        #expect(offsets.byte(ofCharacter: 1) == 2)
        #expect(offsets.byte(ofCharacter: 2) == 5)
        #expect(offsets.byte(ofCharacter: 299) == 99 * 9 + 5)
        #expect(offsets.byte(ofCharacter: 300) == 900)
        #expect(offsets.byte(ofCharacter: 301) == 901)
        #expect(offsets.byte(ofCharacter: 9999) == 901)
    }
}

@Suite struct LandscapeMergeTests {
    private func landscapes(_ texts: [String]) -> ([Landscape], SourceMap) {
        var sources = SourceMap()
        let landscapes = texts.enumerated().map { number, content in
            let text = SourceText(name: "\(number).yaml", content)
            return readInventory(text, id: sources.add(text)).0
        }
        return (landscapes, sources)
    }

    @Test func `inventories without common names are joined in order`() {
        let (parts, _) = landscapes([
            "services: {a: {endpoints: [10.0.0.1]}}", "services: {b: {endpoints: [10.0.0.1]}}",
            "zones: {z: [10.0.0.0/8]}",
        ])
        let (landscape, diagnostics) = merge(parts)
        #expect(diagnostics.isEmpty)
        #expect(landscape.services.map(\.name) == ["a", "b"])
        #expect(landscape.zones.map(\.name) == ["z"])
    }

    @Test func `what is declared twice names both places`() {
        let (parts, sources) = landscapes([
            "services: {a: {endpoints: []}}\nzones: {z: [10.0.0.0/8]}",
            "zones: {z: [11.0.0.0/8], y: [10.1.0.0/16]}\nservices: {a: {endpoints: []}}",
        ])
        let (landscape, diagnostics) = merge(parts)
        let rendered = diagnostics.map { diagnostic in
            let places = ([diagnostic.range] + diagnostic.related.map(\.range))
                .map { $0.map(sources.location) ?? "?" }
            return "\(diagnostic.code) \(diagnostic.message) @ \(places.joined(separator: " "))"
        }
        #expect(
            rendered == [
                "duplicate-service service `a` is declared in two inventories"
                    + " @ 1.yaml:2:12 0.yaml:1:12",
                "duplicate-zone zone `z` is declared in two inventories"
                    + " @ 1.yaml:1:9 0.yaml:2:9",
                "overlapping-zones `10.1.0.0/16` of zone `y` overlaps `10.0.0.0/8` of zone `z`"
                    + " @ 1.yaml:1:26 0.yaml:2:9",
            ])
        #expect(landscape.services.count == 1)
    }

    @Test func `no inventory is an empty landscape`() {
        let (landscape, diagnostics) = merge([])
        #expect(landscape.services.isEmpty && diagnostics.isEmpty)
    }
}
