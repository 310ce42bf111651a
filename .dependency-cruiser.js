/**
 * The direction of imports (ARCHITECTURE.md, "Layers") as rules. A layer imports what stands below
 * it; `spec` and `disk` are leaves.
 */
const core = "^packages/core/src/";
const tests = "\\.(test|fuzz|bench)\\.ts$|/testing[-/.]";

/** Files of `from` may not import the places in `to`; `why` is shown with a violation. */
const never = (name, from, to, why) => ({
  name,
  comment: why,
  severity: "error",
  from: { path: from, pathNot: tests },
  to: { path: to },
});

export default {
  forbidden: [
    {
      name: "no-cycles",
      comment: "two modules may name each other's types, which are gone at run time; no more",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    never("spec-is-a-leaf", `${core}spec/`, `${core}(?!spec/)`, "the contract depends on nothing"),
    never("disk-is-a-leaf", `${core}disk/`, `${core}(?!disk/|spec/)`, "field tables stand alone"),
    never("pmem-below-all", `${core}pmem/`, `${core}(?!pmem/|spec/|disk/)`, "the device is lowest"),
    never(
      "data-paths-see-no-vfs",
      `${core}(xip|pagecache)/`,
      `${core}(vfs|data-path)`,
      "the vfs drives the data paths, not the other way round",
    ),
    never("xip-without-cache", `${core}xip/`, `${core}pagecache/`, "XIP has no page cache"),
    never(
      "vfs-through-spec",
      `${core}vfs/`,
      `${core}(xip|pagecache|pmem)/`,
      "the vfs reaches data paths through data-path.ts, and devices through spec",
    ),
    never(
      "core-alone",
      core,
      "^(packages/(personalities|faces|experiments)|apps)/",
      "core is below",
    ),
    never(
      "personality-on-core-alone",
      "^packages/personalities/([^/]+)/",
      "^(packages/(faces|experiments)|apps|packages/personalities/(?!$1/))",
      "a design depends on @xiplab/core and nothing else",
    ),
    never(
      "faces-on-core-alone",
      "^packages/faces/([^/]+)/",
      "^(packages/(personalities|experiments)|apps|packages/faces/(?!$1/))",
      "a face works on any design: it depends on @xiplab/core and nothing else",
    ),
    never(
      "host-mapped-on-core-alone",
      "^packages/host-mapped/",
      "^(packages/(personalities|faces|experiments)|apps)/",
      "it gives memory to core's device and knows nothing of what is in it",
    ),
    never(
      "experiments-know-no-design",
      "^packages/experiments/",
      "^packages/personalities/",
      "apps join them",
    ),
    never("apps-on-top", "^packages/", "^apps/", "packages never depend on apps"),
    never(
      "no-deep-imports",
      "^(packages/core|packages/(?:personalities|faces|experiments)/[^/]+|apps/[^/]+)/",
      "^(?!$1/)(packages|apps)/.*/src/(?!((kernel|mount|spec)/)?index\\.ts$)",
      "use the package by its name, through its index",
    ),
    {
      name: "runs-anywhere",
      comment: "core and personalities run in a browser worker: no node: modules",
      severity: "error",
      from: { path: "^packages/(core|personalities/[^/]+)/src/", pathNot: tests },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "nothing-unresolved",
      severity: "error",
      from: {},
      // Modules of Node that dependency-cruiser does not know yet.
      to: { couldNotResolve: true, pathNot: "^(node:)?(ffi|vfs)$" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)dist/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
      extensions: [".ts", ".js"],
    },
  },
};
