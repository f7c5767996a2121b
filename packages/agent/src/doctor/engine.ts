import { connect } from "node:net";
import type { EngineDescription, EngineModels } from "../engines/engine.ts";
import { good, problem, warning } from "./finding.ts";
import type { Finding } from "./finding.ts";

export function checkEngine(description: EngineDescription, models: EngineModels): Finding[] {
  if (description.kind === "refused") {
    const fix =
      description.reason === "too-old"
        ? "Update Ollama: from ollama.com, or brew upgrade ollama."
        : "Start Ollama (ollama serve, or its app), or say where it is: --engine http://HOST:PORT.";
    return [problem("engine", description.message, fix)];
  }
  const engine = good("engine", description.engine);
  if (models.kind === "unavailable") {
    return [engine, problem("models", models.message, "See what `ollama list` says.")];
  }
  const local = models.models.filter(({ cloud }) => !cloud);
  if (local.length === 0) {
    return [engine, problem("models", "none on this machine", "Fetch one, such as: ollama pull llama3.2:3b")];
  }
  return [engine, good("models", local.map(({ name }) => name).join(", "))];
}

/**
 * What Ollama's own setting means for the node. Each further generation at once shares the machine's bandwidth and
 * takes a context's memory of its own.
 * @param engineSlots `OLLAMA_NUM_PARALLEL`, null where it is not known here
 * @param slots the owner's cap, null without one
 */
export function checkSlots(engineSlots: number | null, slots: number | null): Finding {
  const check = "generations at once";
  if (engineSlots === null) {
    return warning(
      check,
      `OLLAMA_NUM_PARALLEL is not known here, so the node offers ${slots ?? 1}`,
      "Ollama runs one generation of a model at a time unless it is set. If it is set for Ollama, set it for the agent, too: OLLAMA_NUM_PARALLEL=4 agent start. The agent then offers as many slots.",
    );
  }
  if (slots !== null && slots > engineSlots) {
    return warning(
      check,
      `${slots} slots are wanted, but OLLAMA_NUM_PARALLEL is ${engineSlots}: more would wait inside Ollama, unseen`,
      `Set OLLAMA_NUM_PARALLEL=${slots} for Ollama and the agent, or lower the slots.`,
    );
  }
  return good(check, `${slots ?? engineSlots} (OLLAMA_NUM_PARALLEL ${engineSlots})`);
}

/** How long a connection to this machine's own address may take, ms. */
const CONNECT_MS = 1_000;

/**
 * Whether others on the network reach the engine past the agent: whoever does can use it, read what it is asked,
 * and fetch or delete models.
 * @param addresses of this machine beyond loopback
 */
export async function checkExposure(
  port: number,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<Finding> {
  const check = "the engine's port";
  const answers = await Promise.all(addresses.map((address) => accepts(address, port, signal)));
  const exposed = addresses.filter((_, index) => answers[index] === true);
  if (exposed.length === 0)
    return good(check, `nothing answers on ${port} at this machine's addresses on its networks`);
  return warning(
    check,
    `${port} answers on ${exposed.join(", ")}: anyone on that network can use and change this Ollama`,
    'Let it listen on this machine only: unset OLLAMA_HOST for Ollama (or set it to 127.0.0.1), turn off "Expose Ollama to the network" in its app, and restart it.',
  );
}

function accepts(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal, timeout: CONNECT_MS });
    const answer = (open: boolean): void => {
      resolve(open);
      socket.destroy();
    };
    socket.once("connect", () => answer(true));
    socket.once("timeout", () => answer(false));
    socket.once("error", () => answer(false));
  });
}
