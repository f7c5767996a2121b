/** Tells on a terminal's error stream how far a long run is; a short one stays silent. */
export interface Progress {
  readonly tell: (done: number, all: number, what: string) => void;
  readonly end: () => void;
}

const SILENT_MS = 2_000;
const EVERY_MS = 2_000;

export function createProgress(
  stream: { readonly isTTY?: boolean; readonly write: (text: string) => unknown },
  nowMs: () => number,
): Progress {
  const startedMs = nowMs();
  let toldMs = startedMs + SILENT_MS - EVERY_MS;
  let hasTold = false;
  return {
    tell(done, all, what) {
      const atMs = nowMs();
      if (atMs - toldMs < EVERY_MS) return;
      toldMs = atMs;
      hasTold = true;
      const leftS = done === 0 ? null : Math.round((((atMs - startedMs) / done) * (all - done)) / 1000);
      const line = `${done} of ${all} runs${leftS === null ? "" : `, about ${leftS} s left`}: ${what}`;
      stream.write(stream.isTTY === true ? `\r\u001b[K${line}` : `${line}\n`);
    },
    end() {
      if (hasTold && stream.isTTY === true) stream.write("\r\u001b[K");
    },
  };
}
