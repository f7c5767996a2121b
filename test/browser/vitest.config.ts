import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

/** The page in a real browser: apart from the other tests, because it needs a Chromium that nothing here installs. */
export default defineConfig({
  root: resolve(import.meta.dirname, "../.."),
  test: {
    include: ["test/browser/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
