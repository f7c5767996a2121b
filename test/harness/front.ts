import { once } from "node:events";
import { createServer, request as forward } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

/** What stands before a co-op of several processes, as Caddy does in `deploy/`. */
export interface Front extends AsyncDisposable {
  readonly url: string;
  /** Addresses of processes that serve members; each request goes to the next. */
  apis: readonly string[];
  /** Addresses of schedulers; a node's connection goes to the one that leads. */
  schedulers: readonly string[];
}

/** Nodes' connections go to a scheduler, all else to an api. */
export async function startFront(): Promise<Front> {
  let turn = 0;
  const server = createServer((incoming, response) => {
    turn += 1;
    pass(incoming, response, front.apis[turn % front.apis.length] ?? "");
  });
  server.on("upgrade", (incoming, socket, head) => void upgrade(incoming, socket, head, front.schedulers));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const front: Front = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    apis: [],
    schedulers: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return front;
}

function pass(incoming: IncomingMessage, response: ServerResponse, api: string): void {
  const { method = "GET", headers, url = "/" } = incoming;
  const onward = forward(api + url, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => {
    if (!response.headersSent) response.writeHead(502);
    response.end();
  });
  incoming.pipe(onward);
}

async function upgrade(
  { url, rawHeaders }: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  schedulers: readonly string[],
): Promise<void> {
  const lines = [`GET ${url} HTTP/1.1`];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  socket.on("error", () => socket.destroy());
  for (const scheduler of schedulers) {
    if (!(await leads(scheduler))) continue;
    const { hostname, port } = new URL(scheduler);
    const onward = connect(Number(port), hostname);
    onward.on("error", () => socket.destroy());
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    onward.write(`${lines.join("\r\n")}\r\n\r\n`);
    onward.write(head);
    onward.pipe(socket).pipe(onward);
    return;
  }
  socket.end("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n");
}

/** Whether a scheduler is there and leads, as it says when a proxy asks after its health. */
const leads = (scheduler: string): Promise<boolean> =>
  fetch(`${scheduler}/leadz`).then(
    ({ ok }) => ok,
    () => false,
  );
