import type { StoreSnapshots } from "@coop/core";
import type { SnapshotView } from "@coop/protocol";
import type { ApiContext } from "../deps.ts";

/** `POST /admin/snapshots`: a copy of the store, for whoever makes a backup on the server's machine. */
export const takeSnapshot =
  ({ snapshots }: { readonly snapshots: StoreSnapshots }) =>
  async (c: ApiContext): Promise<Response> => {
    const view: SnapshotView = { object: "coop.snapshot", path: await snapshots.take() };
    return c.json(view, 201);
  };
