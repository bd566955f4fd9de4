import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { WarrenError } from "@warren/contracts/errors";
import { ListFilesRequestSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { describe, expect, it } from "vitest";
import type { Trick } from "../../guest/testing/fake-guest.ts";
import { frame, head, START } from "../../guest/testing/frames.ts";
import { fileCalls } from "../../rpc/file-calls.ts";
import { CALL_LIMITS, CallBounds } from "../capacity/call-bounds.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import { runCommand } from "./commands.ts";
import { readWholeFile } from "./files.ts";
import { COMMAND, data, failed, MIB, REFUSED, STREAMS, sandboxOf, startGuest } from "./testing/hostile-guests.ts";

it("memory stays flat under 20 guests that play every trick at once", async () => {
  const tricks = [...STREAMS, ...REFUSED].map(([, trick]) => trick);
  const round = async () => {
    const started = await Promise.all(Array.from({ length: 20 }, (_, n) => startGuest(tricks[n % tricks.length]!)));
    await Promise.all(started.map((guest) => failed(runCommand(sandboxOf(guest), COMMAND, undefined))));
    for (const guest of started) guest.close();
  };
  await round();
  const before = process.memoryUsage.rss();
  for (let count = 0; count < 3; count++) await round();
  expect(process.memoryUsage.rss() - before).toBeLessThan(150 * MIB);
});

describe("guests that never end what they begin", () => {
  const PIECE = MIB / 4;
  const OUTPUT = data({ stdout: Buffer.alloc(PIECE).toString("base64") });
  /** Says that the command has started and has a piece of output, and nothing after that. */
  const outputAndSilence: Trick = (socket, request) => {
    if (request.startsWith("GET /health")) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
    else if (request.includes("/Start")) socket.write(Buffer.concat([Buffer.from(head()), START, OUTPUT]));
  };

  it("take no more memory than output of a team may", async () => {
    const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 3 * PIECE + 1, output: 5 * PIECE + 1 });
    const guest = await startGuest(outputAndSilence);
    const caller = new AbortController();
    const run = (teamId: string) =>
      failed(runCommand(sandboxOf(guest, { teamId }, bounds), COMMAND, undefined, undefined, caller.signal));
    const ended: Record<string, string[]> = { one: [], two: [], three: [] };
    const runs = ["one", "one", "one", "one", "one", "two", "two", "three"].map((team) =>
      run(team).then((code) => ended[team]!.push(code)),
    );
    await expect.poll(() => Object.values(ended).flat().length, { timeout: 30_000 }).toBe(3);
    expect([ended.one!.length, ended.two!.length + ended.three!.length]).toEqual([2, 1]);
    expect(new Set(Object.values(ended).flat())).toEqual(new Set(["rate_limited"]));
    caller.abort();
    await Promise.all(runs);
    // What was held is free again.
    bounds.hold({ id: "sb", teamId: "one" }).add(3 * PIECE);
  });

  it("take no more memory than output of a team may by lists of files, and by files that are read as a whole", async () => {
    const guest = await startGuest((socket, request) => {
      if (request.includes("/ListDir")) socket.write(`${head("application/json")}{"entries":[${" ".repeat(PIECE)}`);
      else socket.write(Buffer.concat([Buffer.from(head("application/octet-stream")), Buffer.alloc(PIECE)]));
    });
    const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 2 * PIECE });
    const sandbox = sandboxOf(guest, {}, bounds);
    sandbox.attach({ guest: guest.client(600_000) } as unknown as LiveMicrovm);
    const caller = new AbortController();
    const { listFiles } = fileCalls({ awake: async () => sandbox });
    const request = create(ListFilesRequestSchema, { sandboxId: "sb", path: "/", depth: 1, limit: 10 });
    const list = () => Promise.resolve(listFiles(request, { signal: caller.signal } as HandlerContext));
    const read = () => readWholeFile(sandbox, "/f", undefined, caller.signal);
    const ended: string[] = [];
    const calls = [list, list, read, read].map((call) => call().catch((error: WarrenError) => ended.push(error.code)));
    await expect.poll(() => ended.length, { timeout: 30_000 }).toBeGreaterThan(1);
    expect(ended.slice(0, 2)).toEqual(["rate_limited", "rate_limited"]);
    caller.abort();
    await Promise.all(calls);
    bounds.hold({ id: "sb", teamId: "team" }).add(2 * PIECE);
  });

  it("keep nothing of a team's output once it has been refused, while they say nothing of the end of its command", async () => {
    const bounds = new CallBounds({ ...CALL_LIMITS, outputPerTeam: 2 * PIECE - 1 });
    const ending = Promise.withResolvers<void>();
    const guest = await startGuest((socket, request) => {
      if (request.includes("/SendSignal")) ending.resolve();
      outputAndSilence(socket, request);
      if (request.includes("/Start")) socket.write(OUTPUT);
    });
    const client = guest.client(600_000);
    const sandbox = sandboxOf(guest, {}, bounds);
    sandbox.attach({ guest: client } as unknown as LiveMicrovm);
    const run = failed(runCommand(sandbox, COMMAND, undefined));
    await ending.promise;
    bounds.hold({ id: "sb", teamId: "team" }).add(2 * PIECE - 1);
    client.close();
    expect(await run).toBe("rate_limited");
  });

  it("have no long message held that they never end", async () => {
    const guest = await startGuest((socket, request) => {
      if (request.startsWith("GET /health")) socket.end("HTTP/1.1 204 No Content\r\n\r\n");
      else socket.write(Buffer.concat([Buffer.from(head()), START, frame("x".repeat(1000), { length: MIB })]));
    });
    expect(await failed(runCommand(sandboxOf(guest), COMMAND, undefined))).toBe("agent_error");
  });

  it("take no more calls than a sandbox, a team and the host may have", async () => {
    const bounds = new CallBounds({ ...CALL_LIMITS, callsPerSandbox: 2, callsPerTeam: 3, calls: 5 });
    const guest = await startGuest(() => undefined);
    const use = async (id: string, teamId: string) => {
      const call = sandboxOf(guest, { id, teamId }, bounds).use(async function* () {
        yield;
      });
      const code = await call.next().then(
        () => "taken",
        (error: WarrenError) => error.code,
      );
      return { call, code };
    };
    const calls = [];
    for (const name of ["a x", "a x", "a x", "b x", "c x", "d y", "d y", "e z"]) {
      const [id = "", teamId = ""] = name.split(" ");
      calls.push({ name, ...(await use(id, teamId)) });
    }
    const refused = calls.filter(({ code }) => code === "rate_limited").map(({ name }) => name);
    // The sandbox has two, the team three, the host five.
    expect(refused).toEqual(["a x", "c x", "e z"]);
    expect(calls.filter(({ code }) => code === "taken")).toHaveLength(5);
    for (const { call } of calls) await call.return(undefined);
    expect((await use("a", "x")).code).toBe("taken");
  });
});
