import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { GuestKernel } from "./guest-kernel.ts";

const HOME = "/home/user";
/** Status of a program that is not there, as a shell has it. */
const NOT_FOUND = 127;

/** What programs run in. */
export interface World {
  kernel: GuestKernel;
  vcpus: number;
  /** Prints on the console. */
  print(text: string): void;
  /** How many programs that were asked for run. */
  processes(): number;
  /** Ends the machine. */
  end(cause: "power_off" | "reset"): void;
}

/** A program that runs. */
export interface Running {
  env: Record<string, string>;
  cwd: string;
  /** Aborts when a signal ends it. */
  signal: AbortSignal;
  stdin(): Promise<Buffer>;
  write(stream: "stdout" | "stderr", data: Buffer): void;
}

type Program = (args: string[], world: World, running: Running) => Promise<number> | number;

/** The programs of the guest. Those of the real one that are only there to be warmed up do nothing. */
const PROGRAMS: Record<string, Program> = {
  true: () => 0,
  false: () => 1,
  sync: () => 0,
  python3: () => 0,
  ls: () => 0,
  env: () => 0,
  exit: ([status = "0"]) => Number(status),
  echo: (args, _, { write }) => {
    write("stdout", Buffer.from(`${args.join(" ")}\n`));
    return 0;
  },
  nproc: (_args, { vcpus }, { write }) => {
    write("stdout", Buffer.from(`${vcpus}\n`));
    return 0;
  },
  // How many programs run, this one among them.
  jobs: (_args, world, { write }) => {
    write("stdout", Buffer.from(`${world.processes()}\n`));
    return 0;
  },
  hostname: (_args, { kernel }, { write }) => {
    write("stdout", Buffer.from(`${kernel.state.hostname}\n`));
    return 0;
  },
  cat: async (args, world, running) => {
    if (args.length === 0) running.write("stdout", await running.stdin());
    for (const path of args) running.write("stdout", open(path, world, running));
    return 0;
  },
  head: ([, count = "0", path = ""], world, running) => {
    const bytes = Number(count);
    const content = path === "/dev/urandom" ? randomBytes(bytes) : open(path, world, running).subarray(0, bytes);
    running.write("stdout", content);
    return 0;
  },
  cp: ([from = "", to = ""], world, running) => {
    save(to, open(from, world, running), false, world, running);
    return 0;
  },
  cmp: ([one = "", other = ""], world, running) => {
    if (open(one, world, running).equals(open(other, world, running))) return 0;
    running.write("stdout", Buffer.from(`${one} ${other} differ\n`));
    return 1;
  },
  stat: ([, , path = ""], world, running) => {
    running.write("stdout", Buffer.from(`${open(path, world, running).length}\n`));
    return 0;
  },
  rm: (args, { kernel }, { cwd }) => {
    for (const path of args) kernel.removeFile(posix.resolve(cwd, path));
    return 0;
  },
  tee: async (args, world, running) => {
    const content = await running.stdin();
    for (const path of args) save(path, content, false, world, running);
    running.write("stdout", content);
    return 0;
  },
  sleep: async ([seconds = "0"], _, { signal }) => {
    await delay(Number(seconds) * 1000, undefined, { signal });
    return 0;
  },
  // Begins to count in /run/count, and waits until it goes on.
  count: (_args, { kernel }) => {
    kernel.update({ counting: true });
    return 0;
  },
  counts: async (_args, world, { signal }) => {
    const before = String(world.kernel.readFile("/run/count"));
    while (String(world.kernel.readFile("/run/count")) === before) {
      await delay(10, undefined, { signal });
      await world.kernel.running();
    }
    return 0;
  },
  poweroff: (_args, world) => {
    world.end("power_off");
    return 0;
  },
  reboot: (_args, world) => {
    world.end("reset");
    return 0;
  },
  panic: (_args, world) => {
    world.print("Kernel panic - not syncing: asked for");
    world.end("reset");
    return 0;
  },
};

/** Runs a program, or a script of some with `;`, `&&`, `|`, `>`, `>>` and `&`; resolves with its status. */
export async function runProgram(cmd: string, args: string[], world: World, running: Running): Promise<number> {
  const name = posix.basename(cmd);
  const script = /^(ba)?sh$/.test(name) && /^-l?c$/.test(args[0] ?? "") ? args[1] : undefined;
  return script === undefined ? runOne([name, ...args], world, running) : runScript(script, world, running);
}

/** The home of the only user. */
export const HOME_DIRECTORY = HOME;

async function runScript(script: string, world: World, running: Running): Promise<number> {
  let status = 0;
  for (const list of split(script, /^(;|\n|&(?!&))/)) {
    const inBackground = list.end === "&";
    const work = runList(list.text, world, running);
    if (inBackground) work.catch(() => undefined);
    else status = await work;
  }
  return status;
}

async function runList(list: string, world: World, running: Running): Promise<number> {
  let status = 0;
  for (const { text } of split(list, /^(&&)/)) {
    status = await runPipeline(text, world, running);
    if (status !== 0) return status;
  }
  return status;
}

async function runPipeline(pipeline: string, world: World, running: Running): Promise<number> {
  let status = 0;
  let input: Buffer | undefined;
  const stages = split(pipeline, /^(\|)/);
  for (const [index, { text }] of stages.entries()) {
    const output: Buffer[] = [];
    const isLast = index === stages.length - 1;
    const given = input;
    status = await runOne(wordsOf(text, running.env), world, {
      ...running,
      ...(given && { stdin: async () => given }),
      write: (stream, data) => (stream === "stdout" && !isLast ? void output.push(data) : running.write(stream, data)),
    });
    input = Buffer.concat(output);
  }
  return status;
}

async function runOne(words: string[], world: World, running: Running): Promise<number> {
  const args = [...words];
  const targets: { path: string; more: boolean }[] = [];
  for (
    let index = args.findIndex((word) => /^>>?$/.test(word));
    index >= 0;
    index = args.findIndex((word) => /^>>?$/.test(word))
  ) {
    const [operator, path = ""] = args.splice(index, 2);
    targets.push({ path, more: operator === ">>" });
  }
  const [name = "true", ...rest] = args;
  await world.kernel.running();
  running.signal.throwIfAborted();
  const program = PROGRAMS[name];
  if (!program) {
    running.write("stderr", Buffer.from(`${name}: not found\n`));
    return NOT_FOUND;
  }
  const output: Buffer[] = [];
  const [target] = targets;
  const write: Running["write"] = (stream, data) =>
    stream === "stdout" && target ? void output.push(data) : running.write(stream, data);
  const status = await attempt(name, running, () => program(rest, world, { ...running, write }));
  // What ran while the processors stood still goes on with them.
  await world.kernel.running();
  if (!target) return status;
  return attempt(name, running, () => {
    save(target.path, Buffer.concat(output), target.more, world, running);
    return status;
  });
}

/** What fails says so and has status 1; what was ended by a signal is over. */
async function attempt(
  name: string,
  { signal, write }: Running,
  work: () => Promise<number> | number,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) throw error;
    write("stderr", Buffer.from(`${name}: ${error instanceof Error ? error.message : error}\n`));
    return 1;
  }
}

function open(path: string, { kernel }: World, { cwd }: Running): Buffer {
  const content = kernel.readFile(posix.resolve(cwd, path));
  if (!content) throw new Error(`${path}: No such file or directory`);
  return content;
}

function save(path: string, content: Buffer, more: boolean, { kernel, print }: World, { cwd }: Running): void {
  if (path === "/dev/null") return;
  if (path === "/dev/ttyS0") {
    print(content.toString().trimEnd());
    return;
  }
  const place = posix.resolve(cwd, path);
  const former = more ? kernel.readFile(place) : undefined;
  kernel.writeFile(place, former ? Buffer.concat([former, content]) : content);
}

/** Parts of a text between separators that stand outside quotes; `end` is what ended a part. */
function split(text: string, separator: RegExp): { text: string; end: string }[] {
  const parts: { text: string; end: string }[] = [];
  let part = "";
  let quote = "";
  for (let index = 0; index < text.length; ) {
    const rest = text.slice(index);
    const found = quote === "" ? separator.exec(rest) : null;
    if (found) {
      parts.push({ text: part, end: found[0] });
      part = "";
      index += found[0].length;
      continue;
    }
    const character = rest[0] as string;
    if (quote === "" && /["']/.test(character)) quote = character;
    else if (character === quote) quote = "";
    // A pair that is another operator is no separator.
    const taken = quote === "" && /^(&&|\|\|)/.test(rest) ? 2 : 1;
    part += rest.slice(0, taken);
    index += taken;
  }
  return [...parts, { text: part, end: "" }].filter((each) => each.text.trim() !== "");
}

/** Words of a command; variables are put in outside single quotes. */
function wordsOf(command: string, env: Record<string, string>): string[] {
  const words = command.match(/>>?|(?:'[^']*'|"[^"]*"|[^\s>'"])+/g) ?? [];
  const put = (text: string) => text.replace(/\$\{?(\w+)\}?/g, (_, name: string) => env[name] ?? "");
  return words.map((word) =>
    word.replace(/'([^']*)'|"([^"]*)"|[^'"]+/g, (part: string, single?: string, double?: string) =>
      single !== undefined ? single : put(double ?? part),
    ),
  );
}
