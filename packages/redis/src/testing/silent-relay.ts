import { createConnection, createServer, type Socket } from "node:net";
import { dirname, join } from "node:path";

/** A socket that leads to a Redis, until it falls silent: what is connected stays connected and hears nothing. */
export interface SilentRelay extends AsyncDisposable {
  readonly path: string;
  /** Connections of now are dead from here on; new ones lead to Redis. */
  silence(): void;
}

export async function startSilentRelay(redisSocketPath: string): Promise<SilentRelay> {
  const path = join(dirname(redisSocketPath), "relay.sock");
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = createConnection(redisSocketPath);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) sockets.add(socket.on("error", () => socket.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    silence() {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
