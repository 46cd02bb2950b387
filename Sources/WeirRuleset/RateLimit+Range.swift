// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which rates the kernel can hold. It computes tokens in nanoseconds, in 64 bits, so that large
// rates over long intervals overflow; a lowering that asks first can choose a shorter interval.

extension RateLimit {
    /// Whether the kernel takes the limit (nft_limit_init in net/netfilter/nft_limit.c). A
    /// byte limit may have up to 18 GB a second, 307 MB a minute or 5.1 MB an hour, its burst
    /// included; a packet limit a thousand million packets an interval.
    public var isInKernelRange: Bool {
        guard rate > 0, burst > 0 else { return false }
        let (nanoseconds, overflows) = intervalSeconds.multipliedReportingOverflow(
            by: 1_000_000_000)
        guard !overflows, nanoseconds > 0 else { return false }
        switch unit {
        case .packets:
            return rate <= nanoseconds
                && !(nanoseconds / rate).multipliedReportingOverflow(by: UInt64(burst)).overflow
        case .bytes:
            let (sum, overflows) = rate.addingReportingOverflow(UInt64(burst))
            return !overflows && !nanoseconds.multipliedReportingOverflow(by: sum).overflow
        }
    }
}
