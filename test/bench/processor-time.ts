import { readFile } from "node:fs/promises";

/** Linux counts processor time in hundredths of a second. */
const TICK_MS = 10;

/** Processor time of all threads of a process so far, ms; null where the system does not tell (it does on Linux). */
export async function processorMs(pid: number): Promise<number | null> {
  if (process.platform !== "linux") return null;
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Processor time of each group of processes that some work took, ms; null where the system does not tell. */
export async function processorMsOf(
  groups: Readonly<Record<string, readonly number[]>>,
  work: () => Promise<void>,
): Promise<Readonly<Record<string, number>> | null> {
  const read = async (): Promise<readonly (readonly [string, number | null])[]> =>
    await Promise.all(
      Object.entries(groups).map(async ([name, pids]) => {
        const each = await Promise.all(pids.map(processorMs));
        return [
          name,
          each.includes(null) ? null : each.reduce<number>((sum, ms) => sum + (ms ?? 0), 0),
        ] as const;
      }),
    );
  const before = new Map(await read());
  await work();
  const spent: Record<string, number> = {};
  for (const [name, ms] of await read()) {
    const atFirst = before.get(name) ?? null;
    if (ms === null || atFirst === null) return null;
    spent[name] = ms - atFirst;
  }
  return spent;
}
