import { json } from "./operation.ts";
import type { Operation } from "./operation.ts";

const PROBLEMS = [401, 403, 500, 503] as const;

/** What operators did, under which settings, and what they erased. */
export const OVERSIGHT: readonly Operation[] = [
  {
    method: "delete",
    path: "/admin/members/{id}",
    id: "eraseMember",
    group: "Administration",
    summary: "Erases a member: content, keys, nodes and names; what was counted stays.",
    description:
      "Cancels what the member has under way. The last operator cannot be erased. May be repeated: an erasure that was cut short is finished.",
    access: "operator",
    parameters: [{ in: "path", name: "id", description: "The member's id or name." }],
    answers: [json("Erasure", "What was erased now.")],
    problems: [404, 409, ...PROBLEMS],
  },
  {
    method: "get",
    path: "/admin/audit",
    id: "listAudit",
    group: "Administration",
    summary: "The audit log: every act of an operator, oldest first.",
    access: "operator",
    parameters: [
      { in: "query", name: "after", description: "Entries after so many." },
      { in: "query", name: "limit", description: "Most entries, up to 1000; 100 when left out." },
    ],
    answers: [json("AuditList", "Entries.")],
    problems: [400, ...PROBLEMS],
  },
  {
    method: "get",
    path: "/admin/audit/verify",
    id: "verifyAudit",
    group: "Administration",
    summary:
      "Checks the audit log's chain of hashes and names each entry that was changed, removed or moved.",
    description:
      "Entries cut off the end are found by a head that was written down elsewhere: the hash of what was the last entry then.",
    access: "operator",
    parameters: [{ in: "query", name: "head", description: "The hash that was written down." }],
    answers: [json("AuditVerification", "What was found.")],
    problems: [400, ...PROBLEMS],
  },
  {
    method: "get",
    path: "/admin/settings",
    id: "getSettings",
    group: "Administration",
    summary: "The settings in force, as the server read them when it started.",
    access: "operator",
    answers: [json("Settings", "The settings.")],
    problems: PROBLEMS,
  },
  {
    method: "post",
    path: "/admin/snapshots",
    id: "takeSnapshot",
    group: "Administration",
    summary: "Writes the store as of this moment into a file on the server's machine, for `coop backup`.",
    access: "operator",
    answers: [json("Snapshot", "Where it is.", 201)],
    problems: PROBLEMS,
  },
];
