// SPDX-License-Identifier: GPL-3.0-or-later
//
// Times commits and readings of large tables, by hand and in a namespace of its own:
//     swift build -c release --product kernel-benchmark
//     unshare -n .build/release/kernel-benchmark 100000 > table.nft
//     unshare -n sh -c 'time nft -f table.nft'
// The table's text goes to standard output, the times to standard error.

import Glibc
import WeirKernel
import WeirRuleset

@main enum Main {
    static func main() throws {
        guard let text = CommandLine.arguments.dropFirst().first, let count = Int(text), count > 0
        else {
            report("usage: kernel-benchmark ELEMENTS")
            exit(2)
        }
        let ruleset = timed("build \(count) elements") { largeRuleset(count) }
        let now = currentTimeMilliseconds()
        let delta = timed("delta from nothing") { ruleset.delta(from: nil, nowMilliseconds: now) }
        let batch = timed("encode") {
            SealedBatch(delta, generation: 1, nowMilliseconds: now)
        }
        report("batch: \(batch.bytes.count / 1000) kB")
        var socket = try NetfilterSocket.open()
        let generation = try socket.generation()
        try timed("apply, encoding included") {
            try socket.apply(delta, expectedGeneration: generation)
        }
        try timed("read back") {
            guard let table = try socket.readTable().table else { exit(1) }
            let rest = timed("delta to what was read") {
                ruleset.delta(from: table, nowMilliseconds: now)
            }
            report("operations left: \(rest.operations.count)")
        }
        try timeEdits(ruleset, &socket)
        var output = StandardOutput()
        timed("text") {
            ruleset.writeNftText(nowMilliseconds: now, to: &output)
            output.flush()
        }
        let (table, last) = try socket.readTable()
        guard let table else { exit(1) }
        try timed("remove the table") {
            try socket.apply(.removing(table), expectedGeneration: last)
        }
    }
}

/// Half of the elements carry a comment, in maps of the two shapes that grow.
private func largeRuleset(_ count: Int) -> Ruleset {
    let half = UInt32(count / 2)
    let size = UInt32(count)
    var admission = NamedSet(
        key: [.classid, .mark, .inetProto, .inetService], kind: .map(.classid), size: size)
    var sources = NamedSet(key: [.ipv4Address], kind: .map(.classid), size: size)
    admission.elements.reserveCapacity(count)
    sources.elements.reserveCapacity(count)
    for number in 0..<half {
        let policy = number / 8
        admission.elements[ElementKey(fields: number, number % 977, 6, number % 60_000)] = Element(
            value: .number(0x8000_0000 | policy), comment: "baseline.policy-\(policy)")
        sources.elements[ElementKey(UInt128(0x0A00_0000 + number))] = Element(
            value: .number(number))
    }
    var ruleset = Ruleset(sets: ["adm": admission, "src4": sources])
    ruleset.chains["forward"] = Chain(
        hook: .init(point: .forward, priority: -160),
        rules: [
            Rule([.setFromMap(.priority, [.ipSource], map: "src4")]),
            Rule([
                .setFromMap(
                    .priority, [.priority, .mark, .l4proto, .destinationPort], map: "adm")
            ]),
        ])
    return ruleset
}

/// One element added and taken away again, each a commit.
private func timeEdits(
    _ ruleset: Ruleset, _ socket: inout NetfilterSocket
) throws(KernelError) {
    guard let set = ruleset.sets["adm"]?.definition else { return }
    let key = ElementKey(fields: 0xFFFF_FFFF, 1, 6, 1)
    let element = Delta.KeyedElement(key, Element(value: .number(1), comment: "edit"))
    var generation = try socket.generation()
    var nanoseconds: [UInt64] = []
    for round in 0..<2000 {
        let kind: Delta.Kind =
            round % 2 == 0
            ? .addElements([element], set: "adm", set)
            : .deleteElements([element], set: "adm", set)
        let delta = Delta(operations: [.init(kind)])
        let start = monotonicNanoseconds()
        generation = try socket.apply(delta, expectedGeneration: generation)
        nanoseconds.append(monotonicNanoseconds() - start)
    }
    nanoseconds.sort()
    let p50 = Double(nanoseconds[1000]) / 1000
    let p99 = Double(nanoseconds[1980]) / 1000
    report("one-element commit: p50 \(p50) µs, p99 \(p99) µs")
}

/// Collects text and writes it in large pieces.
private struct StandardOutput: TextOutputStream {
    private var pending: [UInt8] = []

    mutating func write(_ string: String) {
        pending.append(contentsOf: string.utf8)
        if pending.count > 1 << 20 { flush() }
    }

    mutating func flush() {
        var rest = pending[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(1, $0.baseAddress, $0.count)
            }
            if count <= 0 { exit(1) }
            rest = rest.dropFirst(count)
        }
        pending.removeAll(keepingCapacity: true)
    }
}

@discardableResult
private func timed<R, E>(_ what: String, _ body: () throws(E) -> R) throws(E) -> R {
    let start = monotonicNanoseconds()
    let result = try body()
    report("\(what): \(Double((monotonicNanoseconds() - start) / 100_000) / 10) ms")
    return result
}

/// Monotonic, in nanoseconds.
private func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func report(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
}
