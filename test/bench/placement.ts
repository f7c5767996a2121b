import { outputOf } from "./samples.ts";
import { number } from "./table.ts";
import type { Row } from "./table.ts";

const LINE = /^(.+?): p50 ([\d.]+) ms,.* p99 ([\d.]+) ms/;

/** Placement alone: no process but the bench's own, no I/O. */
export async function placementRows(): Promise<readonly Row[]> {
  const output = await outputOf("packages/core/bench/decision.ts", []);
  const took = new Map<string, { readonly p50Ms: number; readonly p99Ms: number }>();
  for (const line of output.split("\n")) {
    const [, what = "", p50 = "", p99 = ""] = LINE.exec(line) ?? [];
    if (what !== "") took.set(what, { p50Ms: Number(p50), p99Ms: Number(p99) });
  }
  const find = (what: string): { readonly p50Ms: number; readonly p99Ms: number } => {
    for (const [name, found] of took) if (name.startsWith(what)) return found;
    throw new Error(`the bench of decisions did not print "${what}":\n${output}`);
  };
  const floor = find("floor");
  const floorText = `a fixed loop: p50 ${number(floor.p50Ms)}, p99 ${number(floor.p99Ms)} ms`;
  const includes =
    "The production dispatcher alone in one process: 1,000 nodes of three models each, a quarter of them busy; " +
    "no I/O. The fixed loop shows how much of the p99 the machine adds.";
  const decision = find("one decision");
  const full = find("a round of 64 in a full fleet");
  const room = find("a round of 64 with room");
  return [
    {
      what: "placement decision, 1,000 nodes x 3 models",
      figures: { ...decision },
      measured: `p50 ${number(decision.p50Ms)}, p99 ${number(decision.p99Ms)} ms`,
      bar: "p99 < 1 ms",
      aim: "",
      meetsBar: decision.p99Ms < 1,
      floor: floorText,
      includes,
    },
    {
      what: "round of 64 candidates",
      figures: { fullP50Ms: full.p50Ms, fullP99Ms: full.p99Ms, roomP50Ms: room.p50Ms, roomP99Ms: room.p99Ms },
      measured: `p50 ${number(full.p50Ms)} ms full, ${number(room.p50Ms)} ms with room`,
      bar: "<= 15 ms",
      aim: "2 ms",
      meetsBar: Math.max(full.p50Ms, room.p50Ms) <= 15,
      floor: floorText,
      includes: `${includes} Full: one slot came free. With room: all 64 may start. Judged by the medians.`,
    },
  ];
}
