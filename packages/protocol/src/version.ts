/** Version of the node protocol. A peer with another major version is refused with both versions named. */
export const PROTOCOL_VERSION = 1;
/** Largest frame from an agent, bytes. */
export const MAX_AGENT_FRAME_BYTES = 1024 * 1024;
/** Largest frame to an agent, bytes. */
export const MAX_SCHEDULER_FRAME_BYTES = 8 * 1024 * 1024;
/** Output that an attempt may have on its way before its first `ack`, bytes. */
export const INITIAL_CREDIT_BYTES = 64 * 1024;
/** Path of the node WebSocket on the server. */
export const NODE_SOCKET_PATH = "/nodes/connect";
