import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { SandboxEvents } from "../audit/sandbox-events.ts";
import type { Caller } from "../callers/caller.ts";
import { createHostClient, type HostClient } from "../hosts/host-client.ts";
import { listenAtSocket } from "../http/testing/listen-locally.ts";
import type { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import { CommandService } from "./command-service.ts";

/** What the host says of a command: one byte of standard output, as ExecStreamResponse after flags and length. */
const BYTE_OF_OUTPUT = Buffer.from([0, 0, 0, 0, 3, 0x12, 1, 0x41]);
const PIECE = Buffer.concat(Array.from({ length: 8192 }, () => BYTE_OF_OUTPUT));
const CALLER = {} as Caller;

let server: Http2Server;
let host: HostClient;
let commands: CommandService;
beforeEach(async () => {
  server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on("error", () => undefined);
    const answer = () =>
      stream.destroyed || stream.respond({ ":status": 200, "content-type": "application/proto" }, { endStream: true });
    if (headers[":path"]?.endsWith("/ExecStream")) void flood(stream);
    // Later than it is waited for, if it is for so long only.
    else setTimeout(answer, Number(headers["connect-timeout-ms"] ?? -100) + 100);
  });
  host = createHostClient(await listenAtSocket(server));
  const access = { use: (_caller, _id, call) => call(host) } as Pick<SandboxAccess, "use">;
  const audit = { commandStarted: async () => undefined } as Pick<SandboxEvents, "commandStarted">;
  commands = new CommandService(access as SandboxAccess, audit as SandboxEvents);
});
afterEach(() => {
  host.close();
  server.close();
});

/** Output without end, as fast as it is taken. */
async function flood(stream: ServerHttp2Stream): Promise<void> {
  stream.respond({ ":status": 200, "content-type": "application/connect+proto" });
  while (!stream.destroyed) if (!stream.write(PIECE)) await new Promise((drained) => stream.once("drain", drained));
}

async function* noInput() {}

it("leaves other calls their time while a command has output without end, byte by byte", async () => {
  const client = new AbortController();
  const flooded = Promise.withResolvers<void>();
  let messages = 0;
  const consume = async () => {
    messages += 1;
    if (messages === 1000) flooded.resolve();
  };
  const start = { type: "start" as const, cmd: "yes" };
  const stream = commands.stream(CALLER, "flooding", start, noInput(), consume, client.signal);
  const over = expect(stream).rejects.toThrow();
  await flooded.promise;
  const before = messages;
  for (let call = 0; call < 5; call++) await host.agent.pingSandbox({ sandboxId: "other" });
  expect(messages - before).toBeLessThan(10_000);
  client.abort();
  await over;
});

it("waits for the host however long it waits for the guest", async () => {
  const result = await commands.exec(CALLER, "silent", { cmd: "true", timeout_sec: 1 }, new AbortController().signal);
  expect(result).toMatchObject({ exit_code: 0, timed_out: false });
}, 120_000);
