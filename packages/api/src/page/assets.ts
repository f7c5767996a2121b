import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** A file that the page loads, from this server alone. */
export interface Asset {
  readonly type: string;
  readonly text: string;
  readonly etag: string;
}

const FOLDER = join(import.meta.dirname, "assets");

/** Each file with where it lies while the server runs from its sources; a bundled server has all of them in FOLDER. */
const FILES = {
  "page.js": { type: "text/javascript", module: null },
  "asking.js": { type: "text/javascript", module: null },
  "dom.js": { type: "text/javascript", module: null },
  "fleet.js": { type: "text/javascript", module: null },
  "mine.js": { type: "text/javascript", module: null },
  "nodes.js": { type: "text/javascript", module: null },
  "operator.js": { type: "text/javascript", module: null },
  "page.css": { type: "text/css", module: null },
  "icon.svg": { type: "image/svg+xml", module: null },
  "uplot.js": { type: "text/javascript", module: "uplot/dist/uPlot.iife.min.js" },
  "uplot.css": { type: "text/css", module: "uplot/dist/uPlot.min.css" },
} as const;

/** The page's files by name, read once. */
export function readAssets(): ReadonlyMap<string, Asset> {
  const require = createRequire(import.meta.url);
  return new Map(
    Object.entries(FILES).map(([name, { type, module }]) => {
      const text = readIfThere(join(FOLDER, name)) ?? readFileSync(require.resolve(module ?? name), "utf8");
      const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"`;
      return [name, { type: `${type}; charset=utf-8`, text, etag }];
    }),
  );
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
