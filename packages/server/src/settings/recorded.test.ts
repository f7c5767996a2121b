import { createAuditTrail } from "@coop/api";
import { DEFAULT_SETTINGS } from "@coop/core";
import { createManualClock, createMemoryAuditLog } from "@coop/core/testing";
import { expect, test } from "vitest";
import { recordSettings } from "./recorded.ts";

test("a change of the settings is in the audit log, a start with the same ones is not", async () => {
  const clock = createManualClock();
  const audit = createAuditTrail({ log: createMemoryAuditLog(), key: new Uint8Array(32), clock });
  const other = { ...DEFAULT_SETTINGS, retentionMs: 0 };
  const secret = { ...other, name: "Kvarnen" };
  for (const settings of [DEFAULT_SETTINGS, DEFAULT_SETTINGS, other, secret, secret, DEFAULT_SETTINGS])
    await recordSettings(audit, settings);
  const entries = await audit.page(0, 100);
  expect(entries.map(({ actor, act, phase }) => [actor, act, phase])).toEqual(
    Array.from({ length: 4 }, () => ["server", "settings.apply", "done"]),
  );
  expect(entries[3]?.target).toBe(entries[0]?.target);
  expect(new Set(entries.map(({ target }) => target)).size).toBe(3);
  expect(JSON.stringify(entries)).not.toContain("Kvarnen");
  expect((await audit.verify(null)).findings).toEqual([]);
});
