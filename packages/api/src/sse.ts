/** Server-sent events: writing them, and keeping their connection alive and bounded. */

/** One event; data of several lines is not supported, JSON has none. */
export function sseEvent(
  data: string,
  fields: { readonly event?: string; readonly id?: string } = {},
): string {
  const head = `${fields.event === undefined ? "" : `event: ${fields.event}\n`}${fields.id === undefined ? "" : `id: ${fields.id}\n`}`;
  return `${head}data: ${data}\n\n`;
}

/** A comment that clients skip and that keeps proxies from closing a silent connection. */
export const SSE_PING = ": ping\n\n";

export const SSE_HEADERS: Readonly<Record<string, string>> = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-cache",
  "X-Accel-Buffering": "no",
};

export interface SseStream {
  readonly body: ReadableStream<Uint8Array>;
  /** Resolves when the last byte was taken, or the reader went or was given up. */
  readonly ended: Promise<void>;
}

/**
 * A response body of the frames, made as fast as the member reads.
 * @param close stops what makes the frames; called when the reader goes or takes nothing for `stalledReaderMs`
 */
export function sseStream(
  frames: AsyncGenerator<string, void>,
  close: () => void,
  stalledReaderMs: number,
): SseStream {
  const encoder = new TextEncoder();
  const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
  let stall: NodeJS.Timeout | undefined;

  const stop = (): void => {
    clearTimeout(stall);
    close();
    end(undefined);
  };
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        clearTimeout(stall);
        const frame = await frames.next().catch((error: unknown) => {
          stop();
          throw error;
        });
        if (frame.done === true) {
          controller.close();
          end(undefined);
          return;
        }
        controller.enqueue(encoder.encode(frame.value));
        stall = setTimeout(() => {
          controller.error(new Error(`the reader took nothing for ${stalledReaderMs} ms`));
          stop();
        }, stalledReaderMs);
      },
      cancel: () => stop(),
    },
    { highWaterMark: 0 },
  );
  return { body, ended };
}
