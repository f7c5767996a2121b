import { jobViewSchema, nodeListSchema, problemSchema } from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { describeProblem } from "../client.ts";
import { count, seconds } from "../output.ts";
import { serverSentEvents } from "../server-sent-events.ts";
import type { CommandContext } from "./context.ts";

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

/** Asks, shows the answer as it comes, then tells where it ran. */
export async function ask(context: CommandContext, options: AskOptions): Promise<void> {
  const { client, output, json } = context;
  const response = await client.stream(
    "/v1/chat/completions",
    {
      model: options.model,
      messages: [{ role: "user", content: options.prompt }],
      stream: true,
      ...(options.maxTokens !== null && { max_tokens: options.maxTokens }),
    },
    options.privacy === null ? {} : { "x-coop-privacy": options.privacy },
  );
  const id = response.headers.get("x-coop-job") ?? "";
  const answer = await showAnswer(context, response);
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

interface Answer {
  readonly text: string;
  readonly finishReason: string | null;
}

async function showAnswer({ output, json }: CommandContext, response: Response): Promise<Answer> {
  let text = "";
  let finishReason: string | null = null;
  for await (const { data } of serverSentEvents(response.body ?? new ReadableStream())) {
    if (data === "[DONE]") return { text, finishReason };
    const parsed: unknown = JSON.parse(data);
    const problem = problemSchema.safeParse(parsed);
    if (problem.success) throw new CliError("job-failed", describeProblem(problem.data));
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
