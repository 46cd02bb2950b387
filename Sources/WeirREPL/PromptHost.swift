// SPDX-License-Identifier: GPL-3.0-or-later
//
// What the prompt needs of the program around it: how plans and flows are worded is the command's
// business, and whether there is a terminal to ask on.

public import WeirModel
public import WeirSession

public struct PromptHost {
    public var describePlan: (Plan, PolicySet) -> String
    /// The text, or what is wrong with the flow.
    public var explain: (String, CheckedPolicySet, PolicySet) -> Result<String, StagingError>
    public var describeInForce: (any PolicyKernel) -> String
    public var write: (String) -> Void
    public var writeError: (String) -> Void
    /// Asks for a line; nil where there is nobody to ask.
    public var ask: ((String) -> String?)?
    public var colour: Bool

    public init(
        describePlan: @escaping (Plan, PolicySet) -> String,
        explain: @escaping (String, CheckedPolicySet, PolicySet) -> Result<String, StagingError>,
        describeInForce: @escaping (any PolicyKernel) -> String,
        write: @escaping (String) -> Void, writeError: @escaping (String) -> Void,
        ask: ((String) -> String?)?, colour: Bool
    ) {
        self.describePlan = describePlan
        self.explain = explain
        self.describeInForce = describeInForce
        self.write = write
        self.writeError = writeError
        self.ask = ask
        self.colour = colour
    }

    func paint(_ text: String, _ code: String) -> String {
        colour ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
