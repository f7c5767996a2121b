/** Which build a bundled agent is, as its bundler says; unknown where it runs from its sources. */
declare const COOP_AGENT_BUILD: string | undefined;

const VERSION = "0.1.0";

/** Version of this agent, as it reports itself: `0.1.0`, and with the build of a bundled one `0.1.0+1f3a9c2e`. */
export const AGENT_VERSION =
  typeof COOP_AGENT_BUILD === "undefined" ? VERSION : `${VERSION}+${COOP_AGENT_BUILD}`;
