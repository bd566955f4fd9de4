import { WarrenError } from "@warren/contracts/errors";
import { beforeEach, expect, it } from "vitest";
import type { SandboxRecord } from "../record/journal.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import { Sandbox } from "../state/sandbox.ts";
import { type MicrovmEvents, type MicrovmParts, MicrovmRunner } from "./microvm-runner.ts";

const REASON = new WarrenError("not_found", "it is gone");
const SLOT = { number: 7 };

/** What was done on the host, in order. */
let done: string[];
/** What fails the next time. */
let failing: string | undefined;
let microvms: MicrovmRunner;

async function does(what: string): Promise<void> {
  done.push(what);
  if (failing !== what) return;
  failing = undefined;
  throw new Error(`${what} failed`);
}

beforeEach(() => {
  done = [];
  failing = undefined;
  const parts = {
    journal: {
      directory: () => "/nonexistent",
      write: ({ slot }: SandboxRecord) => does(`write ${slot === undefined ? "no slot" : `slot ${slot}`}`),
    },
    vmm: { sweep: () => does("sweep") },
    slots: {
      adopt: async (number: number) => {
        await does(`adopt slot ${number}`);
        return { number };
      },
      release: ({ number }: { number: number }) => does(`release slot ${number}`),
    },
  };
  microvms = new MicrovmRunner(
    parts as unknown as MicrovmParts,
    { beforeStop: async () => undefined } as unknown as MicrovmEvents,
  );
});

function newSandbox(): Sandbox {
  const process = { pid: 1, startTicks: "1" };
  const memory = { header: null, path: "/m" };
  const record = { id: "sb", instance: "sb", status: "running", lastActiveAt: 0, slot: 7, process, memory };
  return new Sandbox(record as unknown as SandboxRecord);
}

/** A sandbox whose microVM lives. */
function liveSandbox(): Sandbox {
  const sandbox = newSandbox();
  const live = Object.assign(sandbox.begin(), {
    slot: SLOT,
    image: { release: () => does("release image") },
    guest: { close: () => void done.push("close guest") },
    vm: { kill: () => does("kill") },
  });
  sandbox.attach(live as unknown as LiveMicrovm);
  return sandbox;
}

it("gives back all that a microVM held, and nothing twice", async () => {
  const sandbox = liveSandbox();
  await microvms.stop(sandbox, REASON);
  const order = ["close guest", "kill", "sweep", "release slot 7", "release image"];
  expect(done).toEqual(order);
  expect(sandbox.live).toBeUndefined();
  expect(sandbox.record).not.toMatchObject({ slot: 7 });
  expect(Object.keys(sandbox.record)).not.toContain("process");
  await microvms.stop(sandbox, REASON);
  expect(done).toEqual(order);
});

it.each([
  ["kill", ["close guest", "kill", "sweep"], ["close guest", "sweep", "release slot 7", "release image"]],
  ["sweep", ["close guest", "kill", "sweep"], ["close guest", "sweep", "release slot 7", "release image"]],
  [
    "release slot 7",
    ["close guest", "kill", "sweep", "release slot 7"],
    ["close guest", "sweep", "release slot 7", "release image"],
  ],
])("keeps in the record what is left after %s failed, for the next attempt", async (step, first, second) => {
  const sandbox = liveSandbox();
  failing = step;
  await expect(microvms.stop(sandbox, REASON)).rejects.toThrow(`${step} failed`);
  expect(done).toEqual(first);
  expect(sandbox.record).toMatchObject({ slot: 7, process: { pid: 1 } });
  done = [];
  await microvms.stop(sandbox, REASON);
  expect(done).toEqual(second);
  expect(sandbox.record).not.toMatchObject({ slot: 7 });
});

it("does not touch the slot again that was given back before the memory could be: it may be another's by then", async () => {
  const sandbox = liveSandbox();
  failing = "release image";
  await expect(microvms.stop(sandbox, REASON)).rejects.toThrow("release image failed");
  expect(done.slice(-2)).toEqual(["release image", "write no slot"]);
  expect(sandbox.record).toMatchObject({ memory: { path: "/m" } });
  done = [];
  await microvms.stop(sandbox, REASON);
  expect(done).toEqual(["close guest", "release image"]);
  expect(Object.keys(sandbox.record)).not.toContain("memory");
});

it("gives back the memory of a start that got no further, and takes up the slot that an earlier host agent took", async () => {
  const started = newSandbox();
  delete started.record.slot;
  Object.assign(started.begin(), { image: { release: () => does("release image") } });
  await microvms.stop(started, REASON);
  expect(done).toEqual(["release image"]);
  done = [];
  await microvms.stop(newSandbox(), REASON);
  expect(done).toEqual(["sweep", "adopt slot 7", "release slot 7"]);
});

it("hands the microVM of a spare over, which holds nothing any more", () => {
  const spare = liveSandbox();
  const { live } = spare;
  const sandbox = newSandbox();
  sandbox.takeOver(spare);
  expect(sandbox.live).toBe(live);
  expect(spare.live).toBeUndefined();
  expect(spare.detach(REASON)).toBeUndefined();
});
