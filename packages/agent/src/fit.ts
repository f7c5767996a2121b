import { findModelRow, kvBytesPerToken, modelAnswersTo, weightBytes } from "@coop/core";
import type { ModelReport } from "@coop/core";
import type { NodeSnapshot, Resident } from "./reporting.ts";

/** Whether a model can be brought into memory now. Pure. */
export type Fit =
  | {
      readonly kind: "fits";
      readonly model: string;
      readonly needBytes: number;
      /** It is in memory already. */
      readonly loaded: boolean;
      /** Idle models that would have to leave, in this order. */
      readonly unload: readonly string[];
      readonly source: FitSource;
    }
  | {
      readonly kind: "does-not-fit";
      readonly model: string;
      readonly needBytes: number;
      /** What it could get at most, with every idle model gone. */
      readonly roomBytes: number;
      readonly reason: string;
      readonly source: FitSource;
    }
  | { readonly kind: "unknown"; readonly model: string; readonly reason: string };

/** `engine`: the model is installed. `catalogue`: it is not, and its usual size counts. */
export type FitSource = "engine" | "catalogue";

export interface FitQuestion {
  readonly model: string;
  readonly snapshot: NodeSnapshot;
  /** Models that must stay: pinned ones and those that generate. */
  readonly held: ReadonlySet<string>;
  /** Context for a model that is not installed, tokens. */
  readonly contextTokens: number;
}

export function fitOf({ model, snapshot, held, contextTokens }: FitQuestion): Fit {
  const { report, memory, engineProblem } = snapshot;
  if (engineProblem !== null) return { kind: "unknown", model, reason: engineProblem };
  const known = report.models.find(({ name }) => modelAnswersTo(name, model));
  const need = known === undefined ? fromCatalogue(model, contextTokens, report.slots) : sizeOf(known);
  if (need === null) {
    const reason = `"${model}" is not installed and not in the catalogue; \`ollama list\` shows what is installed`;
    return { kind: "unknown", model, reason };
  }
  const { name, needBytes, source } = need;
  const fits = { kind: "fits" as const, model: name, needBytes, source, loaded: false, unload: [] };
  if (known?.cloud === true) return { ...fits, needBytes: 0, loaded: true };
  if (known?.loaded === true) return { ...fits, loaded: true };
  const others = memory.residents.filter((resident) => resident.name !== name);
  const idle = others.filter((resident) => !held.has(resident.name)).sort(leastRecentlyUsedFirst);
  const roomBytes = roomFor(snapshot) + sumOf(idle);
  const tooLarge = { kind: "does-not-fit" as const, model: name, needBytes, roomBytes, source };
  if (needBytes > report.modelMemoryBytes) {
    const reason = "it is larger than the memory that models may use here";
    return { ...tooLarge, roomBytes: report.modelMemoryBytes, reason };
  }
  if (report.pressure === "critical") {
    return { ...tooLarge, roomBytes: 0, reason: "the machine is short of memory now" };
  }
  if (needBytes > roomBytes) {
    return { ...tooLarge, reason: "not enough memory is free beside what must stay" };
  }
  const unload: string[] = [];
  let freeBytes = roomFor(snapshot);
  for (const resident of idle) {
    if (freeBytes >= needBytes) break;
    unload.push(resident.name);
    freeBytes += resident.bytes;
  }
  return { ...fits, unload };
}

interface Need {
  readonly name: string;
  readonly needBytes: number;
  readonly source: FitSource;
}

const sizeOf = ({ name, residentBytes }: ModelReport): Need => ({
  name,
  needBytes: residentBytes,
  source: "engine",
});

function fromCatalogue(name: string, contextTokens: number, slots: number): Need | null {
  const row = findModelRow(name);
  if (row === null) return null;
  const needBytes = Math.round(
    weightBytes(row.shape) + contextTokens * Math.max(1, slots) * kvBytesPerToken(row.shape),
  );
  return { name, needBytes, source: "catalogue" };
}

/** Memory that a model could get without anything leaving, bytes: the models' share, and what is free beyond the owner's wish. */
function roomFor({ report, memory }: NodeSnapshot): number {
  const ofShare = report.modelMemoryBytes - sumOf(memory.residents);
  if (memory.freeBytes === null) return ofShare;
  return Math.min(ofShare, memory.freeBytes - memory.keepFreeBytes);
}

const sumOf = (residents: readonly Resident[]): number =>
  residents.reduce((sum, resident) => sum + resident.bytes, 0);

/** An engine keeps the model longest that it used last. */
const leastRecentlyUsedFirst = (one: Resident, other: Resident): number =>
  (one.keptUntilMs ?? 0) - (other.keptUntilMs ?? 0);
