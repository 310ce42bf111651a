import { defineConfig } from "vitest/config";

// Set by .ci/run, which counts the tests.
const json = process.env["XIPLAB_TEST_JSON"];

export default defineConfig({
  test: {
    include: ["{packages,apps}/**/src/**/*.{test,fuzz}.ts"],
    testTimeout: 120_000,
    maxWorkers: 2,
    reporters: json === undefined ? ["default"] : ["default", ["json", { outputFile: json }]],
  },
});
