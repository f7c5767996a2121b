import type { Environment } from "../home.ts";
import type { Output } from "../output.ts";

export interface DemoOptions {
  readonly speedup: number;
  readonly environment: Environment;
  readonly output: Output;
  readonly signal: AbortSignal;
}

export async function runDemo({ output }: DemoOptions): Promise<void> {
  output.line("not yet");
}
