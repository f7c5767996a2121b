/**
 * Finds out, from the blocks that prompts begin with, how much of each was seen before and which conversation it
 * goes on with: a prompt that holds all but the last block of an earlier one, and more, is its next turn.
 */
export type BlockSharing = (blocks: readonly number[]) => {
  readonly session: string;
  /** Leading blocks that some earlier prompt had. */
  readonly sharedBlocks: number;
};

/** One block after the blocks above it. */
interface Branch {
  readonly next: Map<number, Branch>;
  /** Of the last prompt that ended here, or at the block below. */
  session: string | null;
}

/** Prompts must arrive in order of time. */
export function blockSharing(): BlockSharing {
  const root: Branch = { next: new Map(), session: null };
  let sessions = 0;
  return (blocks) => {
    let branch = root;
    let sharedBlocks = 0;
    let session: string | null = null;
    const path: Branch[] = [];
    for (const block of blocks) {
      let next = branch.next.get(block);
      if (next === undefined) {
        next = { next: new Map(), session: null };
        branch.next.set(block, next);
      } else if (sharedBlocks === path.length) sharedBlocks += 1;
      branch = next;
      path.push(branch);
      session = branch.session ?? session;
    }
    session ??= `s${(sessions += 1)}`;
    for (const end of path.slice(-2)) end.session = session;
    return { session, sharedBlocks };
  };
}
