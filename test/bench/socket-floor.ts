import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";
import type { RawData } from "ws";

const SOCKETS = 2;
const IN_FLIGHT = 32;
const frame = JSON.stringify({
  kind: "output",
  job: "job_0",
  epoch: 1,
  seq: 1,
  deltas: [{ kind: "content", text: "~0 " }],
  tokens: 1,
});

const parse = (data: RawData): unknown => JSON.parse(textOf(data));

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return (data instanceof ArrayBuffer ? Buffer.from(data) : data).toString("utf8");
}

/** Round trips a second of JSON frames over bare WebSockets, both ends in this process: what no co-op can exceed. */
export async function bareRoundTripsPerSecond(durationMs: number): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  await once(server, "listening");
  server.on("connection", (socket) =>
    socket.on("message", (data) => socket.send(JSON.stringify(parse(data)))),
  );
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  let trips = 0;
  const endsAtMs = performance.now() + durationMs;
  const client = async (): Promise<void> => {
    const socket = new WebSocket(`ws://127.0.0.1:${address.port}`, { perMessageDeflate: false });
    await once(socket, "open");
    socket.on("message", (data) => {
      parse(data);
      trips += 1;
      if (performance.now() < endsAtMs) socket.send(frame);
      else socket.terminate();
    });
    for (let count = 0; count < IN_FLIGHT; count += 1) socket.send(frame);
    await once(socket, "close");
  };
  await Promise.all(Array.from({ length: SOCKETS }, client));
  server.close();
  await once(server, "close");
  return (trips * 1000) / durationMs;
}
