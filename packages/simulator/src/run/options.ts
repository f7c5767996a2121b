import { parseArgs } from "node:util";
import { OperationalError } from "@coop/core";
import { z } from "zod";
import { ADVERSARIES } from "../workload/adversary.ts";
import type { Adversary } from "../workload/adversary.ts";
import { parseMix } from "../workload/jobs.ts";
import type { Dressing } from "../workload/jobs.ts";
import { SYNTHETIC_KINDS } from "../workload/synthetic.ts";
import type { SyntheticKind } from "../workload/synthetic.ts";

/** What a simulation is asked for. */
export interface SimulateOptions {
  readonly workload:
    | { readonly kind: "trace"; readonly file: string }
    | { readonly kind: "synthetic"; readonly of: SyntheticKind };
  readonly mix: Dressing["mix"];
  /** `seed`, or a file. */
  readonly fleet: string;
  readonly without: readonly string[];
  readonly add: readonly { readonly profile: string; readonly count: number }[];
  readonly loads: readonly number[];
  /** Names; empty for all. */
  readonly policies: readonly string[];
  readonly seeds: number;
  readonly jobs: number;
  /** Time that the jobs arrive over, in place of their number; the run ends with it. */
  readonly hours: number | null;
  readonly members: number;
  readonly topShare: number | null;
  readonly batchShare: number;
  /** What one more member does against the others; empty: there is none. */
  readonly adversaries: readonly Adversary[];
  readonly json: boolean;
  readonly html: string | null;
  readonly help: boolean;
}

export const HELP = `Runs the production dispatcher, and other policies, in a simulated co-op.

  npm run simulate -- [options]

Workload (sizes and times only)
  --trace FILE          CSV TIMESTAMP,ContextTokens,GeneratedTokens; CSV req_time_s,client,prompt_tokens,output_tokens;
                        or JSONL with timestamp (ms), input_length, output_length and, if known, hash_ids
  --synthetic KIND      ${SYNTHETIC_KINDS.join(", ")} (chat when there is no trace)
  --mix E/S/L           parts of jobs that ask for edge, local-small, local-large (55/35/10)
  --jobs N              jobs a run (2000)
  --hours H             jobs arrive over H hours instead, and the run ends then: for token budgets
  --members N           members who send them (12)
  --top-share P         part of the most active member, 0 to 1 (by Zipf's law; 0.4 for skewed)
  --batch P             part that is batch work, 0 to 1 (0)
  --adversary A,B       one more member who works against the others (${ADVERSARIES.join(", ")}, or all): tells what it
                        costs them, against having their fair share of the fleet to themselves

Fleet
  --fleet seed|FILE     Mac Studio M4 Max, MacBook Air M4 and Raspberry Pi 5, or a JSON file (seed)
  --without NODE        leave a node out, by name or profile; again for more
  --add PROFILE:N       add N machines of the catalogue; again for more

Runs
  --load L,L            shares of the most that the fleet can serve (0.6)
  --policy A,B          policies (all)
  --seeds N             repetitions with other chance (5)

Output
  --json                rows for programs
  --html FILE           a report in one file

Examples
  npm run simulate -- --load 0.3,0.6,0.85
  npm run simulate -- --synthetic bursty --mix 30/30/40 --policy ours --seeds 3
  npm run simulate -- --trace requests.csv --without mac-studio --add m4-pro-48:2 --html report.html
`;

const numberIn = (least: number, most: number) => z.coerce.number().min(least).max(most);
const wholeIn = (least: number, most: number) => numberIn(least, most).int();
const list = (text: string): string[] => text.split(",").filter((part) => part !== "");

const schema = z.object({
  trace: z.string().optional(),
  synthetic: z.enum(SYNTHETIC_KINDS).optional(),
  mix: z.string().default("55/35/10"),
  fleet: z.string().default("seed"),
  without: z.array(z.string()).default([]),
  add: z
    .array(z.string().regex(/^[a-z0-9-]+:\d+$/, "must be PROFILE:N such as raspberry-pi-5:4"))
    .default([]),
  load: z
    .string()
    .default("0.6")
    .transform((text) => list(text).map(Number))
    .pipe(z.array(z.number().min(0.01).max(20)).min(1)),
  policy: z.string().default("").transform(list),
  seeds: wholeIn(1, 100).default(5),
  jobs: wholeIn(1, 1_000_000).default(2_000),
  hours: numberIn(0.01, 2_000).optional(),
  members: wholeIn(1, 1_000).default(12),
  "top-share": numberIn(0, 1).optional(),
  batch: numberIn(0, 1).default(0),
  adversary: z
    .string()
    .default("")
    .transform((text) => (text === "all" ? [...ADVERSARIES] : list(text)))
    .pipe(z.array(z.enum(ADVERSARIES))),
  json: z.boolean().default(false),
  html: z.string().optional(),
  help: z.boolean().default(false),
});

/** @throws OperationalError `bad-option` naming the option */
export function parseOptions(args: readonly string[]): SimulateOptions {
  const values = parsed(args);
  if (values.trace !== undefined && values.synthetic !== undefined) {
    throw new OperationalError("bad-option", "--trace and --synthetic: give one of them.");
  }
  return {
    workload:
      values.trace === undefined
        ? { kind: "synthetic", of: values.synthetic ?? "chat" }
        : { kind: "trace", file: values.trace },
    mix: parseMix(values.mix),
    fleet: values.fleet,
    without: values.without,
    add: values.add.map((text) => {
      const [profile = "", count = ""] = text.split(":");
      return { profile, count: Number(count) };
    }),
    loads: values.load,
    policies: values.policy,
    seeds: values.seeds,
    jobs: values.jobs,
    hours: values.hours ?? null,
    members: values.members,
    topShare: values["top-share"] ?? null,
    batchShare: values.batch,
    adversaries: values.adversary,
    json: values.json,
    html: values.html ?? null,
    help: values.help,
  };
}

function parsed(args: readonly string[]): z.infer<typeof schema> {
  const text = { type: "string" } as const;
  const texts = { type: "string", multiple: true } as const;
  const flag = { type: "boolean" } as const;
  let values: unknown;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        trace: text,
        synthetic: text,
        mix: text,
        fleet: text,
        without: texts,
        add: texts,
        load: text,
        policy: text,
        seeds: text,
        jobs: text,
        hours: text,
        members: text,
        "top-share": text,
        batch: text,
        adversary: text,
        json: flag,
        html: text,
        help: { ...flag, short: "h" },
      },
    }));
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError("bad-option", `${message} --help lists the options.`, { cause });
  }
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new OperationalError("bad-option", `--${issue?.path[0]?.toString() ?? ""}: ${issue?.message ?? ""}`);
}
