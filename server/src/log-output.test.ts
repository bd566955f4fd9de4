import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, expect, it } from "vitest";
import { NODE_FLAGS } from "./node-flags.ts";

const LOG_OUTPUT = join(import.meta.dirname, "log-output.ts");

let child: ChildProcess | undefined;
afterEach(() => void child?.kill("SIGKILL"));

/** Runs a program that writes to `output`, which leads to its standard output. */
function run(program: string): ChildProcess {
  const source = `import { LogOutput } from ${JSON.stringify(LOG_OUTPUT)}; const output = new LogOutput(); ${program}`;
  child = spawn(process.execPath, [...NODE_FLAGS, "--input-type=module", "--eval", source], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  return child;
}

it("writes every line once and in order, and none is lost in the moment before the process ends", async () => {
  const { stdout } = run(
    'for (let i = 0; i < 20000; i++) output.write(i + "\\n"); setImmediate(() => { output.write("last\\n"); process.exit(0); });',
  );
  const lines = (await text(stdout!)).trimEnd().split("\n");
  expect(lines.filter((line) => line !== "last")).toEqual(Array.from({ length: 20000 }, (_, index) => String(index)));
  expect(lines.filter((line) => line === "last")).toHaveLength(1);
});

it("lines of one turn come before the next that is written, and before the end", async () => {
  const { stdout } = run(
    `output.writeSoon("1\\n"); output.writeSoon("2\\n"); output.write("3\\n"); output.writeSoon("4\\n");
     setImmediate(() => setImmediate(() => { output.write("5\\n"); output.writeSoon("6\\n"); process.exit(0); }));`,
  );
  expect(await text(stdout!)).toBe("1\n2\n3\n4\n5\n6\n");
});

it.each([
  ["when it ends by itself", ""],
  ["when it is told to end at once", "process.exit(0)"],
])("what a pipe has no room for comes when there is some, once and in order, %s", async (_, end) => {
  const { stdout } = run(
    `for (let i = 0; i < 3000; i++) output.write(String(i).padEnd(600, "ü") + "\\n");
     process.stdin.once("data", () => { output.write("last\\n"); process.stdin.destroy(); ${end} });`,
  );
  await once(stdout!, "readable");
  child!.stdin!.write("go\n");
  const lines = (await text(stdout!)).trimEnd().split("\n");
  expect(lines.map((line) => line.replace(/ü+$/, ""))).toEqual([...Array(3000).keys(), "last"].map(String));
});

it("an end comes between the room in a pipe and the news of it, and no byte comes twice", async () => {
  const { stdout } = run(
    `const { default: fs } = await import("node:fs");
     const { syncBuiltinESMExports } = await import("node:module");
     const { writeSync } = fs;
     fs.writeSync = () => {
       fs.writeSync = writeSync;
       syncBuiltinESMExports();
       throw Object.assign(new Error("full"), { code: "EAGAIN" });
     };
     syncBuiltinESMExports();
     output.write("1\\n");
     process.exit(0);`,
  );
  expect(await text(stdout!)).toBe("1\n");
});

it("is one of many in a process without being taken for a leak", async () => {
  const { stdout } = run(
    `process.on("warning", ({ name }) => output.write(name + "\\n"));
     const others = Array.from({ length: 20 }, () => new LogOutput());
     setImmediate(() => others[19].write("last\\n"));`,
  );
  expect(await text(stdout!)).toBe("last\n");
});

it("ends when its reader is gone and lines are unwritten", async () => {
  const { stdout, stdin } = run(
    'process.stdin.once("data", () => { output.write("one\\n"); output.write("two\\n"); process.exit(3); });',
  );
  stdout!.destroy();
  await once(stdout!, "close");
  stdin!.write("go\n");
  const [status] = await once(child!, "exit");
  expect(status).toBe(3);
});

it("a reader that does not read holds nothing up, and is told how much it missed", async () => {
  const { stdout, stdin } = run(
    `const line = "x".repeat(1023) + "\\n"; for (let i = 0; i < 8192; i++) output.write(line);
     process.stdin.once("data", () => { output.write("after\\n"); process.stdin.destroy(); });`,
  );
  stdin!.write("go\n");
  const written = await text(stdout!);
  const lines = written.trimEnd().split("\n");
  expect(lines.filter((line) => line.startsWith("x")).length).toBeLessThan(8192);
  expect(written).toMatch(/\d+ lines were lost/);
});
