import {
  isServing,
  localWeekMinute,
  nextChangeMs,
  readHours,
  servingSecondsPerDay,
} from "../owner/serving-hours.ts";
import { changeSettings, readSettings } from "../owner/settings-file.ts";
import { rate } from "./format.ts";
import { localTime } from "./local-time.ts";
import { understood } from "./owner.ts";
import type { OwnerCommandDeps } from "./owner.ts";

/**
 * Sets the serving hours where they are given, then tells them.
 * @throws OperationalError `bad-setting`; nothing is changed then
 */
export async function hours(
  { home, nowMs, say }: OwnerCommandDeps,
  words: readonly string[],
  json: boolean,
): Promise<void> {
  const text = words.join(" ");
  if (text !== "") understood("agent hours", readHours(text));
  const { owner } =
    text === "" ? await readSettings(home) : await changeSettings(home, [{ path: ["hours"], value: text }]);
  const isOpen = isServing(owner.hours, localWeekMinute(nowMs));
  const changesAtMs = nextChangeMs(owner.hours, nowMs, localWeekMinute);
  const secondsPerDay = servingSecondsPerDay(owner.hours);
  if (json)
    return say(JSON.stringify({ hours: owner.hours.text, isOpen, changesAtMs, secondsPerDay }, null, 2));
  const until = changesAtMs === null ? "" : ` until ${localTime(changesAtMs, nowMs)}`;
  say(`Serving hours: ${owner.hours.text} (${rate(secondsPerDay / 3600)} h a day)`);
  say(isOpen ? `Within them${until}.` : `Outside them${until}: what runs is finished, nothing new is taken.`);
}
