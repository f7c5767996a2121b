import type { Random } from "@coop/core";

/**
 * Repeatable randomness: streams of the same seed and name give the same numbers, and streams of different names
 * do not follow each other (splitmix32 over a hash of seed and name).
 */
export function createStream(seed: number, name: string): Random {
  let state = hash(`${seed}/${name}`);
  return {
    next() {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
    },
  };
}

/** FNV-1a, finished so that near inputs end far apart. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}

/** A standard normal number. */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}

/** An exponential number of mean 1. */
export const exponential = (random: Random): number => -Math.log(1 - random.next());
