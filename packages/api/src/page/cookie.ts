import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { ApiContext } from "../deps.ts";
import { ProblemError } from "../problem.ts";
import { SESSION_MS } from "./session.ts";

/** The cookie that keeps a session in a browser: out of scripts' reach, sent to this server by its own pages only. */
export interface SessionCookie {
  read(c: ApiContext): string | null;
  write(c: ApiContext, session: string): void;
  remove(c: ApiContext): void;
}

/** @param publicUrl with https, the cookie goes over TLS only and no other host can set it */
export function createSessionCookie(publicUrl: () => string): SessionCookie {
  const isSecure = (): boolean => publicUrl().startsWith("https:");
  const name = (): string => (isSecure() ? "__Host-coop-session" : "coop-session");
  return {
    read: (c) => getCookie(c, name()) ?? null,
    write(c, session) {
      setCookie(c, name(), session, {
        path: "/",
        httpOnly: true,
        sameSite: "Strict",
        secure: isSecure(),
        maxAge: SESSION_MS / 1000,
      });
    },
    remove: (c) => void deleteCookie(c, name(), { path: "/", secure: isSecure() }),
  };
}

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/**
 * Lets a request that a cookie stands for through only when one of our own pages made it. Browsers tell where a
 * request comes from in `Sec-Fetch-Site` (on https and this machine), and in `Origin` whenever it may change something.
 */
export function assertFromOwnPage(c: ApiContext): void {
  const site = c.req.header("sec-fetch-site");
  const isSafe = SAFE_METHODS.has(c.req.method);
  const isOwn =
    site === undefined ? isSafe || isOwnOrigin(c) : site === "same-origin" || (isSafe && site === "none");
  if (isOwn) return;
  throw new ProblemError(403, {
    code: "foreign_page",
    message: "Another site's page made this request. Sign in on the co-op's own page, or send an API key.",
    param: "Origin",
  });
}

function isOwnOrigin(c: ApiContext): boolean {
  const origin = c.req.header("origin");
  return origin !== undefined && URL.parse(origin)?.host === c.req.header("host");
}
