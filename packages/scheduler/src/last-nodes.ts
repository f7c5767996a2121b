import type { Log, ModelReport, NodeReport } from "@coop/core";

/** What is looked at, of a connected node. */
export interface Reporting {
  readonly identity: { readonly name: string };
  readonly report: NodeReport;
}

const serves = ({ models, unhealthy }: NodeReport, name: string): boolean =>
  models.some((model) => model.name === name) && unhealthy[name] === undefined;

/** Models that a node served, fails now, and that no other connected node serves: with what went wrong. */
export function lostModels(
  before: NodeReport,
  after: NodeReport,
  others: Iterable<Reporting>,
): readonly { readonly model: ModelReport["name"]; readonly problem: string }[] {
  const elsewhere = [...others];
  return Object.entries(after.unhealthy).flatMap(([model, problem]) =>
    serves(before, model) && !elsewhere.some(({ report }) => serves(report, model))
      ? [{ model, problem }]
      : [],
  );
}

/** Tells operators when the last node of a model cannot serve it any more: jobs for it wait from here on. */
export function tellLostModels(
  log: Log,
  session: Reporting,
  after: NodeReport,
  sessions: Iterable<Reporting>,
): void {
  const others = [...sessions].filter((other) => other !== session);
  for (const { model, problem } of lostModels(session.report, after, others)) {
    log.warn(
      { model, node: session.identity.name, problem },
      "the last node that served a model cannot serve it any more; jobs for it wait",
    );
  }
}
