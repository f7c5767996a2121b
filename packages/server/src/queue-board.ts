import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, extname, join, sep } from "node:path";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import type { QueueView } from "@coop/redis";
import { Hono } from "hono";
import type { Context } from "hono";
import { isMissing } from "./file-errors.ts";

/**
 * Bull Board on the co-op's queue, for operators to look at: jobs by state, their sizes and times. Prompts are not in
 * the queue.
 *
 * B1. It only reads. Where it would change something there is no route, and its page offers none.
 * B2. Its page gets everything from this server. The fonts that it would fetch from elsewhere are left out, and the
 *     browser is told to load nothing else.
 */
export function queueBoard(queue: QueueView, basePath: string): Hono {
  const board: Board = {
    queues: null,
    routes: [],
    entry: null,
    settings: {},
    onError: () => ({ status: 500, body: "" }),
  };
  createBullBoard({
    queues: [new BullMQAdapter(queue, { readOnlyMode: true })],
    serverAdapter: collectInto(board),
    options: {
      uiBasePath: uiFolder(),
      uiConfig: {
        boardTitle: "The co-op's queue",
        hideDocsLink: true,
        pollingInterval: { showSetting: true },
      },
    },
  });

  const routes = new Hono();
  for (const { method, route, handler } of board.routes) {
    if (![method].flat().includes("get")) continue;
    for (const path of [route].flat()) routes.get(path, (c) => answer(board, handler, c));
  }
  routes.get("/static/*", (c) => asset(c.req.path.slice(`${basePath}/static/`.length)));
  for (const path of [board.entry?.route ?? []].flat())
    routes.get(path, async (c) => c.html(await page(board, basePath), 200, PAGE_HEADERS));
  return routes;
}

type ServerAdapter = Parameters<typeof createBullBoard>[0]["serverAdapter"];
type Queues = Parameters<ServerAdapter["setQueues"]>[0];
type Route = Parameters<ServerAdapter["setApiRoutes"]>[0][number];

/** What Bull Board tells its server. */
interface Board {
  queues: Queues | null;
  routes: Parameters<ServerAdapter["setApiRoutes"]>[0];
  entry: Parameters<ServerAdapter["setEntryRoute"]>[0] | null;
  settings: Parameters<ServerAdapter["setUIConfig"]>[0];
  onError: Parameters<ServerAdapter["setErrorHandler"]>[0];
}

function collectInto(board: Board): ServerAdapter {
  const adapter: ServerAdapter = {
    setQueues: (queues) => keep({ queues }),
    setApiRoutes: (routes) => keep({ routes }),
    setEntryRoute: (entry) => keep({ entry }),
    setUIConfig: (settings) => keep({ settings }),
    setErrorHandler: (onError) => keep({ onError }),
    setViewsPath: () => adapter,
    setStaticPath: () => adapter,
  };
  const keep = (told: Partial<Board>): ServerAdapter => {
    Object.assign(board, told);
    return adapter;
  };
  return adapter;
}

async function answer(board: Board, handler: Route["handler"], c: Context): Promise<Response> {
  if (board.queues === null) throw new Error("Bull Board told no queues");
  const { queues, settings: uiConfig } = board;
  const asked = {
    queues,
    uiConfig,
    params: c.req.param(),
    query: c.req.query(),
    body: {},
    headers: c.req.header(),
  };
  const { status = 200, body } = await told(board, () => handler(asked));
  return Response.json(body, { status, headers: { "Cache-Control": "no-store" } });
}

/** What a handler answers; what it throws, such as an error of a Redis that is away, as Bull Board says it. */
async function told(board: Board, handle: () => ReturnType<Route["handler"]>) {
  try {
    return await handle();
  } catch (error) {
    if (error instanceof Error) return board.onError(error);
    throw error;
  }
}

const PAGE_HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
    "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

async function page({ entry, settings }: Board, basePath: string): Promise<string> {
  if (entry === null) throw new Error("Bull Board told no page");
  const { name, params } = entry.handler({ basePath, uiConfig: settings });
  const template = await readFile(join(uiFolder(), "dist", name), "utf8");
  return filledIn(template, params);
}

/** Fills in the template's `<%= name %>` and `<%- name %>`, and leaves out what it would load from elsewhere. Pure. */
export function filledIn(template: string, params: Readonly<Record<string, unknown>>): string {
  return template
    .replaceAll(/<link\b[^>]*\bhref="(?:https?:)?\/\/[^>]*>/g, "")
    .replaceAll(/<%([=-])\s*(\w+)\s*%>/g, (_, how: string, name: string) => {
      const value = params[name];
      if (typeof value !== "string") throw new Error(`Bull Board's page wants ${name}, which nothing told`);
      return how === "-" ? value : escaped(value);
    });
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
};

/** Files carry a hash in their names, so a browser may keep them. */
async function asset(name: string): Promise<Response> {
  const folder = join(uiFolder(), "dist", "static");
  const path = join(folder, name);
  const type = TYPES[extname(path)];
  if (type === undefined || !path.startsWith(folder + sep)) return new Response(null, { status: 404 });
  try {
    const headers = {
      "Content-Type": type,
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "private, max-age=86400",
    };
    return new Response(new Uint8Array(await readFile(path)), { headers });
  } catch (error) {
    if (isMissing(error)) return new Response(null, { status: 404 });
    throw error;
  }
}

/** Where Bull Board's page lies: beside a bundled server, or where it was installed. */
function uiFolder(): string {
  const beside = join(import.meta.dirname, "queue-board");
  if (existsSync(beside)) return beside;
  return dirname(createRequire(import.meta.url).resolve("@bull-board/ui/package.json"));
}
