import { expect, test } from "vitest";
import { Closing } from "./closing.ts";

test("what was opened last is closed first, and a failure keeps nothing else open", async () => {
  const closed: string[] = [];
  const closing = new Closing();
  closing.defer(() => void closed.push("first"));
  closing.defer(async () => {
    closed.push("second");
    await Promise.reject(new Error("stuck"));
  });
  closing.defer(() => void closed.push("third"));
  await expect(closing[Symbol.asyncDispose]()).rejects.toThrow("stuck");
  expect(closed).toEqual(["third", "second", "first"]);
  await closing[Symbol.asyncDispose]();
  expect(closed).toHaveLength(3);
});
