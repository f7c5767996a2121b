import type { JobId } from "@coop/core";
import type { ApiContext } from "./deps.ts";
import type { Placed } from "./fold.ts";

/** Headers that name the job and, once placed, what serves it. Names outside printable ASCII are percent-encoded. */
export function setJobHeader(c: ApiContext, job: JobId): void {
  c.header("x-coop-job", job);
}

export function setPlacedHeaders(c: ApiContext, placed: Placed | null): void {
  if (placed === null) return;
  c.header("x-coop-node", headerText(placed.nodeName));
  c.header("x-coop-model", headerText(placed.model));
  c.header("x-coop-tier", placed.tier);
}

/** Text of a member or a node as a header can carry it. */
export const headerText = (text: string): string =>
  /^[\x21-\x24\x26-\x7e]([\x20-\x24\x26-\x7e]*[\x21-\x24\x26-\x7e])?$/.test(text)
    ? text
    : encodeURIComponent(text);
