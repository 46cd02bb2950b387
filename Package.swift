// swift-tools-version: 6.2
// SPDX-License-Identifier: GPL-3.0-or-later
//
// weir: layered interaction policies, compiled to nftables. One target per idea; a target imports
// only what stands above it in this file (checked by --explicit-target-dependency-import-check).

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library target of weir with its test target.
func floor(
    _ name: String, _ dependencies: [Target.Dependency] = [], tests: [Target.Dependency] = [],
    corpus: Bool = false, resources: [Resource]? = nil
) -> [Target] {
    [
        .target(
            name: name, dependencies: dependencies, resources: resources, swiftSettings: strict),
        .testTarget(
            name: name + "Tests", dependencies: [.byName(name: name)] + dependencies + tests,
            exclude: corpus ? ["Corpus"] : [], swiftSettings: strict),
    ]
}

let package = Package(
    name: "weir",
    products: [.executable(name: "weir", targets: ["weir"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
    ],
    targets: [
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(
            name: "CNetfilter", providers: [.apt(["linux-libc-dev"])]),
        .systemLibrary(name: "CReadline", providers: [.apt(["libreadline-dev"])]),
    ]
        + floor("WeirDiagnostics")
        + floor("WeirSyntax", ["WeirDiagnostics"], corpus: true)
        + floor("WeirModel", ["WeirDiagnostics"])
        + floor("WeirInventory", ["WeirDiagnostics", "WeirModel", "CYaml"], corpus: true)
        + floor(
            "WeirResolve", ["WeirDiagnostics", "WeirSyntax", "WeirModel", "WeirInventory"],
            tests: ["WeirTesting"], corpus: true,
            // The pages are those of docs/patterns.
            resources: [.embedInCode("Library/library.weir"), .embedInCode("Library/pages")])
        + floor("WeirAnalysis", ["WeirDiagnostics", "WeirModel"], tests: ["WeirResolve"])
        + floor("WeirRuleset", ["WeirDiagnostics", "WeirModel"], tests: ["WeirTesting"])
        + floor(
            "WeirKernel", ["WeirDiagnostics", "WeirModel", "WeirRuleset", "CNetfilter"])
        + floor(
            "WeirSession",
            [
                "WeirDiagnostics", "WeirSyntax", "WeirModel", "WeirInventory", "WeirResolve",
                "WeirAnalysis", "WeirRuleset", "WeirKernel",
            ], tests: ["WeirTesting", "WeirLab"])
        + floor(
            "WeirREPL",
            [
                "WeirDiagnostics", "WeirSyntax", "WeirModel", "WeirResolve", "WeirRuleset",
                "WeirKernel", "WeirSession", "CReadline",
            ])
        + [
            .target(
                name: "WeirTesting", dependencies: ["WeirModel", "WeirRuleset"],
                path: "Tests/Support/WeirTesting", swiftSettings: strict),
            .executableTarget(
                name: "weir",
                dependencies: [
                    "WeirDiagnostics", "WeirSyntax", "WeirModel", "WeirResolve", "WeirAnalysis",
                    "WeirRuleset", "WeirKernel", "WeirSession", "WeirREPL",
                    .product(name: "ArgumentParser", package: "swift-argument-parser"),
                ],
                swiftSettings: strict),
            // Test support: private namespaces with a gateway and real connections through it.
            .systemLibrary(name: "CLabSystem", path: "Tests/Support/CLabSystem"),
            .target(
                name: "WeirLab", dependencies: ["WeirModel", "CLabSystem"],
                path: "Tests/Support/WeirLab", swiftSettings: strict),
            .executableTarget(
                name: "weir-lab",
                dependencies: [
                    "WeirModel", "WeirLab",
                    .product(name: "ArgumentParser", package: "swift-argument-parser"),
                ],
                path: "Tests/Support/weir-lab", swiftSettings: strict),
            .testTarget(
                name: "WeirIntegrationTests",
                dependencies: [
                    "WeirDiagnostics", "WeirModel", "WeirResolve", "WeirRuleset", "WeirKernel",
                    "WeirSession", "WeirLab", "WeirTesting",
                ],
                swiftSettings: strict),
            .testTarget(
                name: "WeirCommandTests",
                dependencies: ["WeirModel", "WeirSession", "WeirLab", "weir"],
                swiftSettings: strict),
            .executableTarget(
                name: "session-benchmark",
                dependencies: ["WeirModel", "WeirRuleset", "WeirSession"],
                path: "Tests/Benchmarks/SessionBenchmark", swiftSettings: strict),
            .executableTarget(
                name: "kernel-benchmark",
                dependencies: ["WeirRuleset", "WeirKernel"],
                path: "Tests/Benchmarks/KernelBenchmark", swiftSettings: strict),
            .executableTarget(
                name: "weir-bench", dependencies: ["WeirModel", "WeirAnalysis"],
                path: "Tests/Benchmarks/AnalysisBenchmark", swiftSettings: strict),
            .testTarget(
                name: "WeirLabTests", dependencies: ["WeirModel", "WeirLab"],
                swiftSettings: strict),
        ]
)
