import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fromRpcError } from "@warren/control-plane/hosts/rpc-errors";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HostAgentFixture } from "./support/host-agent.ts";
import { claimedSlots, readRecords, vmmProcesses } from "./support/host-state.ts";
import { SeededRandom } from "./support/random.ts";

const ROUNDS = Number(process.env.WARREN_CRASH_ROUNDS ?? 200);
const SEED = Number(process.env.WARREN_CRASH_SEED ?? 20261121);
/** Sandboxes that go through operations at the same time. */
const SANDBOXES = 3;
const TEAM = "crash";
/** Directories that must hold the same files in the end as in the beginning. */
const STORES = ["sandboxes", "disks", "memory", "snapshots", "templates"];

type Operation = "pause" | "resume" | "snapshot" | "rest";
type Victim = "agent" | "vmm" | "both";

/** What a test knows of one sandbox. A state is a number that the guest keeps in memory and on its disk. */
class Subject {
  readonly id: string;
  readonly template: string;
  /** State that was written last. */
  current = 0;
  /** Whether it was running when the round began. */
  ran = false;
  /** State of the last pause that was reported, which may never be lost. */
  paused: number | undefined;
  /** States of pauses since then that were not reported, and may have happened all the same. */
  unreported = new Set<number>();
  /** States that its template may hold; undefined = there may be none. */
  inTemplate = new Set<number | undefined>([undefined]);

  constructor(index: number, generation: number) {
    const digits = "abcdefghijklmnopqrstuvwxyz";
    this.id = `sbcrash${digits[index]}${String(generation).replace(/\d/g, (digit) => digits[Number(digit)]!)}`.padEnd(
      22,
      "a",
    );
    this.template = `crash-${index}`;
  }

  /** States that it may be found in: the one that was written while it runs on, else one of its pauses. */
  get possible(): Set<number> {
    if (this.ran) return new Set([this.current]);
    return new Set([...(this.paused === undefined ? [] : [this.paused]), ...this.unreported]);
  }
}

let host: HostAgentFixture;
let before: Record<string, string[]>;
beforeAll(async () => {
  host = await HostAgentFixture.start({ WARREN_WARM_POOL: "0", WARREN_SPARE_SLOTS: "1" });
  await create("sbcrashwarmupaaaaaaaaa");
  await host.calls.destroySandbox({ sandboxId: "sbcrashwarmupaaaaaaaaa" });
  await host.stop();
  await host.restart();
  before = stores();
});
afterAll(() => host?.dispose());

function stores(): Record<string, string[]> {
  const filesIn = (name: string) =>
    readdirSync(join(host.directory, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name: file }) => join(parentPath, file))
      .sort();
  return Object.fromEntries(STORES.map((name) => [name, filesIn(name)]));
}

async function create(sandboxId: string, template = "minimal"): Promise<void> {
  await host.calls.createSandbox({ sandboxId, teamId: TEAM, template, vcpus: 1, memoryMb: 128 });
}

async function shell(sandboxId: string, script: string): Promise<string> {
  const command = { cmd: "sh", args: ["-c", script], timeoutMs: 60_000 };
  const result = await host.calls.exec({ sandboxId, command, maxOutputBytes: 10_000 });
  const output = Buffer.from(result.stdout).toString();
  if (result.exitCode !== 0) throw new Error(`${script}: ${output}${Buffer.from(result.stderr)}`);
  return output.trim();
}

/** Writes a state with a few random pages around it, so that each pause has something to write. */
async function write(subject: Subject, state: number): Promise<void> {
  const script = `head -c 300000 /dev/urandom >/dev/shm/pages; cp /dev/shm/pages pages; echo ${state} | tee state >/dev/shm/state`;
  await shell(subject.id, script);
  subject.current = state;
}

/** The state in the guest's memory, once it is seen that its disk holds the same. */
async function read(sandboxId: string): Promise<number> {
  return Number(await shell(sandboxId, "cmp state /dev/shm/state && cmp pages /dev/shm/pages && cat state"));
}

async function statuses(): Promise<Map<string, string>> {
  const { sandboxes } = await host.calls.listSandboxes({});
  return new Map(sandboxes.map(({ sandboxId, status }) => [sandboxId, status]));
}

async function perform(subject: Subject, operation: Operation): Promise<void> {
  const { id, current, possible } = subject;
  switch (operation) {
    case "pause":
      subject.unreported.add(current);
      await host.calls.pauseSandbox({ sandboxId: id });
      subject.paused = current;
      subject.unreported.clear();
      return;
    case "resume":
      await host.calls.resumeSandbox({ sandboxId: id });
      return;
    case "snapshot":
      for (const state of possible) subject.inTemplate.add(state);
      await host.calls.createSnapshot({ sandboxId: id, teamId: TEAM, name: subject.template, overwrite: true });
      subject.inTemplate = possible;
      return;
    case "rest":
      return;
  }
}

/** Kills them at the same moment; resolves when they are gone. */
async function kill(victim: Victim, random: SeededRandom): Promise<void> {
  const processes = victim === "agent" ? [] : vmmProcesses(host.directory);
  const chosen = victim === "both" || processes.length === 0 ? processes : [random.pick(processes)];
  for (const pid of chosen) killIfThere(pid);
  if (victim !== "vmm") await host.kill();
  await expect.poll(() => vmmProcesses(host.directory).filter((pid) => chosen.includes(pid))).toEqual([]);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Sees that a sandbox is in a state in which it may be, and brings what the test knows up to date. */
async function check(subject: Subject, status: string | undefined, mayBeGone: boolean): Promise<void> {
  if (status === undefined) {
    expect(subject.paused, `${subject.id} was reported paused and is gone`).toBeUndefined();
    expect(mayBeGone, `${subject.id} is gone although its microVM was left alone`).toBe(true);
    return;
  }
  expect(["running", "paused"]).toContain(status);
  if (status === "paused") return;
  const state = await read(subject.id);
  expect([...subject.possible], `state of ${subject.id}`).toContain(state);
  subject.current = state;
  if (subject.ran) return;
  // What it was resumed from is its last pause, whether that was reported or not.
  subject.paused = state;
  subject.unreported.clear();
}

/** Starts a sandbox from a template, if it is there, and sees that it holds one of the states it may hold. */
async function checkTemplate(subject: Subject): Promise<void> {
  const sandboxId = `${subject.id.slice(0, -1)}z`;
  try {
    await create(sandboxId, subject.template);
  } catch (error) {
    expect(fromRpcError(error)).toMatchObject({ code: "template_not_found" });
    expect([...subject.inTemplate]).toContain(undefined);
    return;
  }
  expect([...subject.inTemplate], `state of template ${subject.template}`).toContain(await read(sandboxId));
  await host.calls.destroySandbox({ sandboxId });
}

/** Deletes the template of a sandbox, which may outlive it, or may never have been made. */
async function deleteTemplate(subject: Subject): Promise<void> {
  const deleted = await host.calls.deleteSnapshot({ teamId: TEAM, name: subject.template }).then(
    () => true,
    (error: unknown) => {
      expect(fromRpcError(error)).toMatchObject({ code: "template_not_found" });
      return false;
    },
  );
  if (!deleted) expect([...subject.inTemplate]).toContain(undefined);
}

it(`loses nothing in ${ROUNDS} rounds of SIGKILL, and leaks nothing`, { timeout: 3_600_000 }, async () => {
  const random = new SeededRandom(SEED);
  const subjects: Subject[] = [];
  const durations: Record<Operation, number> = { pause: 500, resume: 500, snapshot: 500, rest: 1 };
  const happened = new Map<string, number>();
  for (let index = 0; index < SANDBOXES; index++) subjects.push(new Subject(index, 0));
  let generation = 0;
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      let status = await statuses();
      for (const [index, subject] of subjects.entries()) {
        if (status.has(subject.id)) continue;
        const next = new Subject(index, ++generation);
        next.inTemplate = subject.inTemplate;
        subjects[index] = next;
        await create(next.id);
      }
      status = await statuses();
      for (const subject of subjects) subject.ran = status.get(subject.id) === "running";
      await Promise.all(subjects.map((subject) => subject.ran && write(subject, round)));

      const started = performance.now();
      const plans = subjects.map((subject): Operation => {
        if (subject.ran) return random.pick(["pause", "pause", "pause", "snapshot", "rest"]);
        return random.pick(["resume", "resume", "resume", "snapshot"]);
      });
      const outcomes = subjects.map(async (subject, index) => {
        const operation = plans[index]!;
        try {
          await perform(subject, operation);
          durations[operation] = performance.now() - started;
          return "done";
        } catch {
          return "failed";
        }
      });
      const victim = random.pick<Victim>(["agent", "vmm", "both"]);
      const span = Math.max(...plans.map((operation) => durations[operation]));
      await delay(random.next() * span);
      await kill(victim, random);
      const ends = await Promise.all(outcomes);
      for (const [index, operation] of plans.entries()) {
        const key = `${victim} killed in ${operation}: ${ends[index]}`;
        happened.set(key, (happened.get(key) ?? 0) + 1);
      }
      if (victim !== "vmm") await host.restart();

      await settled();
      status = await statuses();
      for (const subject of subjects) await check(subject, status.get(subject.id), victim !== "agent");
      if (round % 10 === 0) for (const subject of subjects) await checkTemplate(subject);
    }

    for (const subject of subjects) {
      const status = (await statuses()).get(subject.id);
      if (status !== undefined) {
        subject.ran = status === "running";
        await host.calls.resumeSandbox({ sandboxId: subject.id });
        await check(subject, "running", false);
        await host.calls.destroySandbox({ sandboxId: subject.id });
      }
      await deleteTemplate(subject);
    }
  } catch (error) {
    throw new Error(`with WARREN_CRASH_SEED=${SEED}; the log of the host agent:\n${host.log.slice(-60).join("\n")}`, {
      cause: error,
    });
  } finally {
    console.log(
      [...happened]
        .sort()
        .map(([what, times]) => `${String(times).padStart(4)} × ${what}`)
        .join("\n"),
    );
  }
  await host.stop();
  await host.restart();
  expect(stores()).toEqual(before);
  expect(vmmProcesses(host.directory)).toEqual([]);
  await host.stop();
  expect(claimedSlots(host.directory)).toEqual([]);
});

/** Resolves when no sandbox is in the middle of anything, and the end of every microVM that was killed has been seen. */
async function settled(): Promise<void> {
  await expect
    .poll(() => {
      const processes = vmmProcesses(host.directory);
      return readRecords(host.directory).filter(({ status, process }) => {
        if (status === "running") return !process || !processes.includes(process.pid);
        return status !== "paused";
      });
    })
    .toEqual([]);
}
