/** Which packages each package's source may import: the arrows of the architecture. */
export const allowedPackages: Readonly<Record<string, readonly string[]>> = {
  core: [],
  protocol: ["core"],
  redis: ["core"],
  metrics: ["core"],
  api: ["core", "protocol", "metrics"],
  scheduler: ["core", "protocol", "metrics"],
  server: ["core", "protocol", "redis", "metrics", "api", "scheduler"],
  agent: ["core", "protocol", "metrics"],
  cli: ["protocol"],
  simulator: ["core", "protocol", "agent", "scheduler"],
};

/** The one place that may import a library, so that replacing the library stays a change of that place. */
const libraryHomes: readonly { readonly library: RegExp; readonly home: string }[] = [
  { library: /^(ioredis|bullmq)$/, home: "packages/redis/src/" },
  { library: /^@bull-board\//, home: "packages/server/src/" },
  { library: /^prom-client$/, home: "packages/metrics/src/" },
  { library: /^ollama$/, home: "packages/agent/src/engines/" },
  { library: /^systeminformation$/, home: "packages/agent/src/" },
];

/**
 * What is wrong with importing `specifier` from the source file `path`.
 * @param path relative to the repository, with forward slashes
 */
export function importFindings(path: string, specifier: string): string[] {
  const owner = packageOf(path);
  if (owner === undefined) return [];
  if (specifier.startsWith(".")) {
    return staysInside(path, specifier, `packages/${owner}/`)
      ? []
      : [`imports ${specifier}, which leaves its package`];
  }

  const target = /^@coop\/([^/]+)(\/.*)?$/.exec(specifier);
  if (target !== null) {
    const [, name = "", door] = target;
    if (specifier === "@coop/core/testing" && isForTests(path)) return [];
    if (door !== undefined) return [`imports ${specifier}: a package has one public door, @coop/${name}`];
    if (allowedPackages[owner]?.includes(name) === true) return [];
    return [`${owner} must not import @coop/${name}`];
  }

  if (owner === "core") return [`core imports nothing, yet it imports ${specifier}`];
  return libraryHomes
    .filter(({ library, home }) => library.test(specifier) && !path.startsWith(home))
    .map(({ home }) => `imports ${specifier}, which only ${home} may import`);
}

/** The package whose source `path` is, if it is one's. */
export function packageOf(path: string): string | undefined {
  return /^packages\/([^/]+)\/src\//.exec(path)?.[1];
}

/** A package's own doubles and harness, which its tests share. */
function isForTests(path: string): boolean {
  return /^packages\/[^/]+\/src\/testing\//.test(path);
}

function staysInside(path: string, specifier: string, folder: string): boolean {
  return new URL(specifier, `file:///${path}`).pathname.startsWith(`/${folder}src/`);
}
