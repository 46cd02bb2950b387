// SPDX-License-Identifier: GPL-3.0-or-later
//
// Which service an address belongs to, for the words of findings. One finding looks through the
// landscape; from a few on it pays to sort it once.

public import WeirModel

/// Names of services by address.
public final class ServiceNames {
    private let landscape: Landscape
    private var asked = 0
    private lazy var serviceOf: [IPAddress: Int] = {
        var found: [IPAddress: Int] = [:]
        found.reserveCapacity(landscape.services.reduce(0) { $0 + $1.endpoints.count })
        for (index, service) in landscape.services.enumerated() {
            for address in service.endpoints where found[address] == nil {
                found[address] = index
            }
        }
        return found
    }()
    private static let fewQuestions = 16

    public init(_ landscape: Landscape) { self.landscape = landscape }

    /// The first service that has an address; nil for none.
    subscript(address: IPAddress) -> String? {
        asked += 1
        guard asked <= Self.fewQuestions else {
            return serviceOf[address].map { landscape.services[$0].name }
        }
        return landscape.services.first { $0.endpoints.contains(address) }?.name
    }
}
