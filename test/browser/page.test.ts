import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { SCREENSHOTS, seriousFaults, startBrowser, watch } from "./browser.ts";

let coop: Cluster;
let browser: Browser;
let maja: TestMember;

beforeAll(async () => {
  browser = await startBrowser();
  coop = await startCluster();
  maja = await coop.addMember("maja");
  const machines = await coop.startMachines(["mac-studio-m4-max-128", "raspberry-pi-5-8"], 2);
  for (const [profile, url] of machines) await coop.startAgent(profile, url, maja);
});
afterAll(async () => {
  await browser.close();
  await coop.stop();
});

interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: "light" | "dark";
}

async function open({ width = 1100, height = 900, colorScheme = "light" }: Look = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  const watched = watch(page, new URL(coop.url).origin);
  await page.goto(coop.url);
  return { page, watched };
}

const picture = async (page: Page, name: string): Promise<void> => {
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
};

async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

async function send(page: Page, prompt: string, model: string): Promise<void> {
  await page.getByLabel("Model").selectOption(model);
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByRole("button", { name: "Send" }).click();
}

const usedTokens = async (page: Page): Promise<number> => {
  const text = await page.locator("#quota-view").textContent();
  return Number(/([\d,]+) tokens used/.exec(text ?? "")?.[1]?.replaceAll(",", "") ?? Number.NaN);
};

test("everyone sees the fleet live, in light and dark, on a desk and on a phone", async () => {
  for (const look of [
    {},
    { colorScheme: "dark" },
    { width: 390, height: 844 },
    { width: 390, height: 844, colorScheme: "dark" },
  ] as const satisfies readonly Look[]) {
    const { page, watched } = await open(look);
    await page.locator("#machines tbody tr").nth(1).waitFor();
    await page.locator("#rate-chart canvas").waitFor();
    expect(await page.locator("#connected").textContent()).toBe("2");
    const overflow = await page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(overflow).toBe(0);
    expect(await seriousFaults(page)).toEqual([]);
    await picture(page, `fleet-${look.colorScheme ?? "light"}-${look.width ?? 1100}`);
    expect(watched.faults).toEqual([]);
    await page.context().close();
  }
});

test("a member signs in, watches an answer stream, sees where it ran, stops one, and sees the quota change", async () => {
  const { page, watched } = await open();
  await signIn(page, maja.key);
  await expect.poll(() => usedTokens(page)).toBe(0);
  await send(page, "Why is the sky blue?", "coop/local-large");
  const answer = page.locator("#answer");
  await expect.poll(() => answer.textContent()).toContain("simulated");
  const early = (await answer.textContent())?.length ?? 0;
  await expect.poll(async () => (await answer.textContent())?.length ?? 0).toBeGreaterThan(early);
  await expect.poll(() => page.locator("#ask-state").textContent()).toBe("done");
  await page.getByText("It ran on mac-studio").click();
  await page.locator("#why-table td").first().waitFor();
  await expect.poll(() => usedTokens(page)).toBeGreaterThan(0);
  await picture(page, "answered");
  expect(await seriousFaults(page)).toEqual([]);

  await send(page, "Tell me a very long story", "coop/local-large");
  await expect.poll(() => answer.textContent()).toContain("simulated");
  await page.getByRole("button", { name: "Stop" }).click();
  await expect.poll(() => page.locator("#ask-state").textContent()).toBe("stopped");
  await expect.poll(() => page.locator("#jobs-table .state").first().textContent()).toBe("cancelled");
  await picture(page, "stopped");
  expect(watched.faults).toEqual([]);

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  await page.context().close();
});

test("a waiting job is cancelled from the list of jobs", async () => {
  const { page, watched } = await open();
  await signIn(page, maja.key);
  const body = {
    request: { model: "coop/local-large", max_tokens: 4000, messages: [{ role: "user", content: "Go on" }] },
  };
  await coop.request("/v1/jobs", { method: "POST", key: maja.key, body: JSON.stringify(body) });
  await page
    .getByRole("button", { name: /^Cancel job_/ })
    .first()
    .click();
  await expect.poll(() => page.locator("#jobs-table .state").first().textContent()).toBe("cancelled");
  expect(watched.faults).toEqual([]);
  await page.context().close();
});

test("an operator sees the members and makes a token with which a machine joins", async () => {
  const { page, watched } = await open();
  await signIn(page, coop.operatorKey);
  await page.getByRole("rowheader", { name: "maja" }).waitFor();
  await page.getByLabel("It belongs to").selectOption({ label: "maja" });
  await page.getByRole("button", { name: "Make a token" }).click();
  await expect.poll(() => page.locator("#join-result").textContent()).toContain("start --join coopjoin_");
  await page.locator("#join-result").evaluate((result) => {
    result.textContent = "…";
  });
  await picture(page, "operator");
  expect(await seriousFaults(page)).toEqual([]);
  expect(watched.faults).toEqual([]);
  await page.context().close();
});

test("an operator's phone shows all of it without moving sideways, and what went wrong", async () => {
  const { page } = await open({ width: 390, height: 844 });
  await signIn(page, coop.operatorKey);
  await page.locator("#nodes-table tbody tr").nth(1).waitFor();
  expect(
    await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"),
  ).toBe(0);
  await page.context().setOffline(true);
  await page
    .getByRole("button", { name: /^Drain / })
    .first()
    .click();
  await page.getByRole("alert").filter({ hasText: "The co-op does not answer" }).waitFor();
  await picture(page, "operator-phone");
  expect(await seriousFaults(page)).toEqual([]);
  await page.context().close();
});

test("everything is reached by keyboard, and a key that does not serve is refused with its reason", async () => {
  const { page } = await open();
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
  for (let presses = 0; presses < 20; presses += 1) {
    if ((await page.evaluate("document.activeElement.id")) === "key") break;
    await page.keyboard.press("Tab");
  }
  await page.keyboard.type("coop_wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("alert").textContent()).toContain("This is no complete API key");
  await page.context().close();
});

test("an operator looks at the queue, which asks nothing of anybody else and offers no change", async () => {
  const { page, watched } = await open();
  await signIn(page, coop.operatorKey);
  await page.getByRole("link", { name: "The job queue" }).click();
  await page.getByText("jobs", { exact: true }).first().waitFor();
  await page.goto(`${coop.url}/admin/queues/queue/jobs?status=completed`);
  await page.getByText(/^job_/).first().waitFor();
  expect(await page.getByRole("button", { name: /retry|clean|promote|add job|obliterate/i }).count()).toBe(0);
  await picture(page, "queue");
  expect(watched.faults).toEqual([]);
  await page.context().close();
});

test("an operator drains a node and lets it serve again by keyboard, and revokes one after a question", async () => {
  const { page, watched } = await open();
  await signIn(page, coop.operatorKey);
  const nodes = page.locator("#nodes-table");
  const row = nodes.getByRole("row", { name: /raspberry-pi-5-8/ });
  await row.getByText("takes jobs").waitFor();
  await row.getByRole("button", { name: /^Drain / }).focus();
  await page.keyboard.press("Enter");
  await row.getByText("drained", { exact: true }).waitFor();
  await page.getByText("drained by an operator").waitFor();
  expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe(
    "Undrain raspberry-pi-5-8",
  );
  await picture(page, "nodes");
  expect(await seriousFaults(page)).toEqual([]);
  await page.keyboard.press("Enter");
  await row.getByText("takes jobs").waitFor();

  page.once("dialog", (dialog) => void dialog.dismiss());
  await row.getByRole("button", { name: /^Revoke / }).click();
  expect(await row.count()).toBe(1);
  page.once("dialog", (dialog) => void dialog.accept());
  await row.getByRole("button", { name: /^Revoke / }).click();
  await row.waitFor({ state: "detached" });
  expect(watched.faults).toEqual([]);
  await page.context().close();
});
