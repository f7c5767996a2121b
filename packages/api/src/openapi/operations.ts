import { AGENT_PACKAGE_INFO_PATH, AGENT_PACKAGE_PATH, JOIN_PATH, SERVER_IDENTITY_PATH } from "@coop/protocol";
import { ADMINISTRATION } from "./administration.ts";
import { OVERSIGHT } from "./audit.ts";
import { INFERENCE } from "./inference.ts";
import { JOBS } from "./jobs.ts";
import { REPORTS } from "./reports.ts";
import { json, JSON_TYPE } from "./operation.ts";
import type { Operation } from "./operation.ts";

const FLEET: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/nodes",
    id: "listNodes",
    group: "Fleet",
    summary: "The nodes, what they can do and what they do.",
    access: "member",
    answers: [json("NodeList", "The nodes as the scheduler last saw them.")],
    problems: [401, 500, 503],
  },
  {
    method: "get",
    path: "/v1/fleet",
    id: "getFleet",
    group: "Fleet",
    summary: "The fleet in sum.",
    access: "member",
    answers: [json("Fleet", "Totals over the nodes that are connected.")],
    problems: [401, 500, 503],
  },
  {
    method: "get",
    path: "/v1/quota",
    id: "getQuota",
    group: "Fleet",
    summary: "The caller's month: the limits that hold, where they come from, and what is used and left.",
    access: "member",
    answers: [json("Quota", "The month.")],
    problems: [401, 500, 503],
  },
];

const OTHERS: readonly Operation[] = [
  {
    method: "post",
    path: JOIN_PATH,
    id: "joinCoop",
    group: "Nodes",
    summary: "Exchanges a join token for a node's registration; agents do this.",
    access: "anyone",
    request: "JoinRequest",
    answers: [json("JoinResponse", "The node, and the server's proof of who it is.")],
    problems: [400, 401, 409, 410, 413, 500, 503],
  },
  {
    method: "get",
    path: "/healthz",
    id: "getHealth",
    group: "Server",
    summary: "Whether the server lives.",
    access: "anyone",
    answers: [json("Health", "It does.")],
    problems: [],
  },
  {
    method: "get",
    path: "/readyz",
    id: "getReadiness",
    group: "Server",
    summary: "Whether the server can serve.",
    access: "anyone",
    answers: [json("Readiness", "It can."), json("Readiness", "It cannot: its store does not answer.", 503)],
    problems: [500],
  },
  {
    method: "get",
    path: "/leadz",
    id: "getLead",
    group: "Server",
    summary: "Whether the scheduler that leads runs in this server: a proxy sends nodes' connections there.",
    access: "anyone",
    answers: [json("Lead", "It does."), json("Lead", "It does not.", 503)],
    problems: [500],
  },
  {
    method: "get",
    path: "/metrics",
    id: "getMetrics",
    group: "Server",
    summary:
      "What the server measured, for Prometheus; to its own machine, and to who sends the token for metrics.",
    access: "anyone",
    answers: [{ status: 200, description: "Metrics as text.", contents: [{ type: "text/plain" }] }],
    problems: [401, 403, 500],
  },
  {
    method: "get",
    path: AGENT_PACKAGE_PATH,
    id: "getAgentPackage",
    group: "Nodes",
    summary: "The agent as an npm tarball, for machines that join with one line.",
    access: "anyone",
    answers: [
      { status: 200, description: "The tarball.", contents: [{ type: "application/gzip" }] },
      { status: 304, description: "It is the one that If-None-Match names." },
    ],
    problems: [404, 500],
  },
  {
    method: "get",
    path: AGENT_PACKAGE_INFO_PATH,
    id: "getAgentPackageInfo",
    group: "Nodes",
    summary: "Version and digest of that agent, signed by the server.",
    access: "anyone",
    answers: [json("AgentPackage", "What the server vouches for.")],
    problems: [404, 500],
  },
  {
    method: "get",
    path: SERVER_IDENTITY_PATH,
    id: "getServerIdentity",
    group: "Server",
    summary:
      "The server's proof of who it is, over a nonce of whoever asks; agents check it before they move.",
    access: "anyone",
    parameters: [{ in: "query", name: "nonce", description: "22 to 86 letters, digits, - or _, made anew." }],
    answers: [json("ServerIdentity", "Its id, and its signature.")],
    problems: [400, 500],
  },
  {
    method: "get",
    path: "/openapi.json",
    id: "getOpenapi",
    group: "Server",
    summary: "This description (OpenAPI 3.1).",
    access: "anyone",
    answers: [{ status: 200, description: "The description.", contents: [{ type: JSON_TYPE }] }],
    problems: [],
  },
  {
    method: "get",
    path: "/docs",
    id: "getDocs",
    group: "Server",
    summary: "This description as a page.",
    access: "anyone",
    answers: [{ status: 200, description: "The page.", contents: [{ type: "text/html" }] }],
    problems: [],
  },
];

/** Everything that the HTTP surface does. */
export const OPERATIONS: readonly Operation[] = [
  ...INFERENCE,
  ...JOBS,
  ...FLEET,
  ...REPORTS,
  ...ADMINISTRATION,
  ...OVERSIGHT,
  ...OTHERS,
];
