import { CAPABILITIES } from "@coop/core";
import type { Capability, Log } from "@coop/core";
import { z } from "zod";
import type { EngineModel, EngineModels, ModelShape } from "../engine.ts";
import { EngineFault } from "./fault.ts";
import type { Transport } from "./transport.ts";
import { psSchema, showSchema, tagsSchema } from "./wire.ts";
import type { Show } from "./wire.ts";

/** Lists the engine's models. What `/api/show` says is kept per digest, so that a repeated call costs two requests. */
export interface Listing {
  models(signal: AbortSignal): Promise<EngineModels>;
  /** Whether the model was the cloud's when it was last listed. */
  isCloud(model: string): boolean;
}

type Tag = z.infer<typeof tagsSchema>["models"][number];
type Resident = z.infer<typeof psSchema>["models"][number];

/** `/api/show` requests at a time. */
const SHOWS_AT_ONCE = 4;

export function createListing({
  transport,
  log,
}: {
  readonly transport: Transport;
  readonly log: Log;
}): Listing {
  let shown = new Map<string, Show>();
  let cloudModels: ReadonlySet<string> = new Set();

  const showAll = async (tags: readonly Tag[], signal: AbortSignal): Promise<ReadonlyMap<string, Show>> => {
    const known = new Map<string, Show>();
    const waiting = [...tags];
    const work = async (): Promise<void> => {
      for (let tag = waiting.pop(); tag !== undefined; tag = waiting.pop()) {
        const show = shown.get(keyOf(tag)) ?? (await showOne(tag));
        if (show !== null) known.set(keyOf(tag), show);
      }
    };
    const showOne = async (tag: Tag): Promise<Show | null> => {
      try {
        return showSchema.parse(await transport.ask("/api/show", { model: tag.name }, signal));
      } catch (error) {
        if (signal.aborted) throw error;
        if (!(error instanceof EngineFault || error instanceof z.ZodError)) throw error;
        log.warn(
          { model: tag.name, problem: error.message },
          "the engine does not describe this model, so it is not offered",
        );
        return null;
      }
    };
    await Promise.all(Array.from({ length: SHOWS_AT_ONCE }, work));
    shown = known;
    return known;
  };

  return {
    isCloud: (model) => cloudModels.has(model),
    async models(signal) {
      try {
        const [tags, ps] = await Promise.all([
          transport.ask("/api/tags", null, signal).then((answer) => tagsSchema.parse(answer).models),
          transport.ask("/api/ps", null, signal).then((answer) => psSchema.parse(answer).models),
        ]);
        const shows = await showAll(tags, signal);
        const residents = new Map(ps.map((resident) => [resident.name, resident]));
        const models = tags.flatMap((tag) => {
          const show = shows.get(keyOf(tag));
          return show === undefined ? [] : [engineModel(tag, show, residents.get(tag.name))];
        });
        cloudModels = new Set(models.filter((model) => model.cloud).map((model) => model.name));
        return { kind: "listed", models };
      } catch (error) {
        if (signal.aborted) return { kind: "unavailable", message: "listing the models was aborted" };
        if (error instanceof EngineFault) return { kind: "unavailable", message: error.message };
        if (error instanceof z.ZodError) {
          return {
            kind: "unavailable",
            message: `the engine's list is not understood: ${z.prettifyError(error)}`,
          };
        }
        throw error;
      }
    },
  };
}

const keyOf = (tag: Tag): string => `${tag.digest} ${tag.name}`;

function engineModel(tag: Tag, show: Show, resident: Resident | undefined): EngineModel {
  const info = infoReader(show.model_info);
  return {
    name: tag.name,
    digest: tag.digest,
    capabilities: show.capabilities.filter(isCapability),
    sizeBytes: tag.size,
    contextTokensMax: info.figure("context_length"),
    shape: modelShape(show),
    cloud: isCloud(tag, show),
    loaded:
      resident === undefined
        ? null
        : {
            residentBytes: resident.size,
            contextTokens: resident.context_length ?? null,
            keptUntilMs: timeMs(resident.expires_at),
          },
  };
}

function timeMs(text: string | undefined): number | null {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? null : ms;
}

const isCapability = (name: string): name is Capability => CAPABILITIES.some((known) => known === name);

/** A model is the cloud's when anything says so; the mark in its name counts too. */
function isCloud(tag: Tag, show: Show): boolean {
  return (
    [tag.remote_host, tag.remote_model, show.remote_host, show.remote_model].some(Boolean) ||
    /[:-]cloud$/.test(tag.name)
  );
}

function modelShape(show: Show): ModelShape {
  const info = infoReader(show.model_info);
  const heads = info.figure("attention.head_count");
  const width = info.figure("embedding_length");
  const expertsTotal = info.figure("expert_count");
  const expertsUsed = info.figure("expert_used_count");
  return {
    architecture: info.architecture,
    parameterCount: info.parameterCount ?? spelledParameters(show.details?.parameter_size),
    layers: info.figure("block_count"),
    kvHeads: info.figure("attention.head_count_kv") ?? heads,
    headDimension:
      info.figure("attention.key_length") ?? (heads === null || width === null ? null : width / heads),
    experts: expertsTotal && expertsUsed ? { total: expertsTotal, used: expertsUsed } : null,
  };
}

interface InfoReader {
  readonly architecture: string | null;
  readonly parameterCount: number | null;
  /** A figure of the model's architecture. Where it differs from layer to layer, the mean. */
  figure(name: string): number | null;
}

function infoReader(info: Show["model_info"]): InfoReader {
  const architecture = info["general.architecture"];
  const prefix = typeof architecture === "string" ? architecture : null;
  return {
    architecture: prefix,
    parameterCount: positive(info["general.parameter_count"]),
    figure: (name) => (prefix === null ? null : positive(info[`${prefix}.${name}`])),
  };
}

function positive(value: unknown): number | null {
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  if (!Array.isArray(value)) return null;
  const figures = value.filter((item): item is number => typeof item === "number" && Number.isFinite(item));
  const mean = figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
  return mean > 0 ? mean : null;
}

/** "8.0B" or "137M" as a number. */
function spelledParameters(text: string | undefined): number | null {
  const match = /^([\d.]+)\s*([KMBT])$/i.exec(text?.trim() ?? "");
  if (match === null) return null;
  const scale = { K: 1e3, M: 1e6, B: 1e9, T: 1e12 }[match[2]?.toUpperCase() ?? ""];
  return scale === undefined ? null : Number(match[1]) * scale;
}
