import { DEFAULT_SETTINGS, LIMIT_BOUNDS, nearestNames, TIERS } from "@coop/core";
import type { CoopSettings, DefaultQuota, Tier } from "@coop/core";
import { z } from "zod";
import { isTimeZone } from "./time-zone.ts";

/** Every message says what the field takes; whoever reports it names the line, the field and what stood there. */
const takes = (what: string): { readonly error: string } => ({ error: `takes ${what}` });

const MONEY_MOST = 1_000_000_000;
const WATTS_MOST = 100_000;
const MONTHS_MOST = 240;
const NAME_LENGTH = 80;
const CLOUD_PRICES_MOST = 20;
const MACHINES_MOST = 500;
/** The record of a job that has ended lives this long, and nothing of it is kept longer. */
const RETENTION_MOST_DAYS = 30;
const DAY_MS = 86_400_000;
const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", DAY_MS],
]);

/** A number as people write large ones: `20_000_000`. */
const readable = (value: unknown): unknown =>
  typeof value === "string" && /^-?\d{1,3}(_\d{3})+(\.\d+)?$/.test(value)
    ? Number(value.replaceAll("_", ""))
    : value;

const numberFrom = (least: number, most: number, what: string) =>
  z.preprocess(readable, z.number(takes(what)).min(least, takes(what)).max(most, takes(what)));

const wholeFrom = (least: number, most: number, what: string) =>
  z.preprocess(readable, z.int(takes(what)).min(least, takes(what)).max(most, takes(what)));

const text = (what: string) =>
  z
    .string(takes(what))
    .trim()
    .min(1, takes(what))
    .max(NAME_LENGTH, takes(what))
    .regex(/^\P{Cc}*$/u, takes(what));

const TOKENS_A_MONTH = `a whole number of tokens from 1 to ${LIMIT_BOUNDS.tokensPerMonthMost}, "equal-share" or "unlimited"`;
const tokensPerMonth = z.union(
  [z.literal(["equal-share", "unlimited"]), wholeFrom(1, LIMIT_BOUNDS.tokensPerMonthMost, TOKENS_A_MONTH)],
  takes(TOKENS_A_MONTH),
);

function limit(most: number) {
  const what = `a whole number from 1 to ${most}, or "unlimited"`;
  return z
    .union([z.literal("unlimited"), wholeFrom(1, most, what)], takes(what))
    .transform((value) => (value === "unlimited" ? null : value));
}

/** Fields by name. The message about a name that is not among them is the names that are, with spaces. */
const fields = <Shape extends z.ZodRawShape>(shape: Shape, what: string) =>
  z.strictObject(shape, {
    error: ({ code }) => (code === "unrecognized_keys" ? Object.keys(shape).join(" ") : `takes ${what}`),
  });

const perTier = <Value extends z.ZodType>(value: Value) =>
  fields(
    {
      edge: value.optional(),
      "local-small": value.optional(),
      "local-large": value.optional(),
      frontier: value.optional(),
    } satisfies Record<Tier, unknown>,
    "tiers, each with its number",
  );

const RETENTION = `a time such as 90m, 24h or 7d, at most ${RETENTION_MOST_DAYS}d, or 0`;
const retention = z.union([z.string(), z.number()], takes(RETENTION)).transform((value, context) => {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(String(value)) ?? [];
  const ms = String(value) === "0" ? 0 : Number(amount) * (UNITS_MS.get(unit ?? "") ?? Number.NaN);
  if (ms >= 0 && ms <= RETENTION_MOST_DAYS * DAY_MS) return ms;
  context.addIssue({ code: "custom", message: `takes ${RETENTION}` });
  return z.NEVER;
});

const nearestZone = (wanted: string): string =>
  nearestNames(wanted, Intl.supportedValuesOf("timeZone"))[0] ?? "";

const timeZone = z.string(takes("an IANA time zone such as Europe/Stockholm")).refine(isTimeZone, {
  error: ({ input }) => `takes an IANA time zone; the nearest is ${nearestZone(String(input))}`,
});

const currency = z
  .string(takes("an ISO 4217 currency such as SEK"))
  .refine(
    (code) => Intl.supportedValuesOf("currency").includes(code),
    takes("an ISO 4217 currency such as SEK, EUR or USD"),
  );

const WATTS = `watts, from 0 to ${WATTS_MOST}`;
const machine = fields(
  {
    price: numberFrom(0, MONEY_MOST, "what was paid for the machine, 0 or more"),
    busyWatts: numberFrom(0, WATTS_MOST, WATTS),
    idleWatts: numberFrom(0, WATTS_MOST, WATTS),
  },
  "price, busyWatts and idleWatts",
).refine(({ busyWatts, idleWatts }) => idleWatts <= busyWatts, {
  path: ["idleWatts"],
  error: "takes no more than busyWatts",
});

const PRICE = "a price for a million tokens, 0 or more";
const cloudPrice = fields(
  {
    name: text(`a name of 1 to ${NAME_LENGTH} characters`),
    inputPerMillion: numberFrom(0, MONEY_MOST, PRICE),
    outputPerMillion: numberFrom(0, MONEY_MOST, PRICE),
  },
  "name, inputPerMillion and outputPerMillion",
);

const cloudPrices = z
  .array(cloudPrice, takes("a list of prices, each beginning with a -"))
  .max(CLOUD_PRICES_MOST, takes(`at most ${CLOUD_PRICES_MOST} prices`))
  .superRefine((prices, context) => {
    prices.forEach(({ name }, index) => {
      if (prices.findIndex((other) => other.name === name) === index) return;
      context.addIssue({
        code: "custom",
        path: [index, "name"],
        message: "takes a name that no other price has",
      });
    });
  });

const machines = z
  .record(z.string(), machine, takes("machines by name"))
  .refine((all) => Object.keys(all).length <= MACHINES_MOST, takes(`at most ${MACHINES_MOST} machines`));

const section = <Shape extends z.ZodRawShape>(shape: Shape) =>
  fields(shape, `a section with ${Object.keys(shape).join(", ")}`).optional();

/** The tree of `coop.yaml` without what is empty, as settings; what is left out has its default. */
export const settingsShape = (machineTimeZone: string) =>
  fields(
    {
      name: text(`a name of 1 to ${NAME_LENGTH} characters`).optional(),
      timeZone: timeZone.optional(),
      quotas: section({
        tokensPerMonth: tokensPerMonth.optional(),
        shareOfCapacity: z
          .number(takes("a number above 0 and at most 1"))
          .gt(0, takes("a number above 0 and at most 1"))
          .max(1, takes("a number above 0 and at most 1"))
          .optional(),
        tierTokensPerMonth: perTier(
          wholeFrom(0, LIMIT_BOUNDS.tokensPerMonthMost, "a whole number of tokens such as 5_000_000"),
        ).optional(),
        jobsAtOnce: limit(LIMIT_BOUNDS.jobsAtOnceMost).optional(),
        requestsPerMinute: limit(LIMIT_BOUNDS.requestsPerMinuteMost).optional(),
      }),
      contribution: section({
        creditPerMille: perTier(wholeFrom(0, 1_000, "a whole number from 0 to 1,000")).optional(),
      }),
      retention: retention.optional(),
      money: section({
        currency: currency.optional(),
        electricityPerKwh: numberFrom(0, MONEY_MOST, "a price for a kilowatt-hour, 0 or more").optional(),
        hardwareMonths: wholeFrom(
          1,
          MONTHS_MOST,
          `a whole number of months from 1 to ${MONTHS_MOST}`,
        ).optional(),
        otherPerMonth: numberFrom(0, MONEY_MOST, "an amount a month, 0 or more").optional(),
        machines: machines.optional(),
        cloudPrices: cloudPrices.optional(),
      }),
    },
    "settings by name, such as timeZone: Europe/Stockholm",
  ).transform((file): CoopSettings => {
    const { quotas, contribution, money } = DEFAULT_SETTINGS;
    return {
      name: file.name ?? DEFAULT_SETTINGS.name,
      timeZone: file.timeZone ?? machineTimeZone,
      quotas: {
        tokensPerMonth: monthlyQuota(file.quotas),
        tierTokensPerMonth: withoutGaps(file.quotas?.tierTokensPerMonth ?? {}),
        jobsAtOnce: file.quotas?.jobsAtOnce ?? quotas.jobsAtOnce,
        requestsPerMinute: file.quotas?.requestsPerMinute ?? quotas.requestsPerMinute,
      },
      contribution: {
        creditPerMille: {
          ...contribution.creditPerMille,
          ...withoutGaps(file.contribution?.creditPerMille ?? {}),
        },
      },
      retentionMs: file.retention ?? DEFAULT_SETTINGS.retentionMs,
      money: {
        currency: file.money?.currency ?? money.currency,
        electricityPerKwh: file.money?.electricityPerKwh ?? money.electricityPerKwh,
        hardwareMonths: file.money?.hardwareMonths ?? money.hardwareMonths,
        otherPerMonth: file.money?.otherPerMonth ?? money.otherPerMonth,
        machines: file.money?.machines ?? money.machines,
        cloudPrices: file.money?.cloudPrices ?? money.cloudPrices,
      },
    };
  });

function monthlyQuota(
  quotas: {
    readonly tokensPerMonth?: string | number | undefined;
    readonly shareOfCapacity?: number | undefined;
  } = {},
): DefaultQuota {
  const { tokensPerMonth: tokens, shareOfCapacity = 1 } = quotas;
  if (typeof tokens === "number") return { kind: "tokens", tokens };
  return tokens === "unlimited" ? { kind: "unlimited" } : { kind: "equal-share", shareOfCapacity };
}

function withoutGaps(
  byTier: Readonly<Partial<Record<Tier, number | undefined>>>,
): Readonly<Partial<Record<Tier, number>>> {
  const whole: Partial<Record<Tier, number>> = {};
  for (const tier of TIERS) {
    const value = byTier[tier];
    if (value !== undefined) whole[tier] = value;
  }
  return whole;
}
