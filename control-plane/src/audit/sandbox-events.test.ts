import { WarrenError } from "@warren/contracts/errors";
import type { AuditLog } from "@warren/contracts/rest/audit";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { eventsOf, query, told } from "../testing/audit-events.ts";
import { ExecSocket } from "../testing/exec-socket.ts";
import { expectJson, expectStatus, Person, send, startAccountStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

const SHAPE = { template: "minimal", vcpus: 1, memory_mb: 512 };

describe("events of sandboxes", () => {
  const database = testDatabase();
  let stack: TestStack;
  let ada: Person;
  beforeAll(async () => {
    stack = await startAccountStack(database());
    ada = await Person.signUp(stack, { name: "Ada" });
  });
  afterAll(() => stack?.close());
  beforeEach(() => {
    stack.host.onCreate = () => undefined;
    stack.host.onPause = () => undefined;
    stack.host.onResume = () => undefined;
    stack.host.onFork = () => undefined;
  });

  const create = async (request: object = {}, person = ada) =>
    expectJson<Sandbox>(await person.call("POST", "/v1/sandboxes", request), 201);
  const act = (id: string, action: string, body?: object) => ada.call("POST", `/v1/sandboxes/${id}/${action}`, body);
  const storyOf = async (id: string) => told(await eventsOf(ada, `?resource_id=${id}`));
  /** What is told of a sandbox from its second event on, once there are so many. */
  const laterOf = async (id: string, count: number) => {
    await expect.poll(async () => (await eventsOf(ada, `?resource_id=${id}`)).length).toBe(count + 1);
    return (await storyOf(id)).slice(1);
  };

  it("tell its life with who did what, a program by the name of its key", async () => {
    const { id: keyId, key } = await ada.createApiKey({ name: "robot" });
    const { id } = await create({ name: "box", env: { SECRET: "hunter2" }, metadata: { note: "hunter3" } });
    const robot = (method: string, path: string, body?: unknown) =>
      send(stack.url, method, `/v1/sandboxes/${id}${path}`, { body, headers: { "x-api-key": key } });
    await expectStatus(await robot("PATCH", "", { timeout_sec: 60, metadata: { note: "hunter4" } }), 200);
    await expectStatus(await robot("PATCH", "", { lease_sec: 600 }), 200);
    await expectStatus(await act(id, "pause"), 200);
    await expectStatus(await robot("POST", "/resume"), 200);
    await expectStatus(await act(id, "rollback"), 200);
    await expectStatus(await robot("DELETE", ""), 204);
    await expectStatus(await robot("DELETE", ""), 204);
    expect(await storyOf(id)).toEqual([
      ["sandbox create", "success", "Ada", { ...SHAPE, name: "box" }],
      ["sandbox update", "info", "robot", { fields: ["timeout_sec", "metadata"] }],
      ["sandbox pause", "success", "Ada"],
      ["sandbox resume", "success", "robot"],
      ["sandbox rollback", "success", "Ada"],
      ["sandbox destroy", "warning", "robot"],
    ]);
    const events = await eventsOf(ada, `?resource_id=${id}`);
    expect(events[0]).toMatchObject({ actor_type: "api_key", actor_id: keyId, scope: "team", resource_id: id });
    expect(events.at(-1)).toMatchObject({ actor_type: "user", actor_id: ada.userId });
    expect(JSON.stringify(events)).not.toContain("hunter");
  });

  it("tell of what failed, with the reason, and of nothing that was refused", async () => {
    stack.host.onCreate = () => {
      throw new WarrenError("boot_failed", "the kernel did not come up");
    };
    const failed = await ada.call("POST", "/v1/sandboxes", {});
    expect(failed.status).toBe(502);
    const [created] = await eventsOf(ada, "?action=create&resource_type=sandbox");
    expect(told([created as AuditLog])).toEqual([
      ["sandbox create", "error", "Ada", { ...SHAPE, error: "the kernel did not come up" }],
    ]);
    stack.host.onCreate = () => undefined;
    const { id } = await create();
    stack.host.onPause = () => {
      throw new WarrenError("host_disk_full", "the host has no disk space left");
    };
    expect((await act(id, "pause")).status).toBe(507);
    expect((await act(id, "fork", { count: 0 })).status).toBe(400);
    expect(await laterOf(id, 1)).toEqual([["sandbox pause", "error", "Ada"]]);
  });

  it("tell of each copy", async () => {
    const { id } = await create();
    stack.host.onFork = (index) => {
      if (index === 1) throw new WarrenError("host_full", "this host is full");
    };
    const results = await expectJson<{ sandbox?: Sandbox }[]>(await act(id, "fork", { count: 2 }), 201);
    const copies = (await eventsOf(ada, "?action=fork")).filter(({ metadata }) => metadata?.source === id);
    expect(copies.map(({ status, resource_id }) => [status, resource_id === results[0]?.sandbox?.id]).sort()).toEqual([
      ["error", false],
      ["success", true],
    ]);
  });

  it("tell why it was paused or ended though nobody asked, as done by the system", async () => {
    const { id } = await create({ timeout_sec: 60 });
    await stack.host.pauseForInactivity(id);
    expect(await laterOf(id, 1)).toEqual([
      ["sandbox pause", "info", "system", { reason: "inactivity", message: "nothing used it for 60 s" }],
    ]);
    const end = async (code: string, message: string) => {
      const sandbox = await create();
      Object.assign(stack.host.guest(sandbox.id), { status: "stopped", reason: { code, message, atUnixMs: 0n } });
      stack.host.announce(sandbox.id);
      return laterOf(sandbox.id, 1);
    };
    expect(await end("guest_panicked", "its kernel panicked")).toEqual([
      ["sandbox stop", "error", "system", { reason: "guest_panicked", message: "its kernel panicked" }],
    ]);
    expect(await end("guest_powered_off", "it was powered off")).toEqual([
      ["sandbox stop", "info", "system", { reason: "guest_powered_off", message: "it was powered off" }],
    ]);
    expect(await end("inactivity", "nothing used it for 5 s")).toEqual([
      ["sandbox destroy", "warning", "system", { reason: "inactivity", message: "nothing used it for 5 s" }],
    ]);
  });

  /** The host pauses a sandbox, and nobody has heard of it yet. */
  const pauseUnheard = (id: string) => stack.host.guest(id).pauseForInactivity();
  const inactive = ["sandbox pause", "info", "system", { reason: "inactivity", message: "nothing used it for 60 s" }];

  it("tell of a pause by the host of which nobody had heard when somebody undid it", async () => {
    const { id } = await create({ timeout_sec: 60 });
    await pauseUnheard(id);
    expect(await expectJson<Sandbox>(await act(id, "resume"), 200)).toMatchObject({ status: "running" });
    expect(await laterOf(id, 2)).toEqual([inactive, ["sandbox resume", "success", "Ada"]]);
  });

  it.each(["pause", "rollback"])(
    "tell of a pause by the host where somebody asks for a %s that finds it done",
    async (action) => {
      const { id } = await create({ timeout_sec: 60 });
      await pauseUnheard(id);
      expect(await expectJson<Sandbox>(await act(id, action), 200)).toMatchObject({ status: "paused" });
      expect(await laterOf(id, 1)).toEqual([inactive]);
    },
  );

  it("tell who has asked for a pause during which the sandbox ended", async () => {
    const { id } = await create();
    stack.host.onPause = async () => {
      const reason = { code: "microvm_lost", message: "its microVM was killed", atUnixMs: 0n };
      Object.assign(stack.host.guest(id), { status: "stopped", reason });
      stack.host.announce(id);
      await expect.poll(async () => (await ada.get<Sandbox>(`/v1/sandboxes/${id}`)).status).toBe("stopped");
      throw new WarrenError("invalid_state", "the sandbox has ended");
    };
    expect((await act(id, "pause")).status).toBe(409);
    expect(await laterOf(id, 2)).toEqual([
      ["sandbox pause", "error", "Ada"],
      ["sandbox stop", "error", "system", { reason: "microvm_lost", message: "its microVM was killed" }],
    ]);
  });

  it("tell who has asked for a sandbox that was destroyed before it ran", async () => {
    const begun = Promise.withResolvers<string>();
    const ended = Promise.withResolvers<void>();
    stack.host.onCreate = ({ sandboxId }) => {
      begun.resolve(sandboxId);
      return ended.promise;
    };
    const creation = ada.call("POST", "/v1/sandboxes", {});
    const id = await begun.promise;
    const removal = ada.call("DELETE", `/v1/sandboxes/${id}`);
    await expect.poll(async () => (await storyOf(id)).length).toBeGreaterThan(0);
    ended.resolve();
    await Promise.all([creation, removal]);
    expect(await storyOf(id)).toEqual([
      ["sandbox create", "error", "Ada", { ...SHAPE, error: "it did not start" }],
      ["sandbox destroy", "warning", "Ada"],
    ]);
  });

  it("tell of the end of a sandbox whose lease has run out, and of all when their team is deleted", async () => {
    const leased = await create({ lease_sec: 1 });
    const [ended] = await laterOf(leased.id, 1);
    expect(ended).toMatchObject(["sandbox destroy", "warning", "system", { reason: "lease_expired" }]);
    const team = await ada.createTeam();
    const ids = [(await create({}, team)).id, (await create({}, team)).id];
    await expectStatus(await team.call("DELETE", `/v1/teams/${team.teamId}`), 204);
    // Nobody is a member of the team any more who could ask.
    const { rows } = await query(
      database().config.databaseUrl,
      "select resource_id from audit_logs where action = 'destroy' and actor_name = 'Ada'",
    );
    expect(rows.map(({ resource_id }) => resource_id)).toEqual(expect.arrayContaining(ids));
  });

  it("tell who has asked for a pause that was under way when the lease ran out, or the team was deleted", async () => {
    const held = Promise.withResolvers<void>();
    const team = await ada.createTeam();
    const [leased, left] = [await create({ lease_sec: 1000 }), await create({}, team)];
    let begun = 0;
    stack.host.onPause = () => {
      begun++;
      return held.promise;
    };
    const pauses = [act(leased.id, "pause"), team.call("POST", `/v1/sandboxes/${left.id}/pause`)];
    await expect.poll(() => begun).toBe(2);
    await expectStatus(await ada.call("PATCH", `/v1/sandboxes/${leased.id}`, { lease_sec: 1 }), 200);
    const story = await laterOf(leased.id, 2);
    await expectStatus(await team.call("DELETE", `/v1/teams/${team.teamId}`), 204);
    held.resolve();
    await Promise.all(pauses);
    expect(story).toEqual([
      ["sandbox pause", "error", "Ada"],
      ["sandbox destroy", "warning", "system", expect.objectContaining({ reason: "lease_expired" })],
    ]);
    const { rows } = await query(
      database().config.databaseUrl,
      "select action, status, actor_name from audit_logs where resource_id = $1 order by created_at, id",
      [left.id],
    );
    expect(rows.slice(1)).toEqual([
      { action: "pause", status: "error", actor_name: "Ada" },
      { action: "destroy", status: "warning", actor_name: "Ada" },
    ]);
  });

  it("tell of commands as they start, without environment and input, and of files with their size", async () => {
    const { id } = await create();
    const exec = { cmd: "sh", args: ["-c", "echo it's"], env: { SECRET: "hunter5" }, stdin: "hunter6" };
    await expectStatus(await act(id, "exec", exec), 200);
    const form = new FormData();
    form.set("path", "note.txt");
    form.set("file", new Blob(["hunter7"]));
    await expectStatus(await ada.call("POST", `/v1/sandboxes/${id}/files/write`, form), 204);
    const story = await laterOf(id, 2);
    expect(story).toEqual([
      ["sandbox exec", "info", "Ada", { command: "sh -c 'echo it'\\''s'" }],
      ["sandbox write_file", "success", "Ada", { path: "note.txt", name: expect.any(String), bytes: 7 }],
    ]);
    expect(JSON.stringify(story)).not.toContain("hunter");
  });

  it("tell of commands in the background as they start, and of signals and orders to end", async () => {
    const { id } = await create();
    const exec = { cmd: "sleep", args: ["1000"], background: true, tag: "job" };
    await expectStatus(await act(id, "exec", exec), 202);
    await expectStatus(await act(id, "processes/job/signal", { signal: "SIGCONT" }), 204);
    await expectStatus(await ada.call("DELETE", `/v1/sandboxes/${id}/processes/job`), 204);
    // What there is not is neither sent anything nor ended.
    await expectStatus(await act(id, "processes/other/signal", { signal: "SIGCONT" }), 404);
    await expectStatus(await ada.call("DELETE", `/v1/sandboxes/${id}/processes/other`), 404);
    await expectStatus(await ada.call("GET", `/v1/sandboxes/${id}/processes`), 200);
    await expectStatus(await act(id, "files/mkdir", { path: "notes" }), 200);
    expect(await laterOf(id, 4)).toEqual([
      ["sandbox exec", "info", "Ada", { command: "sleep 1000", background: true, tag: "job" }],
      ["sandbox signal_process", "info", "Ada", { process: "job", signal: "SIGCONT" }],
      ["sandbox end_process", "warning", "Ada", { process: "job" }],
      ["sandbox make_directory", "success", "Ada", { path: "/notes" }],
    ]);
  });

  it("tell of who joins a command, and of the signals that they send over its stream, never of what they type", async () => {
    const { id } = await create();
    const { key } = await ada.createApiKey({ name: "joiner" });
    const program = { headers: { "x-api-key": key } };
    const trap = 'trap "" INT; echo ready; while read line; do :; done';
    const exec = { cmd: "sh", args: ["-c", trap], background: true, tag: "job", terminal: { cols: 80, rows: 24 } };
    const { pid } = await expectJson<{ pid: number }>(await act(id, "exec", exec), 202);
    const absent = await ExecSocket.open(stack, id, program);
    absent.send({ type: "attach", process: "other" });
    await absent.frame("error");
    const joined = await ExecSocket.open(stack, id, program);
    joined.send({ type: "attach", process: "job", from: 0 });
    await joined.frame("start");
    await expect.poll(() => joined.text("stdout")).toContain("ready");
    joined.send({ type: "stdin", data: "hunter8\n" });
    for (let time = 0; time < 1000; time++) joined.send({ type: "signal", signal: "SIGINT" });
    joined.socket.close();
    await joined.closed;
    const process = String(pid);
    const signals = async () =>
      (await eventsOf(ada, `?resource_id=${id}&action=signal_process`)).map(({ metadata }) => metadata!);
    // What is sent within a second is one event.
    const sum = async () => (await signals()).reduce((all, { times }) => all + Number(times ?? 1), 0);
    await expect.poll(sum).toBe(1000);
    const told = await signals();
    expect(told.length).toBeLessThan(20);
    for (const metadata of told) expect(metadata).toMatchObject({ process, signal: "SIGINT" });
    const story = await storyOf(id);
    expect(story[2]).toEqual(["sandbox join_process", "info", "joiner", { process, tag: "job" }]);
    expect(JSON.stringify(story)).not.toContain("hunter");
  });

  it("tell of directories that are made, of what is moved, and of what is removed, or a part of it", async () => {
    const { id } = await create();
    const file = (action: string, body: object) => ada.call("POST", `/v1/sandboxes/${id}/files/${action}`, body);
    await expectStatus(await file("mkdir", { path: "notes", user: "user" }), 200);
    await expectStatus(await file("move", { path: "notes", destination: "old" }), 200);
    await expectStatus(await file("mkdir", { path: "old" }), 409);
    await expectStatus(await file("move", { path: "nothing", destination: "old" }), 404);
    await expectStatus(await file("remove", { path: "nothing" }), 404);
    await expectStatus(await file("list", { path: "old" }), 200);
    await expectStatus(await file("remove", { path: "old", recursive: true }), 204);
    const form = new FormData();
    form.set("path", "note.txt");
    form.set("file", new Blob([""]));
    await expectStatus(await ada.call("POST", `/v1/sandboxes/${id}/files/write`, form), 204);
    // What is no directory has nothing in it to be removed.
    const failed = await errorOf(await file("remove", { path: "note.txt/below", recursive: true }));
    await expectStatus(await file("remove", { path: "note.txt" }), 204);
    expect((await laterOf(id, 6)).filter(([event]) => event !== "sandbox write_file")).toEqual([
      ["sandbox make_directory", "success", "Ada", { path: "/notes", user: "user" }],
      ["sandbox move_file", "success", "Ada", { source: "notes", destination: "/old" }],
      ["sandbox remove_file", "warning", "Ada", { path: "old", recursive: true }],
      ["sandbox remove_file", "error", "Ada", { path: "note.txt/below", recursive: true, error: failed.message }],
      ["sandbox remove_file", "warning", "Ada", { path: "note.txt" }],
    ]);
  });
});
