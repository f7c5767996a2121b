import { access, constants, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { delimiter, join, resolve } from "node:path";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** Where pictures of the page are kept. */
export const SCREENSHOTS = resolve(import.meta.dirname, "../../dist/screenshots");

/** @throws Error that says what to install */
export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env["COOP_CHROMIUM"] ?? (await onPath());
  if (executablePath === null) {
    throw new Error(
      "No Chromium on this machine, so the page cannot be tried in one. Install it (Debian: apt-get install chromium), " +
        "or say where one is: COOP_CHROMIUM=/path/to/chromium npm run test:browser",
    );
  }
  await mkdir(SCREENSHOTS, { recursive: true });
  // Debian's Chromium has no sandbox of its own for root, and asks the network for things of its own.
  const args = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
  ];
  return await chromium.launch({ executablePath, args });
}

async function onPath(): Promise<string | null> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    for (const name of NAMES) {
      const path = join(folder, name);
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return path;
    }
  }
  return null;
}

/** What a page did that it should not have. */
export interface Watch {
  readonly faults: readonly string[];
}

/** Notes errors of a page, and every request that leaves the server. */
export function watch(page: Page, origin: string): Watch {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`outside request: ${request.url()}`);
  });
  return { faults };
}

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** Serious and critical faults that axe finds, each with the elements that have it. */
export async function seriousFaults(page: Page): Promise<readonly string[]> {
  // The page's own policy runs no script but its own; the tester's way in is not subject to it.
  const session = await page.context().newCDPSession(page);
  const { readFile } = await import("node:fs/promises");
  await session.send("Runtime.evaluate", { expression: await readFile(axe, "utf8") });
  const { result } = await session.send("Runtime.evaluate", {
    expression:
      "axe.run().then(({ violations }) => JSON.stringify(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join(' | '))))",
    awaitPromise: true,
  });
  await session.detach();
  return JSON.parse(String(result.value)) as string[];
}
