/** A co-op as a real Prometheus sees it: every panel has data, every alert fires, and the deployed files are right. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { jobViewSchema, NODE_SOCKET_PATH } from "@coop/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestContext } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { dashboards } from "../../grafana/dashboards/dashboards.ts";
import { untilEnded, untilJob } from "../harness/chaos.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { obtainPrometheus, startPrometheus } from "../harness/prometheus.ts";
import type { PrometheusPrograms, RunningPrometheus } from "../harness/prometheus.ts";
import { runTool } from "../harness/run-tool.ts";

const root = resolve(import.meta.dirname, "../..");
const alerts = join(root, "grafana/alerts");
const TOKEN = "a-token-for-metrics";
const SPEEDUP = 20;
/** A name that would end a label, if names were taken as they are. */
const PI = 'pi "of bo"} 1 #';
const SEEN_MS = 20_000;

let programs: PrometheusPrograms;
let folder: string;
beforeAll(async () => {
  programs = await obtainPrometheus();
  folder = await mkdtemp(join(tmpdir(), "coop-prometheus-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The programs, or the test ends here with why there are none. */
function found(context: TestContext): Extract<PrometheusPrograms, { kind: "found" }> {
  if (programs.kind === "missing") return context.skip(programs.why);
  return programs;
}

describe("promtool", () => {
  const check = async (context: TestContext, ...args: readonly string[]): Promise<string> => {
    const { kind, said } = await runTool(found(context).promtool, args);
    expect(kind, said).toBe("succeeded");
    return said;
  };

  it("finds nothing wrong with the alerts", async (context) => {
    expect(await check(context, "check", "rules", join(alerts, "coop.rules.yaml"))).toContain("SUCCESS");
  });

  it("fires each alert, and finds each quiet", async (context) => {
    const rules = await readFile(join(alerts, "coop.rules.yaml"), "utf8");
    const cases = await readFile(join(alerts, "coop.test.yaml"), "utf8");
    const names = Array.from(rules.matchAll(/- alert: (\w+)/g), ([, name]) => name);
    expect(names.length).toBeGreaterThan(8);
    for (const name of names) {
      expect(cases).toMatch(new RegExp(`name: "${name} fires`));
      expect(cases).toMatch(new RegExp(`alertname="${name}",alertstate="firing"`));
      expect(cases).toMatch(new RegExp(`name: "${name} is quiet`));
    }
    expect(await check(context, "test", "rules", join(alerts, "coop.test.yaml"))).toContain("SUCCESS");
  });

  it("reads what is deployed, and the files that it names are there", async (context) => {
    const deployed = await readFile(join(root, "deploy/prometheus.yml"), "utf8");
    const compose = await readFile(join(root, "deploy/compose.yaml"), "utf8");
    expect(compose).toContain("./prometheus.yml:/etc/prometheus/prometheus.yml:ro");
    expect(compose).toContain("../grafana/alerts/coop.rules.yaml:/etc/prometheus/coop.rules.yaml:ro");
    expect(compose).toMatch(/prometheus:[^]*secrets:\n\s+- metrics-token/);
    const token = join(folder, "metrics-token");
    await writeFile(token, TOKEN);
    const here = deployed
      .replace("/etc/prometheus/coop.rules.yaml", join(alerts, "coop.rules.yaml"))
      .replace("/run/secrets/metrics-token", token);
    expect(here).not.toMatch(/: \/(etc|run)\//);
    const path = join(folder, "deployed.yml");
    await writeFile(path, here);
    expect(await check(context, "check", "config", path)).toContain("SUCCESS");
  });
});

describe("a co-op that is watched", () => {
  let cluster: Cluster;
  let prometheus: RunningPrometheus;
  let ada: TestMember;
  let bo: TestMember;
  let pi: Awaited<ReturnType<Cluster["startAgent"]>>;

  beforeAll(async () => {
    if (programs.kind === "missing") return;
    cluster = await startCluster("quick", "warn", { COOP_METRICS_TOKEN: TOKEN });
    ada = await cluster.addMember("ada");
    bo = await cluster.addMember("bo");
    const machines = await cluster.startMachines(["mac-studio-m4-max-128", "raspberry-pi-5-8"], SPEEDUP);
    const home = join(cluster.home, "agents", "studio");
    await mkdir(home, { recursive: true });
    await writeFile(join(home, "agent.yaml"), "budget:\n  day: 2M\n  month: 20M\n");
    await cluster.startAgent("studio", machines.get("mac-studio-m4-max-128") ?? "", ada);
    pi = await cluster.startAgent(PI, machines.get("raspberry-pi-5-8") ?? "", bo);
    prometheus = await startPrometheus(programs.prometheus, folder, await configOf(cluster));
  });
  afterAll(async () => {
    await prometheus?.stop();
    await cluster?.stop();
  });

  /** Reads the co-op every second with its token, and once more with a wrong one; alerts need no patience. */
  async function configOf({ url }: Cluster): Promise<string> {
    const rules = (await readFile(join(alerts, "coop.rules.yaml"), "utf8"))
      .replace("interval: 30s", "interval: 1s")
      .replaceAll(/^( +for:) \S+$/gm, "$1 2s");
    await writeFile(join(folder, "rules.yaml"), rules);
    const target = (name: string, token: string): string => `
  - job_name: ${name}
    authorization: { credentials: ${token} }
    static_configs: [{ targets: ["${new URL(url).host}"], labels: { job: coop, instance: ${name} } }]`;
    return `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [${join(folder, "rules.yaml")}]
scrape_configs:${target("server", TOKEN)}${target("stranger", `${TOKEN}-no-more`)}
`;
  }

  const chat = async (member: TestMember, model: string): Promise<number> => {
    const body = JSON.stringify({
      model,
      messages: [{ role: "user", content: `Greet ${member.name}.` }],
      max_tokens: 40,
    });
    const response = await cluster.request("/v1/chat/completions", { method: "POST", key: member.key, body });
    await response.text();
    return response.status;
  };
  /** Submits a job that only its member's own nodes may run. */
  const submitOwn = async (member: TestMember, request: object): Promise<string> => {
    const response = await cluster.request("/v1/jobs", {
      method: "POST",
      key: member.key,
      headers: { "x-coop-privacy": "own" },
      body: JSON.stringify({ request }),
    });
    return jobViewSchema.parse(await response.json()).id;
  };
  /** An agent that says nothing that anyone understands; resolves when it was turned away. */
  const turnedAway = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(cluster.url.replace("http", "ws") + NODE_SOCKET_PATH);
      socket.on("open", () => socket.send("{}"));
      socket.on("close", () => resolve());
      socket.on("error", reject);
    });
  const figure = async (expr: string): Promise<number> =>
    (await prometheus.query(expr)).reduce((sum, { value }) => sum + value, 0);

  it("gives every panel of every dashboard data", async (context) => {
    found(context);
    const work = async (): Promise<void> => {
      const models = ["coop/edge", "coop/local-small", "coop/local-large"];
      const statuses = await Promise.all(
        [ada, bo].flatMap((member) => models.map((model) => chat(member, model))),
      );
      expect(statuses).toEqual(statuses.map(() => 200));
      expect(await chat(ada, "no-such-model")).toBe(404);
      await turnedAway();
    };
    // What is new to Prometheus has no rate yet: it has to see everything happen twice.
    for (const jobs of [6, 12]) {
      await work();
      await expect
        .poll(() => figure('coop_jobs_total{outcome="succeeded"}'), { timeout: SEEN_MS })
        .toBe(jobs);
    }
    const asked = queries({ node: "studio" });
    expect(asked.length).toBeGreaterThan(80);
    const empty: string[] = [];
    for (const { where, expr } of asked) {
      const samples = await prometheus.query(expr);
      if (!samples.some(({ value }) => !Number.isNaN(value))) empty.push(`${where}: ${expr}`);
    }
    expect(empty).toEqual([]);
    expect(await figure("sum(coop_node_slots)")).toBeGreaterThan(1);
    expect(await figure("max(coop_ledger_checked_timestamp_seconds)")).toBeGreaterThan(
      Date.now() / 1000 - 600,
    );
  });

  it("names its metrics as promtool would", async (context) => {
    const { promtool } = found(context);
    const response = await fetch(`${cluster.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const text = await response.text();
    const { said } = await runTool(promtool, ["check", "metrics"], text);
    const ours = said.split("\n").filter((line) => line.startsWith("coop_"));
    expect(ours).toEqual([]);
    expect(said).not.toMatch(/error while linting|text format parsing error/);
  });

  it("tells at once that a node is lost, that its job is tried again, and that a stranger reads nothing", async (context) => {
    found(context);
    const job = await submitOwn(bo, {
      model: "coop/edge",
      messages: [{ role: "user", content: "Tell me a long story." }],
      max_tokens: 4_000,
    });
    await untilJob(cluster, bo, job, ({ state }) => state === "running", SEEN_MS);
    await pi.kill9();

    const firing = async (name: string) =>
      (await prometheus.alerts()).find((alert) => alert.name === name && alert.state === "firing");
    await expect
      .poll(() => firing("CoopNodeLost"), { timeout: SEEN_MS })
      .toMatchObject({
        labels: { node: PI, owner: bo.id },
        annotations: {
          summary: `${PI} has been away for ten minutes`,
          description: expect.stringMatching(`member ${bo.id} .* What to do: ask its owner`),
        },
      });
    await expect
      .poll(() => firing("CoopServerDown"), { timeout: SEEN_MS })
      .toMatchObject({
        labels: { instance: "stranger" },
        annotations: { description: expect.stringContaining("401") },
      });
    const stranger = (await prometheus.targets()).find(({ instance }) => instance === "stranger");
    expect(stranger).toMatchObject({ health: "down", lastError: expect.stringContaining("401") });
    await expect
      .poll(() => figure('coop_attempt_retries_total{failure="node-lost"}'), { timeout: SEEN_MS })
      .toBe(1);
    await expect.poll(() => figure('coop_queue_depth_jobs{tier="edge"}'), { timeout: SEEN_MS }).toBe(1);
    await cluster.request(`/v1/jobs/${job}`, { method: "DELETE", key: bo.key });
    expect(await untilEnded(cluster, bo, job, SEEN_MS)).toMatchObject({ state: "cancelled" });
  });
});

const panels = z.object({
  panels: z.array(
    z.object({
      title: z.string(),
      targets: z.array(z.object({ expr: z.string() })).default([]),
      // A row may hold panels of its own; none of ours does.
      panels: z.array(z.unknown()).max(0).optional(),
    }),
  ),
});

/** Every query of every panel, with the dashboard's variables put in. */
function queries(variables: Readonly<Record<string, string>>) {
  return [...dashboards()].flatMap(([file, text]) =>
    panels.parse(JSON.parse(text)).panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => {
        const filled = expr.replaceAll(/\$(\w+)/g, (_, name: string) => variables[name] ?? `\$${name}`);
        return { where: `${file} "${title}"`, expr: filled };
      }),
    ),
  );
}
