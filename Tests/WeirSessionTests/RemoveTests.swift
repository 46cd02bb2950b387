// SPDX-License-Identifier: GPL-3.0-or-later
//
// Taking weir out of the kernel is an operation like others: logged, undone, finished after a crash.

import Testing
import WeirRuleset

@testable import WeirSession

@Suite struct RemoveTests {
    /// A lab with policies in force from two commits.
    private static func lab() throws -> SessionLab {
        let lab = try SessionLab()
        let session = lab.session()
        try session.type("policy first { from db to web; drop }", layer: "base")
        _ = try session.commit(CommitOptions(message: "first"))
        try session.type("policy second { from web to db on tcp/1; drop }", layer: "base")
        _ = try session.commit(CommitOptions(message: "second"))
        return lab
    }

    @Test func `a removal is logged, and rolling back undoes it`() throws {
        let lab = try Self.lab()
        let inForce = try #require(lab.kernel.revision()?.contentHash)
        var writer = try PolicyWriter(lab.state, lab.kernel)
        let removed = try writer.remove(message: "out of here", nowEpochSeconds: 7)
        let entry = try #require(removed)
        #expect(lab.kernel.table == nil)
        #expect(entry.operation == .remove && entry.message == "out of here")
        #expect(entry.epochSeconds == 7 && entry.who == operatorName() && entry.number == 3)
        #expect(entry.removed == ["base.first", "base.reads", "base.second"])
        #expect(historyText([entry]).contains("remove  out of here  nothing in force"))
        let again = try writer.remove(message: "again", nowEpochSeconds: 8)
        #expect(again == nil)
        #expect(RevisionStore(lab.state).all().count == 3)
        let back = try writer.rollback(to: nil, message: nil, nowEpochSeconds: 9)
        #expect(back.revision.restores == 2)
        #expect(try lab.kernel.revision()?.contentHash == inForce)
        // One further goes to the commit before, not to the removal.
        let further = try writer.rollback(to: nil, message: nil, nowEpochSeconds: 10)
        #expect(further.revision.restores == 1)
    }

    @Test func `rolling back stands where weir stood`() throws {
        let lab = try Self.lab()
        var writer = try PolicyWriter(lab.state, lab.kernel)
        _ = try writer.remove(message: "", nowEpochSeconds: 7)
        _ = try writer.rollback(to: nil, message: nil, nowEpochSeconds: 9)
        #expect(lab.kernel.standsOnHost == false)
    }

    @Test(arguments: [CommitStep.kernelCommitted, .filesWritten, .revisionRecorded, .stagedCleared])
    func `a removal that was cut off is finished`(step: CommitStep) throws {
        let lab = try Self.lab()
        #expect(throws: WriteFailure.self) { try Self.removeAndCrash(lab, step) }
        var writer = try PolicyWriter(lab.state, lab.kernel)
        let report = try writer.recover()
        #expect(report == .finished(message: "cut off", revision: 3, gitFailure: nil))
        #expect(RevisionStore(lab.state).all().map(\.message) == ["cut off", "second", "first"])
        #expect(lab.kernel.table == nil)
    }

    private static func removeAndCrash(_ lab: SessionLab, _ step: CommitStep) throws(WriteFailure) {
        var writer = try PolicyWriter(lab.state, lab.kernel)
        writer.onStep = { (at) throws(WriteFailure) in if at == step { throw .crashed(at) } }
        _ = try writer.remove(message: "cut off", nowEpochSeconds: 7)
    }
}
