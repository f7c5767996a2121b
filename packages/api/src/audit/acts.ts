/** What the audit log calls each act of an operator, by method and path. A route that changes something has one. */
export const ACTS: ReadonlyMap<string, string> = new Map([
  ["POST /admin/members", "members.add"],
  ["PATCH /admin/members/:id", "members.set"],
  ["POST /admin/members/:id/disable", "members.disable"],
  ["POST /admin/members/:id/enable", "members.enable"],
  ["DELETE /admin/members/:id", "members.erase"],
  ["POST /admin/members/:id/grants", "members.grant"],
  ["POST /admin/jobs/:id/refund", "jobs.refund"],
  ["POST /admin/members/:id/keys", "keys.create"],
  ["POST /admin/keys/:id/rotate", "keys.rotate"],
  ["DELETE /admin/keys/:id", "keys.revoke"],
  ["POST /admin/join-tokens", "join-tokens.create"],
  ["DELETE /admin/nodes/:id", "nodes.revoke"],
  ["POST /admin/nodes/:id/drain", "nodes.drain"],
  ["POST /admin/nodes/:id/undrain", "nodes.undrain"],
  ["POST /admin/snapshots", "store.snapshot"],
]);

const READING: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a method only reads. */
export const onlyReads = (method: string): boolean => READING.has(method);
