import type { AuditTrail } from "@coop/api";
import type { Clock, Erasures, Log } from "@coop/core";

interface UnfinishedDeps {
  readonly erasures: Erasures;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly log: Log;
}

/** Ends what a server that was killed began: every erasure that was cut short, written down as the server's act. */
export async function finishErasures({ erasures, audit, clock, log }: UnfinishedDeps): Promise<void> {
  for (const member of await erasures.unfinished()) {
    const act = { actor: "server", key: null, act: "members.erase", target: member, detail: "{}" } as const;
    // One after another: each is written down before it is done.
    // oxlint-disable-next-line no-await-in-loop
    const asked = await audit.record({ ...act, phase: "asked", of: null });
    // oxlint-disable-next-line no-await-in-loop
    const { kind } = await erasures.eraseMember(member, clock.now());
    const phase = kind === "erased" ? "done" : "refused";
    // oxlint-disable-next-line no-await-in-loop
    await audit.record({ ...act, phase, of: asked.seq });
    log.info({ member, phase }, "an erasure that was cut short was taken up again");
  }
}
