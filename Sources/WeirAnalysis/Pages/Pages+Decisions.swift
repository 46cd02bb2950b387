// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pages of the codes about who decides.

extension Page {
    static let ambiguousDecision = Page(
        code: .ambiguousDecision,
        summary: "two policies of one layer decide a flow differently and neither overrides",
        why: """
            within a layer there is no first match, so nothing says which of the two wins. Whoever \
            wrote the second did not know the first, and both believe that theirs is in force. Let \
            the exception say `overriding`, or take the common flows out of one of them.
            """,
        avoid: """
            layers { emergency; security; baseline }
            layer security {
                policy clients { from web to orders-db on tcp/5432; allow }
                policy freeze { from any to orders-db; reject }
            }
            """,
        prefer: """
            layers { emergency; security; baseline }
            layer security {
                policy clients { from web to orders-db on tcp/5432; allow overriding freeze }
                policy freeze { from any to orders-db; reject }
            }
            """)

    static let undeclaredOverride = Page(
        code: .undeclaredOverride,
        summary: "a higher layer allows what a policy of a lower layer rejects or drops",
        why: """
            the higher layer wins, so the denial below is void for these flows, silently. In an \
            emergency that may be just what is wanted; then say so, and the next reader knows. If \
            it is not wanted, narrow the policy that allows.
            """,
        avoid: """
            layers { emergency; security; baseline }
            layer emergency {
                policy failover { from checkout to orders-db in zone az-b; allow }
            }
            layer security {
                policy bulkhead { from internal to internal across zones; reject }
            }
            """,
        prefer: """
            layers { emergency; security; baseline }
            layer emergency {
                policy failover {
                    from checkout to orders-db in zone az-b
                    allow overriding security.bulkhead
                }
            }
            layer security {
                policy bulkhead { from internal to internal across zones; reject }
            }
            """)

    static let overrideCycle = Page(
        code: .overrideCycle,
        summary: "policies override each other in a loop",
        why: """
            each of them is overridden, so none is left to decide, and the connection would be \
            decided by nobody. While there is a loop the checker can say little else: mend it first.
            """,
        avoid: """
            layers { emergency; security; baseline }
            layer security {
                policy open { from web to api; allow overriding shut }
                policy shut { from web to api; reject overriding open }
            }
            """,
        prefer: """
            layers { emergency; security; baseline }
            layer security {
                policy open { from web to api on tcp/443; allow overriding shut }
                policy shut { from web to api; reject }
            }
            """)

    static let overrideUnused = Page(
        code: .overrideUnused,
        summary: "a policy overrides another that it never meets",
        why: """
            a declared override that overrides nothing is usually a sign that one of the two no \
            longer matches what its author thinks: a renamed label, another port, another zone. \
            It also hides the day on which the two do meet.
            """,
        avoid: """
            layers { emergency; security; baseline }
            layer emergency {
                policy repair {
                    from web to api
                    allow overriding security.freeze, security.quarantine
                }
            }
            layer security {
                policy freeze { from any to api; reject }
                policy quarantine { from backup to any; reject }
            }
            """,
        prefer: """
            layers { emergency; security; baseline }
            layer emergency {
                policy repair { from web to api; allow overriding security.freeze }
            }
            layer security {
                policy freeze { from any to api; reject }
                policy quarantine { from backup to any; reject }
            }
            """)

    static let narrowed = Page(
        code: .narrowed,
        summary: "a higher layer denies what a policy of a lower layer allows",
        why: """
            this is what layers are for, so it is a note and not a warning. It is shown because \
            the owner of the lower policy will see connections refused and look for the reason in \
            their own file. What is to stay denied is better not allowed in the first place.
            """,
        avoid: """
            layer security {
                policy quarantine { from web in zone az-b to any; reject }
            }
            layer baseline {
                policy shop { from web to api on tcp/443; allow }
            }
            """,
        prefer: """
            layer baseline {
                policy shop { from web except zone az-b to api on tcp/443; allow }
            }
            """)

    static let shadowedPolicy = Page(
        code: .shadowedPolicy,
        summary: "everything a policy decides is decided above it",
        why: """
            the policy has no effect at any time, though it reads as if it had. The finding names \
            the policies above that together cover it; often only the union of several does. A \
            standby policy never shadows, since it can be off.
            """,
        avoid: """
            layer security {
                policy only-known { from internal to any; allow }
                policy no-strangers { from external to any; drop }
            }
            layer baseline {
                policy shop { from web to api on tcp/443; allow }
            }
            """,
        prefer: """
            layer security {
                policy no-strangers { from external to any; drop }
            }
            layer baseline {
                policy shop { from web to api on tcp/443; allow }
            }
            """)

    static let redundantPolicy = Page(
        code: .redundantPolicy,
        summary: "removing a policy changes nothing",
        why: """
            another policy, or the default, says the same about all its flows in every state. Such \
            a policy is read, reviewed and maintained for nothing, and two that say the same are \
            each redundant beside the other.
            """,
        avoid: """
            layer baseline {
                policy shop { from web to api on tcp/443; allow }
                policy closed-by-night { from web to vault; reject }
            }
            """,
        prefer: """
            layer baseline {
                policy shop { from web to api on tcp/443; allow }
            }
            """)
}
