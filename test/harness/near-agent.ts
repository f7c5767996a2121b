/**
 * PROGRAM for tests: the agent as it is, with the luck to draw short pauses before it connects again. A quick server
 * waits for its agents for seconds after a start, and one that stays away for half a minute, as an agent may, loses
 * its attempt by right.
 */
const LUCK = 1 / 30;

const draw = Math.random;
Math.random = () => draw() * LUCK;
await import("../../packages/agent/src/main.ts");
