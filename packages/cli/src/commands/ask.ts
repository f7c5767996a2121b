import { jobViewSchema, nodeListSchema, problemSchema } from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { describeProblem } from "../client.ts";
import { count, seconds } from "../output.ts";
import { serverSentEvents } from "../server-sent-events.ts";
import type { CommandContext } from "./context.ts";
import { tellWait } from "./tell-wait.ts";

export interface AskOptions {
  readonly prompt: string;
  /** A model's name, or `coop/<tier>`. */
  readonly model: string;
  /** null: the key's default. */
  readonly privacy: string | null;
  readonly maxTokens: number | null;
}

const chunkSchema = z.object({
  choices: z.array(
    z.object({
      delta: z.object({ content: z.string().nullish() }),
      finish_reason: z.string().nullish(),
    }),
  ),
});

/** After so long without a word, ms, it is told why. */
const QUIET_MS = 3_000;

/** Asks, shows the answer as it comes, then tells where it ran. @param quietMs when to tell why nothing comes, ms */
export async function ask(context: CommandContext, options: AskOptions, quietMs = QUIET_MS): Promise<void> {
  const { client, output, json } = context;
  const { id, answer } = await hearAnswer(context, options, quietMs);
  if (!json && !answer.text.endsWith("\n")) output.line();
  const job = await client.get(`/v1/jobs/${id}`, jobViewSchema);
  if (json) {
    output.json({
      answer: answer.text,
      finishReason: answer.finishReason,
      job: { ...job, result: undefined },
    });
    return;
  }
  if (answer.finishReason === "length") output.note("(cut at its token limit; --max-tokens raises it)");
  output.note(`— ${await whereItRan(context, job)}`);
}

/** Shows the answer, and tells why there is none when nothing of it comes. */
async function hearAnswer(
  context: CommandContext,
  options: AskOptions,
  quietMs: number,
): Promise<{ readonly id: string; readonly answer: Answer }> {
  let id: string | null = null;
  const begun = new AbortController();
  const telling = tellWait(context, () => id, quietMs, begun.signal).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  try {
    const response = await begin(context, options);
    id = response.headers.get("x-coop-job");
    const answer = await showAnswer(context, response, () => begun.abort());
    begun.abort();
    const failed = await telling;
    if (failed !== null) throw failed.error;
    return { id: id ?? "", answer };
  } finally {
    begun.abort();
  }
}

const begin = async (
  { client }: CommandContext,
  { model, prompt, privacy, maxTokens }: AskOptions,
): Promise<Response> =>
  client.stream(
    "/v1/chat/completions",
    {
      model,
      messages: [{ role: "user", content: prompt }],
      stream: true,
      ...(maxTokens !== null && { max_tokens: maxTokens }),
    },
    privacy === null ? {} : { "x-coop-privacy": privacy },
  );

interface Answer {
  readonly text: string;
  readonly finishReason: string | null;
}

/** @param onBegun hears of each piece */
async function showAnswer(
  { output, json }: CommandContext,
  response: Response,
  onBegun: () => void,
): Promise<Answer> {
  let text = "";
  let finishReason: string | null = null;
  for await (const { data } of serverSentEvents(response.body ?? new ReadableStream())) {
    if (data === "[DONE]") return { text, finishReason };
    const parsed: unknown = JSON.parse(data);
    const problem = problemSchema.safeParse(parsed);
    if (problem.success) throw new CliError("job-failed", describeProblem(problem.data));
    onBegun();
    for (const choice of chunkSchema.parse(parsed).choices) {
      const piece = choice.delta.content ?? "";
      text += piece;
      if (!json) output.text(piece);
      finishReason = choice.finish_reason ?? finishReason;
    }
  }
  throw new CliError("job-failed", "The answer broke off: the server went away. Ask again.");
}

async function whereItRan({ client, hint }: CommandContext, job: JobView): Promise<string> {
  const { data: nodes } = await client.get("/v1/nodes", nodeListSchema);
  const simulated = nodes.find(({ id }) => id === job.node)?.machine.simulated === true;
  const took =
    job.finishedAtMs === null ? "" : ` in ${seconds((job.finishedAtMs - job.submittedAtMs) / 1000)}`;
  return (
    `${job.nodeName ?? job.node ?? "?"}${simulated ? " (simulated)" : ""} with ${job.model ?? "?"} (${job.tier ?? "?"}): ` +
    `${count(job.promptTokens ?? 0)} + ${count(job.outputTokens)} tokens${took}. Why there: ${hint(`explain ${job.id}`)}`
  );
}
