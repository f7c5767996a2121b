import { expect, test } from "vitest";
import { createIdleProbe, macIdleness, screenIdleness, seatIdleness } from "./idle.ts";

const IOREG = `+-o Root  <class IORegistryEntry, id 0x100000100, retain 29>
  +-o IOHIDSystem  <class IOHIDSystem, id 0x100000591, registered, matched, active, busy 0 (0 ms), retain 24>
      {
        "HIDKeyboardModifierMappingPairs" = ()
        "HIDIdleTime" = 83291250000
        "HIDPointerAcceleration" = 45056
      }
`;

test.for([
  ["the time since the last input", IOREG, { kind: "idle", ms: 83_291 }],
  ["a system without input", "+-o Root  <class IORegistryEntry>\n", { kind: "unknown" }],
  ["a program that failed", "", { kind: "unknown" }],
] as const)("macOS tells %s", ([, text, idleness]) => {
  expect(macIdleness(text)).toEqual(idleness);
});

test.for([
  ["1234\n", { kind: "idle", ms: 1_234 }],
  ["couldn't open display\n", { kind: "unknown" }],
  ["", { kind: "unknown" }],
] as const)("a screen's %j", ([text, idleness]) => {
  expect(screenIdleness(text)).toEqual(idleness);
});

const NOW = 1_793_188_800_000;
test.for([
  ["someone at it", "ActiveSession=2\nIdleHint=no\nIdleSinceHint=0\n", { kind: "idle", ms: 0 }],
  [
    "someone who left ten minutes ago",
    `ActiveSession=2\nIdleHint=yes\nIdleSinceHint=${(NOW - 600_000) * 1000}\n`,
    { kind: "idle", ms: 600_000 },
  ],
  ["nobody logged in", "ActiveSession=\nIdleHint=yes\nIdleSinceHint=0\n", { kind: "nobody" }],
  ["no word since when", "ActiveSession=2\nIdleHint=yes\nIdleSinceHint=0\n", { kind: "unknown" }],
  ["no seat", "", { kind: "unknown" }],
] as const)("a seat with %s", ([, text, idleness]) => {
  expect(seatIdleness(text, NOW)).toEqual(idleness);
});

test("this machine is asked, whatever it knows", async () => {
  const probe = createIdleProbe({ clock: { now: () => Date.now() }, platform: process.platform });
  expect(["idle", "nobody", "unknown"]).toContain((await probe()).kind);
  const elsewhere = createIdleProbe({ clock: { now: () => 0 }, platform: "aix" });
  expect(await elsewhere()).toEqual({ kind: "unknown" });
});
