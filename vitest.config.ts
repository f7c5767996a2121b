import { defineConfig } from "vitest/config";

const packages = [
  "core",
  "protocol",
  "redis",
  "metrics",
  "api",
  "scheduler",
  "server",
  "agent",
  "cli",
  "simulator",
];

/** Suites of real processes, with a longer limit. */
const processSuite = (name: string) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ["default", "./test/reporter.ts"],
    projects: [
      ...packages.map((name) => ({
        test: { name, include: [`packages/${name}/src/**/*.test.ts`], testTimeout: 15_000 },
      })),
      { test: { name: "repo", include: ["test/*.test.ts"], testTimeout: 15_000 } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: 15_000 } },
      processSuite("e2e"),
      processSuite("kills"),
    ],
  },
});
