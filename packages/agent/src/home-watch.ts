import { watch } from "node:fs";
import type { Log } from "@coop/core";

/**
 * Calls back with the name of a file in the agent's home that may have changed. A system that cannot watch a folder
 * costs some seconds: who looks now and then finds it as well.
 * @returns stops watching
 */
export function watchHome({
  home,
  log,
  onChange,
}: {
  readonly home: string;
  readonly log: Log;
  readonly onChange: (file: string) => void;
}): () => void {
  const unwatched = (error: unknown): void => {
    const problem = error instanceof Error ? error.message : String(error);
    log.debug({ home, problem }, "the agent's home cannot be watched");
  };
  try {
    const watcher = watch(home, (_event, file) => {
      if (file !== null) onChange(file);
    });
    watcher.on("error", unwatched);
    return () => watcher.close();
  } catch (error) {
    unwatched(error);
    return () => undefined;
  }
}
