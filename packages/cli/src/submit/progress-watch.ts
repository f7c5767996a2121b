import type { Output } from "../output.ts";
import type { Screen } from "../screen.ts";
import { createRate, progressBar, progressLine } from "./progress.ts";
import type { Counts } from "./progress.ts";

const DRAW_EVERY_MS = 200;
const TELL_EVERY_MS = 5_000;

export interface ProgressWatch extends Disposable {
  /** Shows how far it is now, for the last time. */
  stop(): void;
}

/** Shows how far a run is while it runs: as a bar on a terminal, else as a line now and then. */
export function watchProgress(
  { output, screen }: { readonly output: Output; readonly screen: Screen | null },
  counts: () => Counts,
): ProgressWatch {
  const rate = createRate();
  let told = "";
  const show = (): void => {
    const now = counts();
    const perSecond = rate.see(performance.now(), now.ended);
    const text = screen === null ? progressLine(now, perSecond) : progressBar(now, perSecond);
    if (text === told) return;
    told = text;
    if (screen === null) output.note(text);
    else screen.draw([text]);
  };
  const timer = setInterval(show, screen === null ? TELL_EVERY_MS : DRAW_EVERY_MS);
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    clearInterval(timer);
    show();
    screen?.leave();
  };
  show();
  return { stop, [Symbol.dispose]: stop };
}
