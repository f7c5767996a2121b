import { assertNever } from "@coop/core";
import type { Statement } from "@coop/core";
import type { StatementView } from "@coop/protocol";
import type { ApiContext } from "../deps.ts";
import { knownMember } from "../known-member.ts";
import { pageHeaders } from "../page-headers.ts";
import { periodOf, wordOf } from "../report-query.ts";
import { statementCsv } from "../statement/csv.ts";
import { statementMarkdown } from "../statement/markdown.ts";
import { statementPage } from "../statement/page.ts";
import { STATEMENT_STYLE } from "../statement/style.ts";
import { CSV_TYPE } from "./usage.ts";
import type { ReportRoutesDeps } from "./usage.ts";

const FORMATS = ["json", "html", "md", "csv"] as const;
const HTML_HEADERS = pageHeaders(STATEMENT_STYLE);

/** `GET /v1/statement`: the caller's own month. */
export const ownStatement =
  ({ clock, calendar, reading }: ReportRoutesDeps) =>
  async (c: ApiContext): Promise<Response> => {
    const format = wordOf(c, "format", FORMATS);
    const period = periodOf(c, calendar, clock.now());
    return rendered(c, await reading.statementOf(c.get("caller").member, period), format);
  };

/** `GET /admin/statement`: a member's month, or the fleet's with a row a member. */
export const anyStatement =
  ({ clock, calendar, members, reading }: ReportRoutesDeps) =>
  async (c: ApiContext): Promise<Response> => {
    const format = wordOf(c, "format", FORMATS);
    const period = periodOf(c, calendar, clock.now());
    const wanted = c.req.query("member");
    const statement =
      wanted === undefined
        ? await reading.fleetStatement(period)
        : await reading.statementOf(await knownMember(members, wanted, "member"), period);
    return rendered(c, statement, format);
  };

async function rendered(
  c: ApiContext,
  statement: Statement,
  format: (typeof FORMATS)[number],
): Promise<Response> {
  switch (format) {
    case "json": {
      const view: StatementView = { object: "coop.statement", ...statement };
      return c.json(view);
    }
    case "html":
      return c.body(await statementPage(statement), 200, HTML_HEADERS);
    case "md":
      return c.body(statementMarkdown(statement), 200, { "Content-Type": "text/markdown; charset=utf-8" });
    case "csv":
      return c.body(statementCsv(statement), 200, { "Content-Type": CSV_TYPE });
    default:
      return assertNever(format);
  }
}
