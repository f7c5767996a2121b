/** Version of this agent, as it reports itself. */
export const AGENT_VERSION = "0.1.0";
