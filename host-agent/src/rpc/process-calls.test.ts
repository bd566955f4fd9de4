import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import {
  ExecStreamRequestSchema,
  ListProcessesRequestSchema,
  SignalProcessRequestSchema,
  StartProcessRequestSchema,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { expect, it, test } from "vitest";
import { useFakeHost } from "../testing/fake-host.ts";
import { execStream } from "./exec-stream.ts";
import { processCalls } from "./process-calls.ts";

const host = useFakeHost();
const CONTEXT = { signal: new AbortController().signal } as HandlerContext;
const calls = () => processCalls(host().sandboxes);
const start = async (request: MessageInitShape<typeof StartProcessRequestSchema>) =>
  calls().startProcess(create(StartProcessRequestSchema, request), CONTEXT);
const list = async (sandboxId: string) =>
  (await calls().listProcesses(create(ListProcessesRequestSchema, { sandboxId }), CONTEXT)).processes ?? [];
const signal = async (request: MessageInitShape<typeof SignalProcessRequestSchema>) =>
  calls().signalProcess(create(SignalProcessRequestSchema, request), CONTEXT);

type First = NonNullable<MessageInitShape<typeof ExecStreamRequestSchema>["message"]>;
/** What the call says to its first message, and then to none until it ends. */
async function* stream(message: First, leave = CONTEXT.signal) {
  async function* requests() {
    yield create(ExecStreamRequestSchema, { message });
    await new Promise((resolve) => leave.addEventListener("abort", resolve, { once: true }));
  }
  for await (const said of execStream(host().sandboxes, requests(), { signal: leave } as HandlerContext)) {
    yield said.message;
  }
}
const codeOf = async (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: unknown) => (error instanceof WarrenError ? error.code : String(error)),
  );

it.each(["7", "a b", "-a", "ä", "a/b", "a\n", "x".repeat(65)])(
  "a tag like %j is refused, and starts nothing",
  async (tag) => {
    const sandboxId = await host().create();
    const process = { selector: { case: "tag" as const, value: tag } };
    const command = { cmd: "sh", args: ["-c", "echo > started"] };
    const refused = [
      start({ sandboxId, command, tag }),
      signal({ sandboxId, process, signal: 15 }),
      stream({ case: "start", value: { sandboxId, command, tag } }).next(),
      stream({ case: "attach", value: { sandboxId, process } }).next(),
    ];
    expect(await Promise.all(refused.map(codeOf))).toEqual(Array(4).fill("invalid_request"));
    expect(await list(sandboxId)).toEqual([]);
    expect(await host().run(sandboxId, "cat started || echo none")).toBe("none\n");
  },
);

it("calls that name no command, and signals that there are not, are refused", async () => {
  const sandboxId = await host().create();
  const { pid = 0 } = await start({ sandboxId, command: { cmd: "sleep", args: ["600"] } });
  const process = { selector: { case: "pid" as const, value: pid } };
  const refused = [
    start({ sandboxId }),
    signal({ sandboxId, signal: 15 }),
    signal({ sandboxId, process: {}, signal: 15 }),
    ...[0, 32, 4_294_967_295].map((number) => signal({ sandboxId, process, signal: number })),
    stream({ case: "attach", value: { sandboxId } }).next(),
    stream({ case: "closeStdin", value: {} }).next(),
    stream({ case: undefined }).next(),
  ];
  expect(new Set(await Promise.all(refused.map(codeOf)))).toEqual(new Set(["invalid_request"]));
  expect((await list(sandboxId))[0]).not.toHaveProperty("ended");
  const missing = { selector: { case: "pid" as const, value: 4_294_967_295 } };
  expect(await codeOf(signal({ sandboxId, process: missing, signal: 15 }))).toBe("process_not_found");
});

test("who looks at commands does not use the sandbox, and wakes none", async () => {
  const sandboxId = await host().create({ autoResume: true });
  await start({ sandboxId, command: { cmd: "sleep", args: ["600"] } });
  const sandbox = host().sandboxes.get(sandboxId);
  sandbox.lastActiveAt = 0;
  expect(await list(sandboxId)).toHaveLength(1);
  expect([sandbox.lastActiveAt, sandbox.busy]).toEqual([0, false]);
  await host().sandboxes.pause(sandboxId);
  expect(await codeOf(list(sandboxId))).toBe("invalid_state");
  expect(sandbox.status).toBe("paused");
});

test("a stream of a command in the background says what a later one joins by", async () => {
  const sandboxId = await host().create();
  const leave = new AbortController();
  const command = { cmd: "sh", args: ["-c", "echo one; sleep 600"] };
  const owner = stream({ case: "start", value: { sandboxId, command, background: true, tag: "job" } }, leave.signal);
  const first = (await owner.next()).value;
  expect(first).toMatchObject({ case: "started", value: { outputOffset: 0n, tag: "job", terminal: false } });
  expect((await owner.next()).value).toMatchObject({ case: "stdout" });
  leave.abort();
  await owner.next().catch(() => undefined);
  const process = { selector: { case: "tag" as const, value: "job" } };
  const joined = stream({ case: "attach", value: { sandboxId, process, from: 2n } });
  const [{ pid }] = (await list(sandboxId)) as [{ pid: number }];
  expect((await joined.next()).value).toMatchObject({ case: "started", value: { pid, outputOffset: 2n, tag: "job" } });
  expect((await joined.next()).value).toMatchObject({ case: "stdout", value: Buffer.from("e\n") });
  await signal({ sandboxId, process, signal: 15, killAfterMs: 1000 });
  expect((await joined.next()).value).toMatchObject({ case: "ended", value: { exitCode: 143, signal: "SIGTERM" } });
  const [listed] = await list(sandboxId);
  expect(listed).toMatchObject({ pid, tag: "job", background: true, outputBytes: 4n, ended: { signal: "SIGTERM" } });
});
