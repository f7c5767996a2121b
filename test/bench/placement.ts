import { outputOf } from "./samples.ts";
import { number } from "./table.ts";
import type { Row } from "./table.ts";

const LINE = /^(.+?): p50 ([\d.]+) ms,.* p99 ([\d.]+) ms/;

const MEMORY_LINE = /^memory per pending job: (\d+) bytes/m;

interface Took {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Finds what a bench of placement printed, by how the line begins. */
function linesOf(output: string): (what: string) => Took {
  const took = new Map<string, Took>();
  for (const line of output.split("\n")) {
    const [, what = "", p50 = "", p99 = ""] = LINE.exec(line) ?? [];
    if (what !== "") took.set(what, { p50Ms: Number(p50), p99Ms: Number(p99) });
  }
  return (what) => {
    for (const [name, found] of took) if (name.startsWith(what)) return found;
    throw new Error(`the bench of placement did not print "${what}":\n${output}`);
  };
}

/** Placement alone: no process but the bench's own, no I/O. */
export async function placementRows(): Promise<readonly Row[]> {
  const find = linesOf(await outputOf("packages/core/bench/decision.ts", []));
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
    ...(await growthRows()),
  ];
}

const FLEETS = [10, 100, 1_000, 10_000];
const PENDING = 100_000;

/** How decisions, rounds and the queue grow. */
async function growthRows(): Promise<readonly Row[]> {
  const output = await outputOf("packages/core/bench/growth.ts", []);
  const find = linesOf(output);
  const bytes = Number(MEMORY_LINE.exec(output)?.[1] ?? Number.NaN);
  const grown = (of: (nodes: number) => string, what: string): Row => {
    const took = FLEETS.map((nodes) => find(of(nodes)));
    const [first, last] = [took.at(0)?.p50Ms ?? Number.NaN, took.at(-1)?.p50Ms ?? Number.NaN];
    const decades = Math.log10((FLEETS.at(-1) ?? 1) / (FLEETS.at(0) ?? 1));
    return {
      what,
      figures: Object.fromEntries(
        FLEETS.map((nodes, at) => [`p50MsAt${nodes}`, took[at]?.p50Ms ?? Number.NaN]),
      ),
      measured: took.map(({ p50Ms }) => number(p50Ms)).join(" / ") + " ms",
      bar: "",
      aim: "",
      meetsBar: true,
      floor: `growth: x${number((last / first) ** (1 / decades))} for ten times the nodes`,
      includes: "Medians at 10, 100, 1,000 and 10,000 nodes of three models each; no I/O.",
    };
  };
  const [end, arrival] = [find(`an end at ${PENDING} pending`), find(`an arrival at ${PENDING} pending`)];
  const spent = find(`an event at ${PENDING} pending with every budget spent`);
  return [
    grown((nodes) => `one decision at ${nodes} nodes`, "placement decision by fleet size"),
    grown((nodes) => `a round of 64 at ${nodes} nodes`, "round of 64 candidates by fleet size"),
    {
      what: "placement at 100,000 pending jobs, 1,000 nodes",
      figures: {
        endP50Ms: end.p50Ms,
        arrivalP50Ms: arrival.p50Ms,
        spentP50Ms: spent.p50Ms,
        bytesPerJob: bytes,
      },
      measured: `p50 ${number(end.p50Ms)} ms an end, ${number(arrival.p50Ms)} ms an arrival, ${number(spent.p50Ms)} ms an event with every budget spent`,
      bar: "<= 15 ms",
      aim: "",
      meetsBar: Math.max(end.p50Ms, arrival.p50Ms, spent.p50Ms) <= 15,
      floor: `${bytes} bytes a pending job beside its spec`,
      includes:
        "A full fleet where one slot comes free; and one whose nodes have fewer tokens left than any job may take.",
    },
  ];
}
