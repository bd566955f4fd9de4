import { readdirSync } from "node:fs";
import { join } from "node:path";
import { SandboxStatus } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { fromRpcError } from "@warren/control-plane/hosts/rpc-errors";
import { expect } from "vitest";
import type { HostAgentFixture } from "./host-agent.ts";
import { claimedSlots, readRecords, vmmProcesses } from "./host-state.ts";
import { SeededRandom } from "./random.ts";

/** Sandboxes that go through operations at the same time. */
const SANDBOXES = 3;
const TEAM = "crash";
/** Makes a file of random pages in the memory of a guest. */
const PAGES = "head -c 300000 /dev/urandom >/dev/shm/pages";
/** Directories that must hold the same files in the end as in the beginning. */
const STORES = ["sandboxes", "disks", "memory", "snapshots", "templates"];

type Operation = "pause" | "resume" | "template" | "rest";

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

/** Operations that one round has under way. */
export interface UnderWay {
  /** Milliseconds that they took lately, so that a moment within them can be chosen. */
  span: number;
  /** Resolves when each has ended, well or not. `cause` is what happened meanwhile, for the report. */
  end(cause: string): Promise<void>;
}

/** Rounds in which the test breaks something. */
export interface CrashRounds {
  rounds: number;
  seed: number;
  /** Called when the built-in template is there and nothing else. */
  begin?: () => Promise<void>;
  /** One round: has the workload do something, breaks something meanwhile, and verifies what is found. */
  round: (workload: CrashWorkload, number: number, random: SeededRandom) => Promise<void>;
}

/** Runs the rounds on a host agent that holds nothing, and sees that nothing is lost and nothing left. */
export async function loseNothing(host: HostAgentFixture, { rounds, seed, begin, round }: CrashRounds): Promise<void> {
  const random = new SeededRandom(seed);
  const workload = new CrashWorkload(host, random);
  await workload.prepare();
  await host.stop();
  await host.restart();
  const before = workload.stores();
  await begin?.();
  try {
    for (let number = 1; number <= rounds; number++) await round(workload, number, random);
    await workload.finish();
  } catch (error) {
    const log = host.log.join("\n");
    throw new Error(`with WARREN_CRASH_SEED=${seed}; the log of the host agent:\n${log}`, { cause: error });
  } finally {
    console.log(workload.report());
  }
  await host.stop();
  await host.restart();
  expect(workload.stores()).toEqual(before);
  expect(vmmProcesses(host.directory)).toEqual([]);
  await host.stop();
  expect(claimedSlots(host.directory)).toEqual([]);
}

/**
 * Sandboxes that are paused, resumed and made templates of in rounds, in each of which the test breaks something; and
 * what may be found after that.
 */
class CrashWorkload {
  readonly #host: HostAgentFixture;
  readonly #random: SeededRandom;
  readonly #subjects: Subject[] = [];
  readonly #durations: Record<Operation, number> = { pause: 500, resume: 500, template: 500, rest: 1 };
  readonly #happened = new Map<string, number>();
  #generation = 0;

  constructor(host: HostAgentFixture, random: SeededRandom) {
    this.#host = host;
    this.#random = random;
    for (let index = 0; index < SANDBOXES; index++) this.#subjects.push(new Subject(index, 0));
  }

  /** Files that the host agent keeps. */
  stores(): Record<string, string[]> {
    const filesIn = (name: string) =>
      readdirSync(join(this.#host.directory, name), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name: file }) => join(parentPath, file))
        .sort();
    return Object.fromEntries(STORES.map((name) => [name, filesIn(name)]));
  }

  /** Has the built-in template made, so that it is among the files of the beginning. */
  async prepare(): Promise<void> {
    await this.#create("sbcrashwarmupaaaaaaaaa");
    await this.#host.calls.destroySandbox({ sandboxId: "sbcrashwarmupaaaaaaaaa" });
  }

  /** Makes the sandboxes that are missing, and writes a new state into those that run. */
  async begin(round: number): Promise<void> {
    let status = await this.#statuses();
    for (const [index, subject] of this.#subjects.entries()) {
      if (status.has(subject.id)) continue;
      const next = new Subject(index, ++this.#generation);
      next.inTemplate = subject.inTemplate;
      this.#subjects[index] = next;
      await this.#create(next.id);
      await this.#shell(next.id, `${PAGES}; cp /dev/shm/pages first; cp /dev/shm/pages /dev/shm/first`);
    }
    status = await this.#statuses();
    for (const subject of this.#subjects) subject.ran = status.get(subject.id) === "running";
    await Promise.all(this.#subjects.map((subject) => subject.ran && this.#write(subject, round)));
  }

  /** Starts an operation on each sandbox. */
  start(): UnderWay {
    const started = performance.now();
    const plans = this.#subjects.map((subject): Operation => {
      if (subject.ran) return this.#random.pick(["pause", "pause", "pause", "template", "rest"]);
      return this.#random.pick(["resume", "resume", "resume", "template"]);
    });
    const outcomes = this.#subjects.map(async (subject, index) => {
      const operation = plans[index]!;
      try {
        await this.#perform(subject, operation);
        this.#durations[operation] = performance.now() - started;
        return "done";
      } catch {
        return "failed";
      }
    });
    return {
      span: Math.max(...plans.map((operation) => this.#durations[operation])),
      end: async (cause) => {
        const ends = await Promise.all(outcomes);
        for (const [index, operation] of plans.entries()) {
          const key = `${cause} in ${operation}: ${ends[index]}`;
          this.#happened.set(key, (this.#happened.get(key) ?? 0) + 1);
        }
      },
    };
  }

  /** Resolves when no sandbox is in the middle of anything, and the end of every microVM that was killed has been seen. */
  async settled(): Promise<void> {
    await expect
      .poll(() => {
        const processes = vmmProcesses(this.#host.directory);
        return readRecords(this.#host.directory).filter(({ status, process }) => {
          if (status === "running") return !process || !processes.includes(process.pid);
          return status !== "paused" && status !== "stopped";
        });
      })
      .toEqual([]);
  }

  /** Sees that each sandbox is in a state in which it may be; `mayBeGone` if it was never paused. */
  async verify(mayBeGone: boolean): Promise<void> {
    const status = await this.#statuses();
    for (const subject of this.#subjects) await this.#check(subject, status.get(subject.id), mayBeGone);
  }

  /** Starts a sandbox from each template that is there, and sees that it holds one of the states it may hold. */
  async verifyTemplates(): Promise<void> {
    for (const subject of this.#subjects) await this.#checkTemplate(subject);
  }

  /** Resumes what is there, sees that nothing was lost, and removes everything. */
  async finish(): Promise<void> {
    for (const subject of this.#subjects) {
      const status = (await this.#statuses()).get(subject.id);
      if (status !== undefined) {
        subject.ran = status === "running";
        await this.#host.calls.resumeSandbox({ sandboxId: subject.id });
        await this.#check(subject, "running", false);
        await this.#host.calls.destroySandbox({ sandboxId: subject.id });
      }
      await this.#deleteTemplate(subject);
    }
  }

  /** What happened how often, a line each. */
  report(): string {
    const lines = [...this.#happened].sort().map(([what, times]) => `${String(times).padStart(4)} × ${what}`);
    return lines.join("\n");
  }

  async #create(sandboxId: string, template = "minimal"): Promise<void> {
    await this.#host.calls.createSandbox({ sandboxId, teamId: TEAM, spec: { template, vcpus: 1, memoryMb: 128 } });
  }

  async #shell(sandboxId: string, script: string): Promise<string> {
    const command = { cmd: "sh", args: ["-c", script], timeoutMs: 60_000 };
    const result = await this.#host.calls.exec({ sandboxId, command, maxOutputBytes: 10_000 });
    const output = Buffer.from(result.stdout).toString();
    if (result.exitCode !== 0) throw new Error(`${script}: ${output}${Buffer.from(result.stderr)}`);
    return output.trim();
  }

  /** Writes a state with a few random pages around it, so that each pause has something to write. */
  async #write(subject: Subject, state: number): Promise<void> {
    const script = `${PAGES}; cp /dev/shm/pages pages; echo ${state} | tee state >/dev/shm/state`;
    await this.#shell(subject.id, script);
    subject.current = state;
  }

  /** The state in the guest's memory, once it is seen that its disk holds the same, and what it held from the beginning. */
  async #read(sandboxId: string): Promise<number> {
    return Number(
      await this.#shell(
        sandboxId,
        "cmp state /dev/shm/state && cmp pages /dev/shm/pages && cmp first /dev/shm/first && cat state",
      ),
    );
  }

  /** Statuses by id. Like a control plane, it says of those that have ended by themselves that it knows. */
  async #statuses(): Promise<Map<string, string>> {
    const { sandboxes } = await this.#host.calls.listSandboxes({});
    const ended = sandboxes.filter(({ status }) => status === SandboxStatus.STOPPED);
    await Promise.all(ended.map(({ sandboxId }) => this.#host.calls.destroySandbox({ sandboxId })));
    const left = sandboxes.filter(({ status }) => status !== SandboxStatus.STOPPED);
    return new Map(left.map(({ sandboxId, status }) => [sandboxId, SandboxStatus[status].toLowerCase()]));
  }

  async #perform(subject: Subject, operation: Operation): Promise<void> {
    const { id, current, possible } = subject;
    switch (operation) {
      case "pause":
        subject.unreported.add(current);
        await this.#host.calls.pauseSandbox({ sandboxId: id });
        subject.paused = current;
        subject.unreported.clear();
        return;
      case "resume":
        await this.#host.calls.resumeSandbox({ sandboxId: id });
        return;
      case "template":
        for (const state of possible) subject.inTemplate.add(state);
        await this.#host.calls.createTemplate({ sandboxId: id, teamId: TEAM, name: subject.template, overwrite: true });
        subject.inTemplate = possible;
        return;
      case "rest":
        return;
    }
  }

  /** Sees that a sandbox is in a state in which it may be, and brings what the test knows up to date. */
  async #check(subject: Subject, status: string | undefined, mayBeGone: boolean): Promise<void> {
    if (status === undefined) {
      expect(subject.paused, `${subject.id} was reported paused and is gone`).toBeUndefined();
      expect(mayBeGone, `${subject.id} is gone although its microVM was left alone`).toBe(true);
      return;
    }
    expect(["running", "paused"]).toContain(status);
    if (status === "paused") return;
    const state = await this.#read(subject.id);
    expect([...subject.possible], `state of ${subject.id}`).toContain(state);
    subject.current = state;
    if (subject.ran) return;
    // What it was resumed from is its last pause, whether that was reported or not.
    subject.paused = state;
    subject.unreported.clear();
  }

  /** Starts a sandbox from a template, if it is there, and sees that it holds one of the states it may hold. */
  async #checkTemplate(subject: Subject): Promise<void> {
    const sandboxId = `${subject.id.slice(0, -1)}z`;
    try {
      await this.#create(sandboxId, subject.template);
    } catch (error) {
      expect(fromRpcError(error)).toMatchObject({ code: "template_not_found" });
      expect([...subject.inTemplate]).toContain(undefined);
      return;
    }
    expect([...subject.inTemplate], `state of template ${subject.template}`).toContain(await this.#read(sandboxId));
    await this.#host.calls.destroySandbox({ sandboxId });
  }

  /** Deletes the template of a sandbox, which may outlive it, or may never have been made. */
  async #deleteTemplate(subject: Subject): Promise<void> {
    const deleted = await this.#host.calls.deleteTemplate({ teamId: TEAM, name: subject.template }).then(
      () => true,
      (error: unknown) => {
        expect(fromRpcError(error)).toMatchObject({ code: "template_not_found" });
        return false;
      },
    );
    if (!deleted) expect([...subject.inTemplate]).toContain(undefined);
  }
}
