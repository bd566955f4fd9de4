import { pino } from "pino";
import { afterEach, describe, expect, it, test } from "vitest";
import { FakeGuest } from "../../guest/testing/fake-guest.ts";
import type { ProcessorState } from "../../vmm/vmm.ts";
import type { SandboxRecord } from "../record/journal.ts";
import type { LiveMicrovm } from "../state/microvm.ts";
import { Sandbox } from "../state/sandbox.ts";
import { HangWatch, hasHung } from "./hang-watch.ts";

const KERNEL: ProcessorState = { instructionPointer: 0xffffffffb7207043n, halted: false };
const PROGRAM: ProcessorState = { instructionPointer: 0x41ec95n, halted: false };
const REST: ProcessorState = { instructionPointer: 0xffffffffb7210b56n, halted: true };

test.each([
  ["a vCPU that never leaves the kernel", [[KERNEL], [KERNEL], [KERNEL]], true],
  [
    "one of two, while the other runs programs",
    [
      [PROGRAM, KERNEL],
      [KERNEL, KERNEL],
      [PROGRAM, KERNEL],
    ],
    true,
  ],
  ["a program in a loop", [[PROGRAM], [PROGRAM], [PROGRAM]], false],
  ["programs that are mostly in the kernel", [[KERNEL], [KERNEL], [PROGRAM]], false],
  ["a guest at rest", [[REST], [REST], [REST]], false],
  [
    "vCPUs that take turns in programs",
    [
      [PROGRAM, KERNEL],
      [KERNEL, PROGRAM],
    ],
    false,
  ],
  ["no vCPU at all", [[], []], false],
  ["nothing seen", [], false],
] as const)("%s", (_, looks, hung) => {
  expect(hasHung(looks.map((states) => [...states]))).toBe(hung);
});

describe("a sandbox whose agent does not answer", () => {
  let guest: FakeGuest;
  afterEach(() => guest.close());

  const PANIC_LINE = "[   12.3] Kernel panic - not syncing: sysrq triggered crash";
  const WATCHING = { looks: 3, everyMs: 1, askMs: 1000, silentMs: 50 };
  const written: SandboxRecord[] = [];

  /** A sandbox in which a call was not answered, and whose vCPUs are seen in these states in turn. */
  async function makeSilent(answers: () => boolean, processors: ProcessorState[], watching = WATCHING) {
    const made = await make(answers, processors, watching);
    made.watch.called(made.sandbox, false);
    return made;
  }

  async function make(answers: () => boolean, processors: ProcessorState[], watching = WATCHING) {
    guest = await FakeGuest.start((socket) => void (answers() && socket.end("HTTP/1.1 204 No Content\r\n\r\n")));
    const sandbox = new Sandbox({ id: "sb", status: "running", lastActiveAt: 0 } as SandboxRecord);
    let looks = 0;
    const vm = {
      processors: async () => [processors[looks++ % processors.length]!],
      consoleTail: () => `[   12.2] sysrq: Trigger a crash\r\n${PANIC_LINE}\r\n`,
    };
    sandbox.attach({ vm, guest: guest.client(1000) } as unknown as LiveMicrovm);
    const journal = { write: async (record: SandboxRecord) => void written.push(structuredClone(record)) };
    const watch = new HangWatch({ journal, log: pino({ enabled: false }) }, watching);
    sandbox.beforeCall = () => watch.admit(sandbox);
    sandbox.onCall = (answered) => watch.called(sandbox, answered);
    return { sandbox, watch };
  }

  it.each([
    ["rests", [REST]],
    ["runs programs for ever", [PROGRAM]],
    ["is mostly in its kernel", [KERNEL, PROGRAM]],
  ])("says so after a while, when it %s, and no more once a call is answered", async (_, processors) => {
    let answers = false;
    const { sandbox, watch } = await makeSilent(() => answers, processors);
    await expect.poll(() => sandbox.reason).toMatchObject({ code: "guest_unresponsive" });
    expect(written.at(-1)).toMatchObject({ status: "running", reason: { code: "guest_unresponsive" } });
    expect(await watch.silenceOf(sandbox)).toMatchObject({ code: "guest_unresponsive" });
    answers = true;
    expect(await watch.silenceOf(sandbox)).toBeUndefined();
    watch.called(sandbox, true);
    await expect.poll(() => sandbox.reason).toBeUndefined();
    expect(written.at(-1)).not.toHaveProperty("reason");
  });

  it("is destroyed at once though its VMM tells nothing of its vCPUs", async () => {
    const { sandbox, watch } = await make(() => false, [KERNEL]);
    const asked = Promise.withResolvers<void>();
    sandbox.live!.vm.processors = () => {
      asked.resolve();
      return new Promise(() => undefined);
    };
    watch.called(sandbox, false);
    await asked.promise;
    expect(await sandbox.lifecycle.perform("destroy", async () => "destroyed")).toBe("destroyed");
  });

  it("does not say so when it answers in the end", async () => {
    let questions = 0;
    const { sandbox } = await makeSilent(() => ++questions > 2, [PROGRAM], { ...WATCHING, silentMs: 600_000 });
    await expect.poll(() => questions).toBeGreaterThan(2);
    expect(sandbox.reason).toBeUndefined();
  });

  it("is found to have panicked soon after its kernel said so, which ends the calls into it", async () => {
    const { sandbox, watch } = await make(() => false, [KERNEL], { ...WATCHING, askMs: 50 });
    const underWay = sandbox.useOnce((_, gone) => new Promise((_, reject) => gone.addEventListener("abort", reject)));
    watch.printed(sandbox, PANIC_LINE);
    const error = {
      code: "guest_unreachable",
      message: expect.stringContaining("its kernel panicked: sysrq triggered crash"),
    };
    await expect(underWay).rejects.toMatchObject(error);
    const console = `[   12.2] sysrq: Trigger a crash\n${PANIC_LINE}`;
    expect(sandbox).toMatchObject({ status: "running", reason: { code: "guest_panicked", console } });
    expect(written.at(-1)).toMatchObject({ status: "running", reason: { code: "guest_panicked" } });
    expect(await watch.silenceOf(sandbox)).toMatchObject({ code: "guest_panicked" });
    await expect(sandbox.useOnce(async () => "never")).rejects.toMatchObject(error);
  });

  it("has hung, and not panicked, when it answered after it printed the words of a panic", async () => {
    let answers = true;
    const patient = { ...WATCHING, looks: 20, everyMs: 20 };
    const { sandbox, watch } = await make(() => answers, [KERNEL], patient);
    await watch.printed(sandbox, PANIC_LINE);
    answers = false;
    watch.called(sandbox, false);
    await expect.poll(() => sandbox.reason).toMatchObject({ code: "guest_hung" });
  });

  it("takes calls again as soon as it answers, though it was found to have hung", async () => {
    let answers = false;
    const { sandbox } = await makeSilent(() => answers, [KERNEL], { ...WATCHING, askMs: 500 });
    await expect.poll(() => sandbox.reason).toMatchObject({ code: "guest_hung" });
    const hung = { code: "guest_unreachable", message: expect.stringContaining("its kernel has made no progress") };
    await expect(sandbox.useOnce(async () => "never")).rejects.toMatchObject(hung);
    answers = true;
    expect(await sandbox.useOnce(async () => "done")).toBe("done");
    await expect.poll(() => sandbox.reason).toBeUndefined();
  });

  it.each([
    ["answers", () => true, [KERNEL]],
    ["runs programs", () => false, [PROGRAM, KERNEL]],
    ["rests", () => false, [REST]],
  ])("is not touched for the words of a panic that a program printed, when it %s", async (_, answers, processors) => {
    const patient = { ...WATCHING, looks: 20, everyMs: 20 };
    const { sandbox, watch } = await make(answers, processors as ProcessorState[], patient);
    expect(await watch.printed(sandbox, PANIC_LINE)).toBe(false);
    expect(sandbox.reason).toBeUndefined();
    expect(await sandbox.useOnce(async () => "done")).toBe("done");
  });
});
