import { jobViewSchema, placementSchema } from "@coop/protocol";
import type { CostTermsView, JobView, PlacementView } from "@coop/protocol";
import { plural, renderTable, seconds } from "../output.ts";
import type { CommandContext } from "./context.ts";

/** Tells why a job runs where it runs, or why it waits: the decision, then each node's cost or refusals. */
export async function explainJob({ client, output, json }: CommandContext, id: string): Promise<void> {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const job = await client.get(path, jobViewSchema);
  const placement = await client.get(`${path}/placement`, placementSchema);
  if (json) {
    output.json({ job: { ...job, result: undefined }, placement });
    return;
  }
  output.line(describeJob(job));
  output.line(decisionSentence(placement));
  const costs = costTable(placement);
  if (costs.length > 0) output.line();
  for (const line of costs) output.line(line);
  const refusals = refusalLines(placement);
  if (refusals.length > 0) output.line("\nNot considered:");
  for (const line of refusals) output.line(line);
}

function describeJob(job: JobView): string {
  const ended =
    job.error === null
      ? ""
      : ` ${/[.!?]$/.test(job.error.message) ? job.error.message : `${job.error.message}.`}`;
  const tries = job.attempts > 1 ? ` after ${plural(job.attempts, "attempt")}` : "";
  return `${job.id} asked for ${job.requested} (privacy ${job.privacy}): ${job.state}${tries}.${ended}`;
}

interface Costed {
  readonly nodeName: string;
  readonly simulated: boolean;
  readonly model: string;
  readonly tier: string;
  readonly startsNow: boolean;
  readonly cost: CostTermsView;
}

/** Every option that could serve the job, cheapest first. */
export const costedOptions = ({ nodes }: PlacementView): Costed[] =>
  nodes
    .flatMap(({ nodeName, simulated, options }) =>
      options.flatMap((option) => (option.kind === "costed" ? [{ ...option, nodeName, simulated }] : [])),
    )
    .toSorted((a, b) => a.cost.totalS - b.cost.totalS);

/** The decision in one sentence. */
export function decisionSentence(placement: PlacementView): string {
  const { decision } = placement;
  const options = costedOptions(placement);
  switch (decision.kind) {
    case "assigned": {
      const chosen = options.find(
        ({ nodeName, model }) => nodeName === decision.nodeName && model === decision.model,
      );
      const other = options.find(({ nodeName }) => nodeName !== decision.nodeName);
      const cost = chosen === undefined ? "" : ` at a cost of ${seconds(chosen.cost.totalS)}`;
      const against =
        other === undefined
          ? "no other node could serve it"
          : `the best elsewhere was ${other.nodeName} at ${seconds(other.cost.totalS)}`;
      return `It went to ${decision.nodeName} with ${decision.model} (${decision.tier})${cost}; ${against}.`;
    }
    case "held": {
      const now = options.find(({ startsNow }) => startsNow);
      const instead =
        now === undefined
          ? ""
          : `, though ${now.nodeName} is free: it would cost ${seconds(now.cost.totalS)} there`;
      return `It waits about ${seconds(decision.expectedWaitS)} for ${decision.forNodeName} with ${decision.model}${instead}.`;
    }
    case "waiting":
      return `It waits: ${decision.why}.`;
    case "impossible":
      return `It cannot be served: ${decision.why}.`;
  }
}

const TERMS: readonly { readonly heading: string; readonly term: keyof CostTermsView }[] = [
  { heading: "WAIT", term: "waitS" },
  { heading: "LOAD", term: "loadS" },
  { heading: "PREFILL", term: "prefillS" },
  { heading: "DECODE", term: "decodeS" },
  { heading: "SHARING", term: "sharingS" },
  { heading: "OTHERS", term: "coRunnersS" },
  { heading: "QUEUE", term: "queueS" },
  { heading: "EVICT", term: "evictionS" },
  { heading: "BUDGET", term: "budgetS" },
];
/** Below this, seconds, a term is not shown. */
const NEGLIGIBLE_S = 0.005;

function costTable(placement: PlacementView): string[] {
  const options = costedOptions(placement);
  if (options.length === 0) return [];
  const terms = TERMS.filter(({ term }) => options.some(({ cost }) => Math.abs(cost[term]) >= NEGLIGIBLE_S));
  const rows = options.map(({ nodeName, simulated, model, tier, startsNow, cost }) => [
    `${nodeName}${simulated ? " *" : ""}`,
    model,
    tier,
    startsNow ? "yes" : "no",
    ...terms.map(({ term }) => figure(cost[term])),
    figure(cost.totalS),
  ]);
  const lines = renderTable(
    [
      { heading: "NODE", flexible: true },
      { heading: "MODEL", flexible: true },
      { heading: "TIER" },
      { heading: "NOW" },
      ...terms.map(({ heading }) => ({ heading, align: "right" as const })),
      { heading: "COST s", align: "right" },
    ],
    rows,
  );
  return options.some(({ simulated }) => simulated) ? [...lines, "* simulated"] : lines;
}

const figure = (valueS: number): string =>
  Math.abs(valueS) < NEGLIGIBLE_S ? "-" : valueS.toFixed(Math.abs(valueS) < 10 ? 2 : 0);

/** One line for a node and set of reasons, its models together. */
function refusalLines({ nodes }: PlacementView): string[] {
  return nodes.flatMap(({ nodeName, options }) => {
    const models = new Map<string, string[]>();
    for (const option of options) {
      if (option.kind === "costed") continue;
      const reasons = option.refusals.map(({ reason, detail }) => `${detail} (${reason})`).join("; ");
      models.set(reasons, [...(models.get(reasons) ?? []), ...(option.model === null ? [] : [option.model])]);
    }
    return [...models].map(
      ([reasons, names]) => `  ${nodeName}${names.length === 0 ? "" : `, ${names.join(", ")}`}: ${reasons}`,
    );
  });
}
