// SPDX-License-Identifier: GPL-3.0-or-later
//
// Several inventories make one landscape. What is declared twice is an error that names both
// places: keeping one of them silently would police the wrong addresses.

public import WeirDiagnostics
public import WeirModel

/// One landscape of several, in their order.
///
/// Errors: a service or zone declared in two of them (`duplicate-service`, `duplicate-zone`; the
/// first is kept), zones of different ones that overlap (`overlapping-zones`).
public func merge(_ landscapes: [Landscape]) -> (Landscape, [Diagnostic]) {
    if landscapes.count == 1 { return (landscapes[0], []) }
    var findings = InventoryFindings()
    var services: [Service] = []
    var zones: [Zone] = []
    var knownServices: [String: SourceRange?] = [:]
    var knownZones: [String: SourceRange?] = [:]
    for landscape in landscapes {
        for service in landscape.services {
            if let first = knownServices[service.name] {
                findings.duplicate("service", service.name, at: service.origin, first: first)
            } else {
                knownServices[service.name] = .some(service.origin)
                services.append(service)
            }
        }
        for zone in landscape.zones {
            if let first = knownZones[zone.name] {
                findings.duplicate("zone", zone.name, at: zone.origin, first: first)
            } else {
                knownZones[zone.name] = .some(zone.origin)
                zones.append(zone)
            }
        }
    }
    reportOverlaps(of: zones, into: &findings) { $0.origin?.source != $1.origin?.source }
    return (Landscape(services: services, zones: zones), findings.diagnostics)
}

extension InventoryFindings {
    fileprivate mutating func duplicate(
        _ kind: String, _ name: String, at range: SourceRange?, first: SourceRange?
    ) {
        error(
            "duplicate-\(kind)", "\(kind) \(quoted(name)) is declared in two inventories",
            at: range,
            related: first.map { [RelatedPlace(range: $0, message: "first here")] } ?? [],
            help: "rename one, or move all of it into one inventory")
    }
}

/// Reports each range that overlaps one of another zone before it (in address order); of several
/// such, the two that reach furthest.
/// `isWanted` narrows the pairs of zones looked at.
func reportOverlaps(
    of zones: [Zone], into findings: inout InventoryFindings,
    isWanted: (Zone, Zone) -> Bool = { _, _ in true }
) {
    let pieces = zones.indices
        .flatMap { zone in zones[zone].ranges.map { (zone: zone, range: $0) } }
        .sorted {
            ($0.range.family.bits, $0.range.first, $0.zone)
                < ($1.range.family.bits, $1.range.first, $1.zone)
        }
    // The range that reaches furthest so far, and the furthest of any other zone.
    var furthest: (zone: Int, range: AddressRange)?
    var second: (zone: Int, range: AddressRange)?
    for piece in pieces {
        let candidates = [furthest, second].compactMap { $0 }
        for other in candidates
        where other.zone != piece.zone && other.range.family == piece.range.family
            && other.range.last >= piece.range.first
            && isWanted(zones[other.zone], zones[piece.zone])
        {
            reportOverlap(zones[other.zone], other.range, zones[piece.zone], piece.range, &findings)
        }
        if furthest.map({ reachesFurther(piece.range, $0.range) }) ?? true {
            if furthest?.zone != piece.zone { second = furthest }
            furthest = piece
        } else if piece.zone != furthest?.zone,
            second.map({ reachesFurther(piece.range, $0.range) }) ?? true
        {
            second = piece
        }
    }
}

private func reachesFurther(_ range: AddressRange, _ other: AddressRange) -> Bool {
    range.family != other.family || range.last > other.last
}

private func reportOverlap(
    _ a: Zone, _ aRange: AddressRange, _ b: Zone, _ bRange: AddressRange,
    _ findings: inout InventoryFindings
) {
    // The later declaration is at fault, whichever of the two has the lower addresses.
    let place = { (zone: Zone) in (zone.origin?.source.index ?? 0, zone.origin?.start ?? 0) }
    guard place(a) <= place(b) else {
        reportOverlap(b, bRange, a, aRange, &findings)
        return
    }
    findings.error(
        "overlapping-zones",
        "`\(bRange)` of zone \(quoted(b.name)) overlaps `\(aRange)` of zone \(quoted(a.name))",
        at: b.origin,
        related: a.origin.map {
            [RelatedPlace(range: $0, message: "zone \(quoted(a.name))")]
        } ?? [],
        help: "an address lies in at most one zone: split or shrink one of the two")
}
