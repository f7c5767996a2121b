import type { JobId } from "@coop/core";
import type { Heard } from "./admission.ts";
import type { ApiContext } from "./deps.ts";
import type { Placed } from "./fold.ts";
import { limitHeaders } from "./limit-headers.ts";

/** Headers that name the job and, once placed, what serves it. Names outside printable ASCII are percent-encoded. */
export function setJobHeader(c: ApiContext, job: JobId): void {
  c.header("x-coop-job", job);
}

/** Headers of what admission finds out, on whatever answer follows. */
export const admissionHeaders = (c: ApiContext): Heard => ({
  job: (job) => (job === null ? c.header("x-coop-job", undefined) : setJobHeader(c, job)),
  left: (left) => {
    for (const [name, value] of Object.entries(limitHeaders(left))) c.header(name, value);
  },
});

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
