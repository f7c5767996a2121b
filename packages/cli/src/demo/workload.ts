import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

export const MEMBERS = ["maja", "ben", "chidi"] as const;
export type DemoMember = (typeof MEMBERS)[number];

/** `mixed`: a day of a housing co-op. `burst`: a pile of small edge jobs at once. */
export type Phase = "mixed" | "burst";

const taskSchema = z.object({
  task: z.string(),
  member: z.enum(MEMBERS),
  privacy: z.enum(["own", "coop", "any"]),
  /** Body of a chat completion. */
  request: z.looseObject({ model: z.string() }),
});
export type Task = z.infer<typeof taskSchema>;

const folder = join(import.meta.dirname, "..", "..", "demo");

/** The jobs of `jobs.jsonl`, in the file's order. */
export async function mixedTasks(): Promise<Task[]> {
  const text = await readFile(join(folder, "jobs.jsonl"), "utf8");
  return lines(text).map((line) => taskSchema.parse(JSON.parse(line)));
}

const QUESTIONS = [
  {
    task: "tag",
    maxTokens: 24,
    text: "Tag this message: heating, laundry, parking, money, repair, garden or other.",
  },
  {
    task: "urgency",
    maxTokens: 24,
    text: "How urgent is this message from 1 to 5, and why, in one short sentence?",
  },
  { task: "headline", maxTokens: 32, text: "Give this message a headline of at most eight words." },
  { task: "thanks", maxTokens: 48, text: "Write one friendly sentence that says the message was received." },
  {
    task: "who",
    maxTokens: 24,
    text: "Who should look at this: board, caretaker, treasurer or neighbours? One word.",
  },
  { task: "translate", maxTokens: 64, text: "Translate this message into Swedish." },
] as const;

/**
 * Every question about every message of `messages.txt`, members in turn; all for any model from `edge` on.
 * @param ownedBy asks about their own messages on their own machines only
 */
export async function burstTasks(ownedBy: DemoMember): Promise<Task[]> {
  const messages = lines(await readFile(join(folder, "messages.txt"), "utf8"));
  return messages.flatMap((message, row) =>
    QUESTIONS.map(({ task, maxTokens, text }, column) => {
      const member = MEMBERS[(row + column) % MEMBERS.length] ?? MEMBERS[0];
      const isPrivate = member === ownedBy && task === PRIVATE_TASK;
      return {
        task,
        member,
        privacy: isPrivate ? ("own" as const) : ("coop" as const),
        request: {
          model: "coop/edge",
          messages: [{ role: "user", content: `${text}\n\n${message}` }],
          max_tokens: maxTokens,
        },
      };
    }),
  );
}

/** The question that is asked privately where its member has a machine. */
const PRIVATE_TASK = "urgency";

const lines = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");
