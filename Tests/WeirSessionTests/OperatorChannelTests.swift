// SPDX-License-Identifier: GPL-3.0-or-later

import Testing
import WeirAnalysis
import WeirModel
import WeirSession

@Suite struct OperatorChannelTests {
    static let own: Set<IPAddress> = [IPAddress("10.0.0.1")!]

    @Test func `at a host the connection that ends here is protected`() {
        let text = "192.0.2.7 50000 10.0.0.1 22"
        let channels = operatorChannels(sshConnection: text, onHost: true, own: Self.own)
        #expect(channels.map(\.flow.description) == ["192.0.2.7 -> 10.0.0.1 tcp/22"])
        #expect(operatorChannels(sshConnection: text, onHost: false, own: Self.own).isEmpty)
    }

    @Test func `at a gateway the connection that passes through is`() {
        let text = "192.0.2.7 50000 10.9.9.9 22"
        #expect(operatorChannels(sshConnection: text, onHost: false, own: Self.own).count == 1)
        #expect(operatorChannels(sshConnection: text, onHost: true, own: Self.own).isEmpty)
    }

    @Test(arguments: [nil, "", "x y z 22", "192.0.2.7 1 ::1 22", "192.0.2.7 1 10.0.0.1 99999"])
    func `anything else is none`(text: String?) {
        #expect(operatorChannels(sshConnection: text, onHost: true, own: Self.own).isEmpty)
    }
}
