import { expect, test } from "vitest";
import { useFakeHost } from "../../testing/fake-host.ts";
import { attachCommand, listCommands, runCommand, signalCommand, startCommand, streamCommand } from "./commands.ts";

const host = useFakeHost();
const shell = (script: string) => ({ cmd: "sh", args: ["-c", script], env: {}, timeoutMs: 0, stdin: false });

test("a command gives what it printed, on which stream, and its status", async () => {
  const id = await host().create();
  const result = await host().exec(id, "echo out; cat nothing; exit 7");
  expect(result).toMatchObject({ exitCode: 7, stdout: Buffer.from("out\n"), signal: "", timedOut: false });
  expect(result.stderr.toString()).toMatch(/nothing: No such file/);
});

test("a command reads what it is given, and what is not there is said as a shell does", async () => {
  const id = await host().create();
  expect(await host().exec(id, "cat", "given")).toMatchObject({ exitCode: 0, stdout: Buffer.from("given") });
  expect(await host().exec(id, "no-such-program")).toMatchObject({ exitCode: 127 });
});

test("output beyond the limit is dropped, and the result says so", async () => {
  const id = await host().create();
  const sandbox = host().sandboxes.get(id);
  const result = await runCommand(sandbox, shell("echo 123456789; echo more"), undefined, 4);
  expect(result).toMatchObject({
    exitCode: 0,
    stdout: Buffer.from("1234"),
    stdoutTruncated: true,
    stderrTruncated: false,
  });
});

test("a signal ends a command, which says so", async () => {
  const id = await host().create();
  const events: string[] = [];
  async function* input() {
    yield { type: "signal" as const, number: 15 };
  }
  for await (const event of streamCommand(host().sandboxes.get(id), shell("sleep 600"), input())) {
    events.push(event.type);
    if (event.type === "ended") expect(event).toMatchObject({ exitCode: 143, signal: "SIGTERM" });
  }
  expect(events).toEqual(["started", "ended"]);
});

test("a command whose caller leaves is ended", async () => {
  const id = await host().create();
  const caller = new AbortController();
  const left = expect(host().exec(id, "sleep 600", undefined, caller.signal)).rejects.toThrow();
  await expect.poll(() => host().run(id, "jobs")).toBe("2\n");
  caller.abort(new Error("left"));
  await left;
  await expect.poll(() => host().run(id, "jobs")).toBe("1\n");
});

test("a command in a sandbox that is paused is refused", async () => {
  const id = await host().create();
  await host().sandboxes.pause(id);
  await expect(host().exec(id, "true")).rejects.toMatchObject({ code: "invalid_state" });
});

test("a command in the background goes on without its caller, and is there for whoever joins it", async () => {
  const id = await host().create();
  const sandbox = host().sandboxes.get(id);
  const started = streamCommand(sandbox, { ...shell("echo one; sleep 600"), background: true, tag: "job" });
  for (const type of ["started", "stdout"]) expect(await started.next()).toMatchObject({ value: { type } });
  await started.return(undefined);
  const caller = new AbortController();
  const joined = attachCommand(sandbox, { tag: "job" }, 1n, undefined, caller.signal);
  const start = await joined.next();
  expect(start).toMatchObject({ value: { type: "started", tag: "job", offset: 1n } });
  expect(await joined.next()).toMatchObject({ value: { type: "stdout", data: Buffer.from("ne\n") } });
  caller.abort();
  await joined.return(undefined);
  const [listed] = await listCommands(sandbox, new AbortController().signal);
  expect(listed).toMatchObject({ tag: "job", background: true, outputBytes: 4, outputFrom: 0 });
  expect(listed).not.toHaveProperty("exit");
  await signalCommand(sandbox, { tag: "job" }, 15, 5000);
  const events: string[] = [];
  for await (const event of attachCommand(sandbox, { tag: "job" }, 0n)) events.push(event.type);
  expect(events).toEqual(["started", "stdout", "ended"]);
  await expect(signalCommand(sandbox, { tag: "job" }, 15, 0)).rejects.toMatchObject({ code: "process_not_found" });
});

test("the tag of a command that lives is no other's", async () => {
  const id = await host().create();
  const sandbox = host().sandboxes.get(id);
  await startCommand(sandbox, { ...shell("sleep 600"), tag: "job" });
  const other = { ...shell("true"), tag: "job" };
  await expect(startCommand(sandbox, other)).rejects.toMatchObject({ code: "already_exists" });
  await expect(runCommand(sandbox, other, undefined)).rejects.toMatchObject({ code: "already_exists" });
  await signalCommand(sandbox, { tag: "job" }, 15, 5000);
  const ended = async () => (await listCommands(sandbox, new AbortController().signal))[0]?.exit?.signal;
  await expect.poll(ended).toBe("SIGTERM");
  await startCommand(sandbox, other);
});
