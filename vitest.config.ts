import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{packages,apps}/**/src/**/*.{test,fuzz}.ts"],
    testTimeout: 120_000,
    maxWorkers: 2,
  },
});
