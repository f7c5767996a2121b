/** The HTTP surface: authentication, admission, dialects, jobs, fleet and administration, over ports. */
export * from "./app.ts";
export * from "./api-key.ts";
export * from "./deps.ts";
export * from "./ids.ts";
