import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the server got it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export type Reply =
  | { readonly status: number; readonly json: unknown }
  | { readonly status: number; readonly text: string; readonly headers?: Readonly<Record<string, string>> }
  | "silence"
  | "hang-up";

/** A server at the wire that answers what its test says. */
export interface ScriptedCoop extends AsyncDisposable {
  readonly url: string;
  readonly requests: SeenRequest[];
}

/** @param reply for each request, by `METHOD /path?query` */
export async function startScriptedCoop(reply: (route: string) => Reply): Promise<ScriptedCoop> {
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      requests.push({ method, path, headers, body: Buffer.concat(chunks).toString("utf8") });
      const answer = reply(`${method} ${path}`);
      if (answer === "silence") return;
      if (answer === "hang-up") request.socket.destroy();
      else if ("json" in answer) response.writeHead(answer.status).end(JSON.stringify(answer.json));
      else response.writeHead(answer.status, { ...answer.headers }).end(answer.text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** An error body as every endpoint answers. */
export const problem = (message: string, more: Readonly<Record<string, unknown>> = {}) => ({
  error: { message, type: "invalid_request_error", param: null, code: "some_code", ...more },
});
