import { z } from "zod";

/** What answers where Ollama listens. */
export type LocalOllama =
  | { readonly kind: "absent" }
  | { readonly kind: "present"; readonly version: string; readonly models: readonly string[] };

const LOOK_LIMIT_MS = 2_000;
const versionSchema = z.object({ version: z.string() });
const tagsSchema = z.object({ models: z.array(z.object({ name: z.string() })) });

/** Looks whether an Ollama answers at `url`, and what it has. Anything else that listens there is none. */
export async function findOllama(url: string, signal: AbortSignal): Promise<LocalOllama> {
  const version = versionSchema.safeParse(await read(`${url}/api/version`, signal));
  if (!version.success) return { kind: "absent" };
  const tags = tagsSchema.safeParse(await read(`${url}/api/tags`, signal));
  return {
    kind: "present",
    version: version.data.version,
    models: tags.success ? tags.data.models.map(({ name }) => name) : [],
  };
}

async function read(url: string, signal: AbortSignal): Promise<unknown> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(LOOK_LIMIT_MS)]),
    });
    return response.ok ? await response.json() : undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Error) return undefined;
    throw error;
  }
}
