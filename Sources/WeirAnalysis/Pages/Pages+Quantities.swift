// SPDX-License-Identifier: GPL-3.0-or-later
//
// The pages of the codes about numbers.

extension Page {
    static let deadConstraint = Page(
        code: .deadConstraint,
        summary: "the caps and limits of a policy are on flows that are denied anyway",
        why: """
            a constraint applies to connections that are admitted, and none of these ever is. \
            Either the constraint is left over, or somebody believes that the flows are allowed.
            """,
        avoid: """
            layer resilience {
                policy calm { from web to vault; cap 50 connections }
            }
            """,
        prefer: """
            layer resilience {
                policy calm { from web to vault; cap 50 connections }
            }
            layer baseline {
                policy keys { from web to vault on tcp/8200; allow }
            }
            """)

    static let maskedLimit = Page(
        code: .maskedLimit,
        summary: "a cap or limit can never bind, since a tighter one covers all its flows",
        why: """
            the number in the file is not the number in force. A per-source cap multiplied by the \
            sources that can connect may stay below the total, and then the total protects \
            nothing; or a total somewhere else is tighter than the per-source one.
            """,
        avoid: """
            layer resilience {
                policy calm {
                    from any to api on tcp/443
                    cap 500 connections
                    cap 50 connections per source
                }
            }
            layer baseline {
                policy shop { from web to api on tcp/443; allow }
            }
            """,
        prefer: """
            layer resilience {
                policy calm {
                    from any to api on tcp/443
                    cap 80 connections
                    cap 50 connections per source
                }
            }
            layer baseline {
                policy shop { from web to api on tcp/443; allow }
            }
            """)

    static let brokenReservation = Page(
        code: .brokenReservation,
        summary: "a reservation cannot be honoured",
        why: """
            `reserve` promises places to the connections that matter most, and the promise is void \
            exactly when it is needed: more is reserved than the cap has, another cap on the same \
            flows leaves less, or the flows are denied by a layer above.
            """,
        avoid: """
            layer resilience {
                policy protect {
                    from any to orders-db on tcp/5432
                    cap 300 connections reserve 200 for checkout reserve 200 for web
                }
            }
            layer baseline {
                policy clients { from checkout or web to orders-db on tcp/5432; allow }
            }
            """,
        prefer: """
            layer resilience {
                policy protect {
                    from any to orders-db on tcp/5432
                    cap 500 connections reserve 200 for checkout reserve 200 for web
                }
            }
            layer baseline {
                policy clients { from checkout or web to orders-db on tcp/5432; allow }
            }
            """)

    static let overcommittedCapacity = Page(
        code: .overcommittedCapacity,
        summary: "caps admit more to a service than its declared capacity",
        why: """
            the inventory says what the service can take, and the caps meant to protect it let \
            more through: each looks right alone, or a per-source cap grew with the number of \
            clients. Only caps all of whose flows go to the service are added up; wider ones are \
            taken into account where they are tighter.
            """,
        avoid: """
            layer resilience {
                policy shop { from web to orders-db; cap 700 connections }
                policy pay { from checkout to orders-db; cap 700 connections }
            }
            layer baseline {
                policy clients { from checkout or web to orders-db on tcp/5432; allow }
            }
            """,
        prefer: """
            layer resilience {
                policy shop { from web to orders-db; cap 400 connections }
                policy pay { from checkout to orders-db; cap 600 connections }
            }
            layer baseline {
                policy clients { from checkout or web to orders-db on tcp/5432; allow }
            }
            """)
}
