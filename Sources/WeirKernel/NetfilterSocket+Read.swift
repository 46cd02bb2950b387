// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reads weir's table back. A reading is one of several dumps, so it counts only if nobody
// committed anything from the first to the last of them; otherwise it is repeated.

import CNetfilter
import Glibc
import WeirRuleset

extension NetfilterSocket {
    /// The ruleset's generation: a number that each commit of anybody in the namespace raises.
    public mutating func generation() throws(KernelError) -> UInt32 {
        var generation: UInt32 = 0
        _ = try ask(NFT_MSG_GETGEN, UInt8(AF_UNSPEC), isDump: false, "read the generation") { _ in
        } _: { message, bytes in
            guard let attribute = message.attributes.first(NFTA_GEN_ID, in: bytes) else { return }
            generation = bytes.number(attribute)
        }
        return generation
    }

    /// The whole table, and the generation at which it was so. nil where there is no such table.
    /// - Throws: ``KernelError`` with reason `lostRace` where others commit so often that no
    ///   consistent reading came about.
    public mutating func readTable(
        family: TableFamily = .inet, name: String = "weir"
    ) throws(KernelError) -> (table: KernelTable?, generation: UInt32) {
        for _ in 0..<16 {
            let before = try generation()
            do throws(KernelError) {
                let table = try readTableOnce(family, name)
                if try generation() == before { return (table, before) }
            } catch {
                // EINTR: the dump says itself that it is inconsistent.
                guard error.code == EINTR else { throw error }
            }
        }
        throw KernelError(.lostRace, code: EINTR, operation: "read table `\(name)`")
    }

    /// Which revision the table enforces; nil where there is no such table or it says nothing.
    public mutating func readRevision(
        family: TableFamily = .inet, table: String = "weir"
    ) throws(KernelError) -> Revision? {
        guard try hasTable(family, table) else { return nil }
        var decoder = ElementDecoder(Revision().set)
        _ = try readElements(of: Revision.setName, family, table, into: &decoder)
        var set = Revision().set
        set.elements = decoder.finished().elements
        return Revision(set: set)
    }

    private mutating func readTableOnce(
        _ family: TableFamily, _ name: String
    ) throws(KernelError) -> KernelTable? {
        guard try hasTable(family, name) else { return nil }
        var table = KernelTable(family: family, name: name)
        try readObjects(into: &table)
        try readChains(into: &table)
        try readRules(into: &table)
        try readSets(into: &table)
        for (set, definition) in table.sets where !definition.flags.contains(.dynamic) {
            var decoder = ElementDecoder(definition)
            guard try readElements(of: set, family, name, into: &decoder) else { continue }
            let read = decoder.finished()
            table.sets[set]?.elements = read.elements
            if read.hasForeign { table.foreignSets.insert(set) }
        }
        return table
    }

    private mutating func hasTable(
        _ family: TableFamily, _ name: String
    ) throws(KernelError) -> Bool {
        try ask(NFT_MSG_GETTABLE, family.kernelNumber, isDump: false, "read table `\(name)`") {
            $0.put(NFTA_TABLE_NAME, name)
        } _: { _, _ in
        }
    }

    private mutating func readObjects(into table: inout KernelTable) throws(KernelError) {
        let name = table.name
        var objects: [String: NamedObject] = [:]
        var foreign: [ForeignObject] = []
        _ = try ask(NFT_MSG_GETOBJ, table.family.kernelNumber, isDump: true, "read objects") {
            $0.put(NFTA_OBJ_TABLE, name)
        } _: { message, bytes in
            switch decodeObject(message.attributes, in: bytes, ofTable: name) {
            case .known(let name, let object): objects[name] = object
            case .foreign(let object): foreign.append(object)
            case nil: break
            }
        }
        table.objects = objects
        table.foreignObjects = foreign
    }

    private mutating func readChains(into table: inout KernelTable) throws(KernelError) {
        let name = table.name
        var chains: [String: KernelChain] = [:]
        // The kernel gives all tables' chains.
        _ = try ask(NFT_MSG_GETCHAIN, table.family.kernelNumber, isDump: true, "read chains") { _ in
        } _: { message, bytes in
            let chain = ChainAttributes(message.attributes, in: bytes)
            guard chain.table == name else { return }
            chains[chain.name] = chain.kernelChain
        }
        table.chains = chains
    }

    private mutating func readRules(into table: inout KernelTable) throws(KernelError) {
        let name = table.name
        var rules: [String: [UInt64?]] = [:]
        _ = try ask(NFT_MSG_GETRULE, table.family.kernelNumber, isDump: true, "read rules") {
            $0.put(NFTA_RULE_TABLE, name)
        } _: { message, bytes in
            var chain = ""
            var fingerprint: UInt64?
            var cursor = message.attributes
            while let attribute = cursor.next(in: bytes) {
                if attribute.isA(NFTA_RULE_TABLE), bytes.text(attribute) != name { return }
                if attribute.isA(NFTA_RULE_CHAIN) { chain = bytes.text(attribute) }
                guard attribute.isA(NFTA_RULE_USERDATA),
                    let place = bytes.userData(fingerprintUserData, in: attribute.value),
                    place.count == 8
                else { continue }
                fingerprint = bytes.network(at: place.lowerBound)
            }
            rules[chain, default: []].append(fingerprint)
        }
        for (chain, fingerprints) in rules { table.chains[chain]?.rules = fingerprints }
    }

    private mutating func readSets(into table: inout KernelTable) throws(KernelError) {
        let name = table.name
        var sets: [String: NamedSet] = [:]
        var foreign: Set<String> = []
        _ = try ask(NFT_MSG_GETSET, table.family.kernelNumber, isDump: true, "read sets") {
            $0.put(NFTA_SET_TABLE, name)
        } _: { message, bytes in
            let set = SetAttributes(message.attributes, in: bytes)
            // Anonymous sets belong to their rules.
            guard set.table == name, !set.isAnonymous else { return }
            if let namedSet = set.namedSet {
                sets[set.name] = namedSet
            } else {
                foreign.insert(set.name)
            }
        }
        table.sets = sets
        table.foreignSets = foreign
    }

    /// - Returns: false where there is no such set.
    private mutating func readElements(
        of set: String, _ family: TableFamily, _ table: String,
        into decoder: inout ElementDecoder
    ) throws(KernelError) -> Bool {
        try ask(NFT_MSG_GETSETELEM, family.kernelNumber, isDump: true, "read set `\(set)`") {
            $0.put(NFTA_SET_ELEM_LIST_TABLE, table)
            $0.put(NFTA_SET_ELEM_LIST_SET, set)
        } _: { message, bytes in
            guard let list = message.attributes.first(NFTA_SET_ELEM_LIST_ELEMENTS, in: bytes)
            else { return }
            // What is left of an element's time counts from when the kernel wrote it down.
            decoder.nowMilliseconds = currentTimeMilliseconds()
            var cursor = list.nested
            while let element = cursor.next(in: bytes) { decoder.decode(element.value, in: bytes) }
        }
    }

    /// A request to nf_tables.
    mutating func ask(
        _ type: nf_tables_msg_types, _ family: UInt8, isDump: Bool, _ operation: String,
        _ build: (inout NetlinkWriter) -> Void,
        _ body: (NetlinkMessage, Span<UInt8>) throws(KernelError) -> Void
    ) throws(KernelError) -> Bool {
        try request(
            messageType(NFNL_SUBSYS_NFTABLES, type.rawValue), family: family, isDump: isDump,
            operation: operation, build, body)
    }
}
