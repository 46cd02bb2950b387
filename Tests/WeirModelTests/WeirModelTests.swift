// SPDX-License-Identifier: GPL-3.0-or-later

import Testing
import WeirModel

@Suite struct AddressTests {
    @Test(arguments: [
        "10.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::",
        "1:2:3:4:5:6:7:8", "2001:db8:0:1:1:1:1:1", "2001:0:0:1::1", "::ffff:a00:1",
    ])
    func `canonical text survives`(text: String) {
        #expect(IPAddress(text)?.description == text)
    }

    @Test(arguments: [
        "", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", ":", ":::", "1::2::3", "12345::",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "::1:", "a.b.c.d", "1:2:3:4:5:6:7::8", "::1.2.3",
    ])
    func `what is no address is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `an embedded dotted quad is read`() {
        #expect(IPAddress("::ffff:10.0.0.1") == IPAddress("::ffff:a00:1"))
    }

    @Test(arguments: ["10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::/32", "10.0.0.1-10.0.0.9"])
    func `ranges survive`(text: String) throws {
        #expect(try AddressRange.parse(text).get().description == text)
    }

    @Test func `bad ranges say why`() {
        #expect(
            AddressRange.parse("10.0.0.1/8") == .failure(.hostBitsSet(block: "10.0.0.0/8")))
        #expect(AddressRange.parse("10.0.0.0/33") == .failure(.badPrefixLength("33")))
        #expect(AddressRange.parse("10.0.0.9-10.0.0.1") == .failure(.reversed))
        #expect(AddressRange.parse("10.0.0.9-::1") == .failure(.mixedFamilies))
        #expect(AddressRange.parse("x") == .failure(.notAnAddress("x")))
    }
}

@Suite struct PortSetTests {
    @Test func `algebra on intervals`() {
        let web = PortSet.ports(IPProtocol.tcp, 80, 90)
        let hole = PortSet.ports(IPProtocol.tcp, 85, 85)
        #expect(web.subtracting(hole).description == "tcp/80-84, tcp/86-90")
        #expect(web.subtracting(hole).union(hole) == web)
        #expect(hole.isSubset(of: web) && !web.isSubset(of: hole))
        #expect(PortSet.any.subtracting(.any).isEmpty)
        #expect(PortSet.all(of: IPProtocol.udp).description == "udp")
        #expect(PortSet.any.contains(PortPoint(protocolNumber: 255, port: .max)))
    }
}

@Suite struct WeeklyHoursTests {
    /// 2026-11-23 was a Monday.
    static let monday: Int64 = 1_795_392_000

    @Test func `an office window holds on its days and hours`() {
        let office = WeeklyHours(days: [0, 1, 2, 3, 4], startMinute: 540, endMinute: 1020)
        #expect(!office.contains(epochSeconds: Self.monday + 540 * 60 - 1))
        #expect(office.contains(epochSeconds: Self.monday + 540 * 60))
        #expect(!office.contains(epochSeconds: Self.monday + 1020 * 60))
        #expect(!office.contains(epochSeconds: Self.monday + 5 * 86_400 + 600 * 60))
    }

    @Test func `a night window belongs to the day it starts on`() {
        let night = WeeklyHours(days: [0], startMinute: 1320, endMinute: 360)
        #expect(night.contains(epochSeconds: Self.monday + 1380 * 60))
        #expect(night.contains(epochSeconds: Self.monday + 86_400 + 300 * 60))
        #expect(!night.contains(epochSeconds: Self.monday + 300 * 60))
    }
}
