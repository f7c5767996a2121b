/**
 * Finds out, from the blocks that prompts begin with, how much of each was seen before and which conversation it
 * goes on with: a prompt that holds all but the last block of a conversation's latest is its next turn. A latest
 * prompt has one next turn, so that what many conversations begin with joins none of them.
 */
export type BlockSharing = (blocks: readonly number[]) => {
  readonly session: string;
  /** Leading blocks that some earlier prompt had. */
  readonly sharedBlocks: number;
};

/** One block after the blocks above it. */
interface Branch {
  readonly next: Map<number, Branch>;
  /** The conversation whose latest prompt ended here, or at the block below. */
  latest: Conversation | null;
}

interface Conversation {
  readonly session: string;
  ends: readonly Branch[];
}

/** Prompts must arrive in order of time. */
export function blockSharing(): BlockSharing {
  const root: Branch = { next: new Map(), latest: null };
  let sessions = 0;
  return (blocks) => {
    let branch = root;
    let sharedBlocks = 0;
    let found: Conversation | null = null;
    const path: Branch[] = [];
    for (const block of blocks) {
      let next = branch.next.get(block);
      if (next === undefined) {
        next = { next: new Map(), latest: null };
        branch.next.set(block, next);
      } else if (sharedBlocks === path.length) sharedBlocks += 1;
      branch = next;
      path.push(branch);
      found = branch.latest ?? found;
    }
    const conversation: Conversation = found ?? { session: `s${(sessions += 1)}`, ends: [] };
    for (const end of conversation.ends) if (end.latest === conversation) end.latest = null;
    conversation.ends = path.slice(-2);
    for (const end of conversation.ends) end.latest = conversation;
    return { session: conversation.session, sharedBlocks };
  };
}
