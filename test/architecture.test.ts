import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import suites from "../vitest.config.ts";
import { allowedPackages } from "./architecture/arrows.ts";
import { findings } from "./architecture/findings.ts";
import browserSuite from "./browser/vitest.config.ts";

const root = join(import.meta.dirname, "..");
const files = globSync(["packages/*/src/**/*.ts", "test/**/*.ts"], { cwd: root }).map((path) => ({
  path: path.replaceAll("\\", "/"),
  text: readFileSync(join(root, path), "utf8"),
}));

test("every package has its arrows, and source to hold to them", () => {
  const packages = readdirSync(join(root, "packages")).filter((name) =>
    existsSync(join(root, "packages", name, "package.json")),
  );
  expect(packages.sort()).toEqual(Object.keys(allowedPackages).sort());
  for (const name of packages) {
    expect(
      files.some(({ path }) => path.startsWith(`packages/${name}/src/`)),
      name,
    ).toBe(true);
  }
});

const suiteSchema = z.object({ test: z.object({ include: z.array(z.string()).min(1) }) });
const suitesSchema = z.object({ test: z.object({ projects: z.array(suiteSchema) }) });

test("every test file is one that `npm test` or `npm run test:browser` runs", () => {
  const run = [...suitesSchema.parse(suites).test.projects, suiteSchema.parse(browserSuite)];
  const included = run.flatMap((suite) => suite.test.include);
  const strays = files.filter(
    ({ path }) => path.endsWith(".test.ts") && !included.some((glob) => matchesGlob(path, glob)),
  );
  expect(strays.map(({ path }) => path)).toEqual([]);
});

test("no file breaks a rule of the architecture", () => {
  expect(files.flatMap((file) => findings(file).map((finding) => `${file.path} ${finding}`))).toEqual([]);
});

describe("the rules object to", () => {
  const cases: readonly [what: string, path: string, text: string, finding: RegExp][] = [
    ["core importing a package", "core/src/a.ts", `import { z } from "zod";`, /core imports nothing.*zod/],
    ["core importing Node", "core/src/a.ts", `import type { Stats } from "node:fs";`, /core imports nothing/],
    ["core reading the clock", "core/src/a.ts", `export const now = () => Date.now();`, /Date\.now/],
    ["core reading the clock as a date", "core/src/a.ts", `export const now = () => new Date();`, /Date\(\)/],
    ["core throwing dice", "core/src/a.ts", `export const die = Math.random();`, /Math\.random/],
    ["core starting a timer", "core/src/a.ts", `setTimeout(() => {}, 1);`, /setTimeout/],
    ["core starting an interval", "core/src/a.ts", `setInterval(() => {}, 1);`, /setInterval/],
    ["core knowing its process", "core/src/a.ts", `export const id = process.pid;`, /process\.pid/],
    [
      "an arrow that does not exist",
      "api/src/a.ts",
      `import "@coop/redis";`,
      /api must not import @coop\/redis/,
    ],
    ["such an arrow in a re-export", "cli/src/a.ts", `export * from "@coop/core";`, /cli must not import/],
    [
      "such an arrow in a type",
      "cli/src/a.ts",
      `export type A = import("@coop/core").A;`,
      /cli must not import/,
    ],
    ["such an arrow at run time", "cli/src/a.ts", `await import("@coop/core");`, /cli must not import/],
    ["a program importing a program", "cli/src/a.ts", `import "@coop/server";`, /cli must not import/],
    ["a side door", "redis/src/a.ts", `import "@coop/core/testing";`, /one public door/],
    [
      "a path into another package",
      "api/src/a.ts",
      `import "../../core/src/terms.ts";`,
      /leaves its package/,
    ],
    ["Redis outside redis", "server/src/a.ts", `import { Redis } from "ioredis";`, /only packages\/redis/],
    ["BullMQ outside redis", "scheduler/src/a.ts", `import { Queue } from "bullmq";`, /only packages\/redis/],
    ["prom-client outside metrics", "api/src/a.ts", `import "prom-client";`, /only packages\/metrics/],
    [
      "ollama outside the engines",
      "agent/src/a.ts",
      `import "ollama";`,
      /only packages\/agent\/src\/engines/,
    ],
    ["host probes outside agent", "cli/src/a.ts", `import "systeminformation";`, /only packages\/agent/],
    ["the environment outside main.ts", "api/src/a.ts", `export const e = process.env.HOME;`, /process\.env/],
    ["an exit outside main.ts", "api/src/a.ts", `process.exit(1);`, /process\.exit/],
    ["a signal handler outside main.ts", "api/src/a.ts", `process.on("SIGINT", stop);`, /process\.on/],
    [
      "the process module outside main.ts",
      "api/src/a.ts",
      `import { env } from "node:process";`,
      /node:process/,
    ],
    ["any", "api/src/a.ts", `export const a: any = 1;`, /any/],
    ["any in a test", "api/src/a.test.ts", `export const a: any = 1;`, /any/],
    ["a cast through unknown", "api/src/a.ts", `export const a = b as unknown as C;`, /through unknown/],
    ["a non-null mark", "api/src/a.ts", `export const a = b!.c;`, /non-null/],
    ["an enum", "api/src/a.ts", `export enum A { B }`, /enum/],
    ["a focused test", "api/src/a.test.ts", `test.only("a", () => {});`, /test\.only/],
    ["a focused table", "api/src/a.test.ts", `describe.concurrent.only("a", () => {});`, /\.only/],
    ["a swallowed error", "api/src/a.ts", `try { a(); } catch { /* ignore */ }`, /empty catch/],
    ["a swallowed rejection", "api/src/a.ts", `a().catch(() => {});`, /empty \.catch/],
    ["a mock of our own", "api/src/a.test.ts", `vi.mock("./auth.ts");`, /mocks our own/],
    ["a folder of odds and ends", "api/src/utils/a.ts", ``, /names no concept/],
    ["a manager", "api/src/job-manager.ts", ``, /names no concept/],
    ["a file too long", "api/src/a.ts", "a();\n".repeat(501), /501 lines/],
    ["what does not parse", "api/src/a.ts", `export const = ;`, /does not parse/],
  ];
  test.for(cases)("%s", ([, path, text, finding]) => {
    expect(findings({ path: `packages/${path}`, text }).join("\n")).toMatch(finding);
  });
});

describe("the rules accept", () => {
  const cases: readonly [what: string, path: string, text: string][] = [
    ["an arrow that exists", "api/src/a.ts", `import { step } from "@coop/core";\nstep();`],
    ["a neighbour in the package", "core/src/job/a.ts", `import { assert } from "../assert.ts";\nassert();`],
    ["a given clock", "core/src/a.ts", `export const a = (clock: Clock) => clock.setTimeout(clock.now());`],
    [
      "a field that is called process",
      "core/src/a.ts",
      `export const a = { process: 1, env: item.process.env };`,
    ],
    ["a date of a given time", "core/src/a.ts", `export const a = (ms: number) => new Date(ms);`],
    [
      "what is only said",
      "core/src/a.ts",
      `// Date.now() as unknown as any\nexport const a = "process.exit(1)!";`,
    ],
    [
      "a main.ts that handles signals",
      "agent/src/main.ts",
      `process.once("SIGTERM", () => process.exit(0));`,
    ],
    ["the platform", "agent/src/a.ts", `export const a = process.platform;`],
    [
      "a testing door in a test",
      "redis/src/a.test.ts",
      `import { clock } from "@coop/core/testing";\nclock();`,
    ],
    [
      "a testing door in a harness",
      "redis/src/testing/a.ts",
      `import { clock } from "@coop/core/testing";\nclock();`,
    ],
    [
      "a catch that converts",
      "api/src/a.ts",
      `try { a(); } catch (error) { throw new Refusal({ cause: error }); }`,
    ],
  ];
  test.for(cases)("%s", ([, path, text]) => {
    expect(findings({ path: `packages/${path}`, text })).toEqual([]);
  });
});
