/** What one look at this machine found. */
export interface Finding {
  /** What was looked at, such as "Node" or "the engine's port". */
  readonly check: string;
  /** `warning`: it serves, but less well or less safely than it could. `problem`: it cannot serve. */
  readonly verdict: "good" | "warning" | "problem";
  readonly found: string;
  /** What to do about it; null when it is good. */
  readonly fix: string | null;
}

export const good = (check: string, found: string): Finding => ({ check, verdict: "good", found, fix: null });

export const warning = (check: string, found: string, fix: string): Finding => ({
  check,
  verdict: "warning",
  found,
  fix,
});

export const problem = (check: string, found: string, fix: string): Finding => ({
  check,
  verdict: "problem",
  found,
  fix,
});
