import { describe, expect, test } from "vitest";
import { parseTrace } from "./trace.ts";

describe("a trace", () => {
  test("of time stamps and token counts begins at 0, in order, whatever the precision of its times", () => {
    const text =
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:50.9951690,396,109\r\n2023-11-16 18:15:46.6805900,374,44\r\n";
    const requests = parseTrace(text, "a.csv");
    expect(requests.map(({ promptTokens, outputTokens }) => [promptTokens, outputTokens])).toEqual([
      [374, 44],
      [396, 109],
    ]);
    expect(requests[0]?.atS).toBe(0);
    expect(requests[1]?.atS).toBeCloseTo(4.314579, 6);
    expect(requests[0]?.client).toBeNull();
  });

  test("may name its time zone, and may have columns in another order and others besides", () => {
    const text =
      "GeneratedTokens,TIMESTAMP,extra,ContextTokens\n1,2024-05-10 00:00:00+02:00,x,10\n2,2024-05-09T22:00:01Z,y,20\n";
    const [first, second] = parseTrace(text, "a.csv");
    expect([first?.promptTokens, second?.promptTokens, second?.atS]).toEqual([10, 20, 1]);
  });

  test("of clients keeps who sent what", () => {
    const text = "req_time_s,client,prompt_tokens,output_tokens\n100.5,ada,10,3\n101,bob,20,4\n";
    expect(parseTrace(text, "a.csv")).toEqual([
      {
        atS: 0,
        client: "ada",
        promptTokens: 10,
        outputTokens: 3,
        session: null,
        prefix: null,
        sharedTokens: 0,
      },
      {
        atS: 0.5,
        client: "bob",
        promptTokens: 20,
        outputTokens: 4,
        session: null,
        prefix: null,
        sharedTokens: 0,
      },
    ]);
  });

  test("of requests without a token counts one: no job is over in no time", () => {
    const text = "req_time_s,client,prompt_tokens,output_tokens\n0,ada,0,0\n";
    expect(parseTrace(text, "a.csv")[0]).toMatchObject({ promptTokens: 1, outputTokens: 1 });
  });

  test("of blocks tells what prompts share and which of them are one conversation", () => {
    const line = (timestamp: number, input: number, blocks: number[]) =>
      JSON.stringify({ timestamp, input_length: input, output_length: 5, hash_ids: blocks });
    const text = [
      line(0, 1_400, [1, 2, 3]),
      line(1_000, 2_100, [1, 2, 4, 5, 6]),
      line(2_000, 700, [1, 9]),
      line(3_000, 2_300, [1, 2, 4, 5, 7]),
      line(4_000, 512, [8]),
    ].join("\n");
    const requests = parseTrace(text, "a.jsonl");
    expect(requests.map(({ sharedTokens }) => sharedTokens)).toEqual([0, 1_024, 512, 2_048, 0]);
    const sessions = requests.map(({ session }) => session);
    expect(sessions[1]).toBe(sessions[0]);
    expect(sessions[3]).toBe(sessions[0]);
    expect(new Set(sessions).size).toBe(3);
    expect(requests[3]?.atS).toBe(3);
    expect(requests[3]?.prefix).toEqual({ kind: "blocks", blocks: [1, 2, 4, 5, 7] });
  });

  test("of blocks joins no conversations that only begin alike", () => {
    const line = (timestamp: number, blocks: number[]) =>
      JSON.stringify({ timestamp, input_length: 512 * blocks.length, output_length: 5, hash_ids: blocks });
    const text = [line(0, [1]), line(1, [1, 2, 3, 4]), line(2, [1, 5, 6, 7]), line(3, [1, 8, 9, 10])].join(
      "\n",
    );
    expect(new Set(parseTrace(text, "a.jsonl").map(({ session }) => session)).size).toBe(3);
  });

  test("of blocks may leave them out", () => {
    const [only] = parseTrace('{"timestamp": 5, "input_length": 7, "output_length": 8}\n', "a.jsonl");
    expect(only).toMatchObject({ atS: 0, promptTokens: 7, outputTokens: 8, prefix: null, session: null });
  });

  test.each([
    [
      "other columns",
      "time,tokens\n1,2\n",
      /TIMESTAMP,ContextTokens,GeneratedTokens[^]*req_time_s,client[^]*hash_ids/,
    ],
    ["another JSON", '{"ts": 1}\n', /line 1: timestamp[^]*input_length,\s*output_length/],
    [
      "a word for a number",
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46,many,4\n",
      /line 2: ContextTokens is "many"/,
    ],
    [
      "a missing number",
      "req_time_s,client,prompt_tokens,output_tokens\n1,ada,,4\n",
      /line 2: prompt_tokens is ""/,
    ],
    [
      "no time",
      "TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,3,4\n",
      /line 2: TIMESTAMP is "yesterday"/,
    ],
    [
      "half a line of JSON",
      '{"timestamp": 5, "input_length": 7, "output_length": 8}\n{"timest',
      /line 2 is not JSON/,
    ],
    ["no requests", "TIMESTAMP,ContextTokens,GeneratedTokens\n", /has no requests/],
    ["nothing", "", /none of the traces/],
  ])("with %s is refused, saying what is wanted", (_, text, message) => {
    expect(() => parseTrace(text, "a.csv")).toThrow(message);
  });
});
