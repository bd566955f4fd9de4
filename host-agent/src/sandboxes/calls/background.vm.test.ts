import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { newSandboxId } from "@warren/server/sandbox-id";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openHost } from "../../host.ts";
import { ensureImages } from "../../images/ensure.ts";
import type { BootImages } from "../../images/images.ts";
import { readSettings } from "../../settings.ts";
import { newSandbox } from "../testing/new-sandbox.ts";
import { attachCommand, type CommandInput, listCommands, runCommand, signalCommand, startCommand } from "./commands.ts";

const IMAGES = resolve(process.env.WARREN_TEST_IMAGES ?? "/var/lib/warren/images");
const NEVER = new AbortController().signal;
const SIGTERM = 15;
/** A shell in a terminal, as people start it. */
const SHELL = { cmd: "sh", args: [], env: { PS1: "" }, timeoutMs: 0, stdin: true };
const TERMINAL = { cols: 80, rows: 24 };

let boot: BootImages;
let directory: string;
let host: Awaited<ReturnType<typeof openHost>>;

async function open(): Promise<void> {
  host = await openHost({
    dataDirectory: directory,
    settings: { ...readSettings({}), spareSlots: 0, warmPool: 0 },
    images: { directory: IMAGES, boot },
    log: pino({ level: "silent" }),
  });
}

beforeAll(async () => {
  const sourceRoot = resolve(import.meta.dirname, "../../../..");
  boot = await ensureImages({ directory: IMAGES, sourceRoot, withNode: false, progress: () => undefined });
  directory = await mkdtemp(join(tmpdir(), "warren-background-"));
  await open();
});
afterAll(async () => {
  await host.sandboxes.destroyAll();
  await host.slots.close();
  await rm(directory, { recursive: true, force: true });
});

/** Joins the shell from a place in its output on, types, and leaves once that is taken and `until` has come; or it ends. */
async function visit(id: string, at: number, until: string, typed = "") {
  const left = Promise.withResolvers<void>();
  // Its end is how one leaves.
  async function* input(): AsyncGenerator<CommandInput> {
    if (typed) yield { type: "stdin", data: Buffer.from(typed) };
    await left.promise;
  }
  const seen = { offset: -1, text: "", next: at, exitCode: -1 };
  let toTake = typed.length;
  for await (const event of attachCommand(host.sandboxes.get(id), { tag: "shell" }, BigInt(at), input())) {
    if (event.type === "started") seen.offset = Number(event.offset);
    if (event.type === "stdout") seen.text += Buffer.from(event.data).toString();
    if (event.type === "stdin_taken") toTake -= event.bytes;
    if (event.type === "ended") seen.exitCode = event.exitCode;
    seen.next = seen.offset + seen.text.length;
    if (toTake > 0 || !seen.text.includes(until)) continue;
    left.resolve();
    break;
  }
  left.resolve();
  return seen;
}

it("a shell in the background outlives its readers, a pause, the host agent and a copy, and each reader goes on where it left", async () => {
  const [id, copy] = [newSandboxId(), newSandboxId()];
  await host.sandboxes.create(newSandbox(id));
  const sandbox = () => host.sandboxes.get(id);
  const pid = await startCommand(sandbox(), { ...SHELL, terminal: TERMINAL, background: true, tag: "shell" });
  const first = await visit(id, 0, "C.UTF-8 one\r\n", "stty -echo; echo $LANG one\n");
  expect(first.offset).toBe(0);
  await visit(id, first.next, "", "until [ -e /tmp/go ]; do sleep 0.1; done; echo two; echo three\n");
  // Nobody is there when this is said.
  await runCommand(sandbox(), { cmd: "touch", args: ["/tmp/go"], env: {}, timeoutMs: 0, stdin: false }, undefined);
  const said = async () => (await listCommands(sandbox(), NEVER)).find((command) => command.pid === pid)?.outputBytes;
  await expect.poll(said).toBe(first.next + "two\r\nthree\r\n".length);

  await host.sandboxes.pause(id);
  await expect(visit(id, 0, "")).rejects.toMatchObject({ code: "invalid_state" });
  await host.sandboxes.resume(id);
  await host.sandboxes.release();
  await host.slots.close();
  await open();

  const second = await visit(id, first.next, "four\r\n", "echo four\n");
  expect(second).toMatchObject({ offset: first.next, text: "two\r\nthree\r\nfour\r\n" });
  const [forked] = await host.sandboxes.fork(id, [copy]);
  expect(forked).toHaveProperty("id", copy);
  // The two are of one past, and go their own ways.
  for (const [which, word] of [
    [id, "here"],
    [copy, "there"],
  ] as const) {
    expect(await visit(which, second.next, `${word}\r\n`, `echo ${word}\n`)).toMatchObject({ text: `${word}\r\n` });
  }
  const listed = await listCommands(sandbox(), NEVER);
  expect(listed).toMatchObject([{ pid, tag: "shell", user: "user", terminal: true, background: true, outputFrom: 0 }]);
  expect(listed[0]?.memoryBytes).toBeGreaterThan(100_000);
  expect(listed[0]?.cpuMs).toBeGreaterThan(0);

  await signalCommand(sandbox(), { pid }, SIGTERM, 1);
  const last = await visit(id, second.next, "never said");
  expect(last).toMatchObject({ text: "here\r\n" });
  expect(last.exitCode).toBeGreaterThan(128);
  await expect(signalCommand(sandbox(), { pid }, SIGTERM, 0)).rejects.toMatchObject({ code: "process_not_found" });
});
