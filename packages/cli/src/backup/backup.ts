import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { homeCheckSchema, snapshotSchema } from "@coop/protocol";
import type { HomeCheck } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CoopClient } from "../client.ts";
import type { Environment } from "../home.ts";
import { plural } from "../output.ts";
import type { Output } from "../output.ts";
import { verifyContents, writeContents } from "./contents.ts";
import { run } from "./tool.ts";

export interface BackupOptions {
  readonly home: string;
  readonly environment: Environment;
  readonly output: Output;
  readonly nowMs: number;
}

/** What of a home is copied as it lies; the store comes from a snapshot, logs and programs can be done without. */
const KEPT = ["server", "coop.yaml", "operator.key", "agents"] as const;
const STORE_FOLDER = join("redis", "appendonlydir");

/**
 * Writes everything that a co-op keeps into one file: keys, settings, the store, the agents that run beside the
 * server. Then reads the file again, as a restore would, and has it looked through.
 * @param client of the running server; null: it is stopped, and its folder is copied as it lies
 * @throws CliError `file-unwritable`, `bad-input` when the copy is not what it should be
 */
export async function backUp(
  options: BackupOptions & { readonly file: string; readonly client: CoopClient | null },
): Promise<void> {
  const { home, environment, output, client } = options;
  const file = resolve(options.file);
  if (existsSync(file))
    throw new CliError("file-unwritable", `${file} is there already. Choose another name.`);
  if (!existsSync(join(home, "server")))
    throw new CliError(
      "bad-input",
      `${home} is no co-op's folder. On the server's machine, COOP_HOME says where it is.`,
    );
  const draft = await openDraft(file, options.nowMs);
  const work = await mkdtemp(join(tmpdir(), "coop-backup-"));
  try {
    const staged = join(work, "coop");
    await mkdir(staged, { mode: 0o700 });
    const withStore = await copyStore(home, staged, client);
    for (const name of KEPT) {
      const source = join(home, name);
      if (existsSync(source)) await cp(source, join(staged, name), { recursive: true });
    }
    const { files } = await writeContents(staged, { madeAtMs: options.nowMs, withStore });
    await run("tar", ["-czf", draft, "-C", work, "coop"], environment);
    output.line(`${plural(files.length, "file")} written; reading them again`);
    tellOf(await checkCopy(draft, join(work, "again"), environment), output);
    await rename(draft, file);
    output.line(`backup written to ${file}`);
    output.line("It holds the co-op's keys: keep it as you keep them. To use it: coop restore FILE");
    if (!withStore)
      output.line(
        "The store is kept elsewhere (REDIS_URL) and is NOT in it: copy it with its own tools, too.",
      );
  } finally {
    await rm(draft, { force: true });
    await rm(work, { recursive: true, force: true });
  }
}

/** The file beside its final name that the copy is written to. Nobody else reads it, from its first byte on. */
async function openDraft(file: string, nowMs: number): Promise<string> {
  const draft = join(dirname(file), `.${nowMs}.coop-backup`);
  try {
    await writeFile(draft, "", { mode: 0o600 });
  } catch (error) {
    throw new CliError(
      "file-unwritable",
      `${file} cannot be written (${reason(error)}). Choose a folder that is there and yours.`,
      error,
    );
  }
  return draft;
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Puts the store into the copy, in the form that Redis reads when it starts. Answers whether there is one here. */
async function copyStore(home: string, staged: string, client: CoopClient | null): Promise<boolean> {
  const target = join(staged, STORE_FOLDER);
  if (client === null) {
    const source = join(home, STORE_FOLDER);
    if (!existsSync(source)) return false;
    await cp(source, target, { recursive: true });
    return true;
  }
  const { path } = await client.post("/admin/snapshots", {}, snapshotSchema);
  if (path === null) return false;
  if (!existsSync(path))
    throw new CliError(
      "bad-input",
      `The server wrote its data to ${path}, which is not on this machine. Run this there.`,
    );
  await mkdir(target, { recursive: true, mode: 0o700 });
  await cp(path, join(target, "appendonly.aof.1.base.rdb"));
  await writeFile(join(target, "appendonly.aof.1.incr.aof"), "");
  await writeFile(
    join(target, "appendonly.aof.manifest"),
    "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
  );
  return true;
}

/** Unpacks a backup into a folder, compares it with its list, and has the server's program look through it. */
async function checkCopy(
  file: string,
  into: string,
  environment: Environment,
): Promise<{ readonly home: string; readonly check: HomeCheck | null; readonly madeAtMs: number }> {
  await mkdir(into, { mode: 0o700 });
  await run("tar", ["-xzf", file, "-C", into], environment).catch((error: unknown) => {
    throw new CliError(
      "bad-input",
      `${file} cannot be unpacked: it is no backup of a co-op, or not a whole one. Nothing was changed. (${reason(error)})`,
      error,
    );
  });
  const home = join(into, "coop");
  const { withStore, madeAtMs } = await verifyContents(home);
  if (!withStore) return { home, check: null, madeAtMs };
  // Looked through in a copy: a Redis that only looks writes into its folder, too.
  const looked = join(into, "looked");
  await cp(home, looked, { recursive: true });
  const said = await run(process.execPath, [serverProgram(), "check-home", looked], environment);
  await rm(looked, { recursive: true });
  return { home, check: homeCheckSchema.parse(JSON.parse(said)), madeAtMs };
}

function serverProgram(): string {
  const places = ["../../../server/src/main.ts", "../server/main.js"].map((place) =>
    resolve(import.meta.dirname, place),
  );
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new CliError(
    "program-failed",
    "The server's program is not here, so the copy cannot be checked. Run this beside it.",
  );
}

function tellOf({ check }: { readonly check: HomeCheck | null }, output: Output): void {
  if (check === null) return;
  const { members, nodes, ledgerLines, ledgerFindings, auditEntries, auditProblem } = check;
  output.line(
    `it can be read: ${plural(members, "member")}, ${plural(nodes, "node")}, ${plural(ledgerLines, "ledger line")}, ${plural(auditEntries, "audit record")}`,
  );
  if (ledgerFindings > 0)
    output.line(
      `  the ledger and the accounts differ in ${plural(ledgerFindings, "balance")}: coop ledger verify`,
    );
  if (auditProblem !== null)
    output.line(`  the audit log's chain is broken: ${auditProblem}: coop audit verify`);
}

/**
 * Puts a backup where a co-op's folder was, or is to be; a folder that holds anything is never touched.
 * @throws CliError `in-use`, `bad-input` when the backup is damaged
 */
export async function restore(options: BackupOptions & { readonly file: string }): Promise<void> {
  const { home, environment, output } = options;
  const file = resolve(options.file);
  if (!existsSync(file)) throw new CliError("bad-input", `There is no file ${file}.`);
  if (existsSync(home) && (await readdir(home)).length > 0) {
    throw new CliError(
      "in-use",
      `${home} holds something. Stop the co-op there and move the folder away (mv '${home}' '${home}.before'), or restore elsewhere: COOP_HOME=FOLDER coop restore ...`,
    );
  }
  const work = `${home}.restoring`;
  await rm(work, { recursive: true, force: true });
  await mkdir(dirname(home), { recursive: true });
  try {
    const copy = await checkCopy(file, work, environment);
    tellOf(copy, output);
    await rm(home, { recursive: true, force: true });
    await rename(copy.home, home);
    output.line(`the co-op as of ${new Date(copy.madeAtMs).toISOString()} is in ${home}`);
    output.line("Start it: coop up, or the server's service. Jobs that were under way then are tried again.");
    if (copy.check === null)
      output.line("Its store was kept elsewhere and is not in it: bring that back with its own tools first.");
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
