// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pages of the codes about what must hold, and about what matches nothing or is over.

extension Page {
    static let assertionFailed = Page(
        code: .assertionFailed,
        summary: "an assertion does not hold in some state that can be reached",
        why: """
            assertions are what must hold whatever else is edited: `never`, `always`, `always … \
            with N connections`. They are tried in every state, so a measure whose end re-opens a \
            hole fails now and not on the day it ends.
            """,
        avoid: """
            layers { emergency; security; baseline }
            layer emergency {
                policy shut until 2100-01-01T00:00Z { from web to vault; drop }
            }
            assert "the shop never sees the vault" never from web to vault
            """,
        prefer: """
            layers { emergency; security; baseline }
            layer security {
                policy shut { from web to vault; drop }
            }
            assert "the shop never sees the vault" never from web to vault
            """)

    static let lockout = Page(
        code: .lockout,
        summary: "the operator's own connection, or the fleet's control channel, would be cut",
        why: """
            the commit that cuts the connection it came through cannot be taken back through it. \
            Standby policies count too: enabling one must not lock out the person who does. Give \
            the way in its own policy in the top layer.
            """,
        avoid: """
            layer baseline {
                policy deploys { from backup to internal on tcp/22; allow }
            }
            """,
        prefer: """
            layer emergency {
                policy way-in { from monitoring to internal on tcp/22; allow }
            }
            layer baseline {
                policy deploys { from backup to internal on tcp/22; allow }
            }
            """)

    static let emptySet = Page(
        code: .emptySet,
        summary: "a policy, a part of one or an assertion matches no flow",
        why: """
            most often a label, a service or a zone was renamed, and the policy that named it went \
            on to be read as protection while it matches nothing.
            """,
        avoid: """
            layer security {
                policy clean { from [tier=web] and [tier=data] to any; drop }
            }
            """,
        prefer: """
            layer security {
                policy clean { from [tier=web] to vault; drop }
            }
            layer baseline {
                policy keys { from internal except [tier=web] to vault; allow }
            }
            """)

    static let expiredPolicy = Page(
        code: .expiredPolicy,
        summary: "a policy is over",
        why: """
            its `until` has passed, or its hours never come again before it. It does nothing, and \
            its presence suggests that it does.
            """,
        avoid: """
            layer emergency {
                policy shed until 2020-01-01T00:00Z { from backup to any; reject }
            }
            """,
        prefer: """
            layers { emergency; security; baseline }
            layer emergency {
                policy shed standby { from backup to any; reject }
            }
            """)
}
