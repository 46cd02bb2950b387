// SPDX-License-Identifier: GPL-3.0-or-later
//
// `weir library`: the file that is in the binary, one pattern of it, and a name that is not in it.

import Testing
import WeirLab

@Suite(.enabled(if: labCanRun)) struct LibraryCommandTests {
    @Test func `the library prints as a policy file that weir itself accepts`() throws {
        let lab = try CommandLab()
        let all = try lab.weir("library")
        #expect(all.status == 0 && all.output.contains("pattern quarantine(hosts) {"))
        // As a file of a policy set it declares the patterns anew, which is allowed.
        var files = smallSet("allow")
        files["library.weir"] = all.output
        let checked = try lab.weir("check", try lab.policies("own", files))
        #expect(checked.status == 0, "\(checked.errors)")
        #expect(checked.errors.contains("warning[unused-name]"))
    }

    @Test func `a name prints that pattern and its page`() throws {
        let lab = try CommandLab()
        let one = try lab.weir("library", "bulkhead-with-hatch")
        #expect(one.status == 0)
        #expect(one.output.contains("pattern bulkhead-with-hatch(area, hatch) {"))
        #expect(one.output.contains("# bulkhead-with-hatch(area, hatch)\n"))
        #expect(!one.output.contains("pattern quarantine"))
        let none = try lab.weir("library", "bulkheads")
        #expect(none.status == 2 && none.errors.contains("did you mean `bulkhead`?"))
    }
}
