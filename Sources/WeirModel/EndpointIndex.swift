// SPDX-License-Identifier: GPL-3.0-or-later
//
// Every endpoint address of a landscape once, with the services that share it and its class. A
// landscape has 10⁵ of them: sorted arrays take a fraction of the time and memory of dictionaries.

/// The endpoints of a landscape by address.
struct EndpointIndex: Sendable {
    private var addresses4: [UInt32] = []
    private var addresses6: [UInt128] = []
    /// By place: IPv4 before IPv6, ascending. −1 until it is known.
    private var classes: [Int32] = []
    /// Services of each place, ascending, one place after the other.
    private var owners: [Int32] = []
    /// Where the services of each place start, and where the last end.
    private var starts: [Int32] = []
    /// Place of each endpoint, in the order of services and their endpoints.
    private var placeOfEndpoint: [Int32] = []

    init(_ services: [Service]) {
        let count = services.reduce(0) { $0 + $1.endpoints.count }
        var keys4: [UInt64] = []
        var keys6: [(address: UInt128, ordinal: Int)] = []
        keys4.reserveCapacity(count)
        var serviceOfEndpoint: [Int32] = []
        serviceOfEndpoint.reserveCapacity(count)
        for (index, service) in services.enumerated() {
            for address in service.endpoints {
                let ordinal = serviceOfEndpoint.count
                serviceOfEndpoint.append(Int32(index))
                switch address {
                case .v4(let value): keys4.append(UInt64(value) << 32 | UInt64(ordinal))
                case .v6(let value): keys6.append((value, ordinal))
                }
            }
        }
        keys4.sort()
        keys6.sort { ($0.address, $0.ordinal) < ($1.address, $1.ordinal) }
        var places = [Int32](repeating: 0, count: count)
        for key in keys4 {
            let address = UInt32(truncatingIfNeeded: key >> 32)
            let ordinal = Int(key & 0xFFFF_FFFF)
            if addresses4.last != address {
                addresses4.append(address)
                starts.append(Int32(owners.count))
            }
            add(serviceOfEndpoint[ordinal])
            places[ordinal] = Int32(starts.count - 1)
        }
        for key in keys6 {
            if addresses6.last != key.address {
                addresses6.append(key.address)
                starts.append(Int32(owners.count))
            }
            add(serviceOfEndpoint[key.ordinal])
            places[key.ordinal] = Int32(starts.count - 1)
        }
        classes = [Int32](repeating: -1, count: starts.count)
        starts.append(Int32(owners.count))
        placeOfEndpoint = places
    }

    /// A service at the last place; ordinals of one address ascend with the services.
    private mutating func add(_ service: Int32) {
        guard let start = starts.last else { return }
        if owners.count > Int(start), owners.last == service { return }
        owners.append(service)
    }

    /// The place of an endpoint by its number in the order of services and their endpoints.
    func place(ofEndpoint ordinal: Int) -> Int { Int(placeOfEndpoint[ordinal]) }

    /// Services that have the endpoint at a place, ascending.
    func services(at place: Int) -> ArraySlice<Int32> {
        owners[Int(starts[place])..<Int(starts[place + 1])]
    }

    /// The class at a place; nil until it is set.
    subscript(place: Int) -> Int? {
        get { classes[place] < 0 ? nil : Int(classes[place]) }
        set { classes[place] = newValue.map { Int32($0) } ?? -1 }
    }

    /// The class of an endpoint; nil if the address is none.
    func classIndex(of address: IPAddress) -> Int? {
        switch address {
        case .v4(let value): Self.index(of: value, in: addresses4).flatMap { self[$0] }
        case .v6(let value):
            Self.index(of: value, in: addresses6).flatMap { self[addresses4.count + $0] }
        }
    }

    /// Adds an endpoint that was none, with its class. What only building the classes needs is
    /// not kept up to date.
    mutating func insert(_ address: IPAddress, class index: Int) {
        switch address {
        case .v4(let value):
            let place = Self.place(of: value, in: addresses4)
            addresses4.insert(value, at: place)
            classes.insert(Int32(index), at: place)
        case .v6(let value):
            let place = Self.place(of: value, in: addresses6)
            addresses6.insert(value, at: place)
            classes.insert(Int32(index), at: addresses4.count + place)
        }
    }

    /// Takes out an endpoint, which must be one.
    mutating func remove(_ address: IPAddress) {
        switch address {
        case .v4(let value):
            let place = Self.place(of: value, in: addresses4)
            addresses4.remove(at: place)
            classes.remove(at: place)
        case .v6(let value):
            let place = Self.place(of: value, in: addresses6)
            addresses6.remove(at: place)
            classes.remove(at: addresses4.count + place)
        }
    }

    /// How many endpoints lie in a range.
    func count(in range: AddressRange) -> Int {
        switch range.family {
        case .v4:
            let (first, last) = (UInt32(range.first), UInt32(range.last))
            let end = Self.place(of: last, in: addresses4)
            return end - Self.place(of: first, in: addresses4)
                + (end < addresses4.count && addresses4[end] == last ? 1 : 0)
        case .v6:
            let end = Self.place(of: range.last, in: addresses6)
            return end - Self.place(of: range.first, in: addresses6)
                + (end < addresses6.count && addresses6[end] == range.last ? 1 : 0)
        }
    }

    private static func index<Value: Comparable>(of value: Value, in sorted: [Value]) -> Int? {
        let place = place(of: value, in: sorted)
        return place < sorted.count && sorted[place] == value ? place : nil
    }

    /// The first place whose value is not less.
    private static func place<Value: Comparable>(of value: Value, in sorted: [Value]) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if sorted[middle] < value { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
