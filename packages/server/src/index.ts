export { readConfig } from "./config.ts";
export type { ServerConfig } from "./config.ts";
export { startServer } from "./server.ts";
export type { RunningServer } from "./server.ts";
