import { once } from "node:events";
import { isErrorCode, WarrenError } from "@warren/contracts/errors";
import type { ProcessesFrame } from "@warren/contracts/rest/processes";
import WebSocket from "ws";
import { errorOf, unreachable } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** Yields once, and then whenever the list at `path` is another; changes that come while nobody takes one are one. */
export async function* watchProcesses(
  transport: Transport,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<void, void, undefined> {
  signal?.throwIfAborted();
  const url = transport.urlOf(path);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const { credentials: headers, agent } = transport;
  const socket = new WebSocket(url, { headers, agent, perMessageDeflate: false });
  let changed = false;
  let failure: Error | undefined;
  const news = new EventTarget();
  const tell = () => news.dispatchEvent(new Event("news"));
  const fail = (error: Error) => {
    failure ??= error;
    tell();
  };
  const onAbort = () => fail(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  socket.on("message", (data) => {
    const frame = JSON.parse(String(data)) as ProcessesFrame;
    if (frame.type === "error")
      return fail(new WarrenError(isErrorCode(frame.code) ? frame.code : "agent_error", frame.data));
    changed = true;
    tell();
  });
  socket.on("unexpected-response", (request, response) => {
    void errorOf(response).then((error) => {
      request.destroy();
      fail(error);
    });
  });
  socket.on("error", (error) => fail(unreachable(transport.base.origin, error)));
  socket.on("close", (code) => fail(unreachable(transport.base.origin, `the connection closed (${code})`)));
  try {
    for (;;) {
      if (failure) throw failure;
      if (changed) {
        changed = false;
        yield;
      } else await once(news, "news");
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    socket.terminate();
  }
}
