/** An instant by this machine's clock: `18:00` within the day, else `Sat 21 Nov 18:00`. */
export function localTime(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const isToday = at.toDateString() === new Date(nowMs).toDateString();
  const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (isToday) return time;
  const parts = { weekday: "short", day: "numeric", month: "short" } as const;
  return `${at.toLocaleDateString("en-GB", parts).replace(",", "")} ${time}`;
}
