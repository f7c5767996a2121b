import { Hono } from "hono";
import type { ApiEnv } from "../deps.ts";
import { openapiDocument } from "./document.ts";
import { docsPage, PAGE_HEADERS } from "./page.ts";

/** The HTTP surface's description of itself, for programs and for people. */
export function openapiRoutes({ publicUrl }: { readonly publicUrl: () => string }): Hono<ApiEnv> {
  const document = once(() => JSON.stringify(openapiDocument(publicUrl())));
  const page = once(async () => docsPage(publicUrl()));
  const routes = new Hono<ApiEnv>();
  routes.get("/openapi.json", (c) => c.body(document(), 200, { "Content-Type": "application/json" }));
  routes.get("/docs", async (c) => c.body(await page(), 200, PAGE_HEADERS));
  return routes;
}

/** Made when it is first asked for: the server's address is known once it listens. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
