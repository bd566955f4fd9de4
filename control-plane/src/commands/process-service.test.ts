import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ProcessInfoSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { describe, expect, it } from "vitest";
import type { SandboxEvents } from "../audit/sandbox-events.ts";
import type { Caller } from "../callers/caller.ts";
import type { HostClient } from "../hosts/host-client.ts";
import type { SandboxAccess } from "../sandboxes/sandbox-access.ts";
import { ProcessService } from "./process-service.ts";

const CALLER = { kind: "api_key", teamId: "team" } as unknown as Caller;

/** The commands of a sandbox whose host says that it has these. */
function processesOf(...told: MessageInitShape<typeof ProcessInfoSchema>[]): ProcessService {
  const listed = { processes: told.map((info) => create(ProcessInfoSchema, info)) };
  return processesAt({ listProcesses: async () => listed });
}

/** The commands of a sandbox whose host answers so. */
function processesAt(agent: object): ProcessService {
  const access = {
    look: (_caller: Caller, _id: string, action: (host: HostClient) => unknown) =>
      action({ agent } as unknown as HostClient),
  } as unknown as SandboxAccess;
  return new ProcessService(access, {} as SandboxEvents);
}

it("commands are in the order in which they were started, though the clock of the sandbox was set back meanwhile", async () => {
  const told = [900n, 100n, 500n].map((startedAtUnixMs, at) => ({ pid: at + 1, tag: "job", startedAtUnixMs }));
  const processes = processesOf(...told);
  expect((await processes.list(CALLER, "sb")).map(({ pid }) => pid)).toEqual([1, 2, 3]);
  // A newer one may have taken the tag over.
  expect((await processes.get(CALLER, "sb", "job")).pid).toBe(3);
});

it("times that no calendar has are the nearest that one has", async () => {
  const told = { pid: 1, startedAtUnixMs: -(2n ** 63n), endedAtUnixMs: 2n ** 63n - 1n, ended: { exitCode: 0 } };
  const [listed] = await processesOf(told).list(CALLER, "sb");
  expect(listed).toMatchObject({
    started_at: "0001-01-01T00:00:00.000Z",
    exit: { ended_at: "9999-12-31T23:59:59.999Z" },
  });
});

describe("a host that tells of changes", () => {
  it("is heard four times a second at most, however often it does", async () => {
    const processes = processesAt({
      async *watchProcesses(_: object, { signal }: { signal: AbortSignal }) {
        for (;;) {
          signal.throwIfAborted();
          yield {};
        }
      },
    });
    const leave = new AbortController();
    const began = performance.now();
    let told = 0;
    const watched = processes.watch(CALLER, "sb", async () => void (++told === 4 && leave.abort()), leave.signal);
    await expect(watched).rejects.toThrow("abort");
    expect(performance.now() - began).toBeGreaterThanOrEqual(3 * 240);
  });

  it("and stops without a word has the watch fail", async () => {
    const processes = processesAt({
      async *watchProcesses() {
        yield {};
      },
    });
    const watched = processes.watch(CALLER, "sb", async () => undefined, new AbortController().signal);
    await expect(watched).rejects.toMatchObject({ code: "agent_error" });
  });
});
