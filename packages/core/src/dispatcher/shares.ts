/** Where a kind's jobs went lately: per node, the part of them, adding up to 1. */
export interface Shares {
  readonly of: (node: number) => number;
  /** A job of the kind started on a node. */
  readonly note: (node: number) => void;
  /** Sets the nodes that the kind may use, with the speed that one without history starts its share from. */
  readonly cover: (speeds: ReadonlyMap<number, number>) => void;
}

const RATE = 0.05;
const RESCALE_BELOW = 1e-9;

export function createShares(): Shares {
  /** Shares over `scale`: so that all of them fade at once. */
  const scaled = new Map<number, number>();
  let scale = 1;

  const rescale = (): void => {
    for (const [node, value] of scaled) scaled.set(node, value * scale);
    scale = 1;
  };

  return {
    of: (node) => (scaled.get(node) ?? 0) * scale,
    note(node) {
      scale *= 1 - RATE;
      scaled.set(node, (scaled.get(node) ?? 0) + RATE / scale);
      if (scale < RESCALE_BELOW) rescale();
    },
    cover(speeds) {
      rescale();
      for (const node of scaled.keys()) if (!speeds.has(node)) scaled.delete(node);
      let allSpeed = 0;
      for (const speed of speeds.values()) allSpeed += speed;
      let sum = 0;
      for (const [node, speed] of speeds) {
        const share = scaled.get(node) ?? speed / allSpeed;
        scaled.set(node, share);
        sum += share;
      }
      for (const [node, share] of scaled) scaled.set(node, share / sum);
    },
  };
}
