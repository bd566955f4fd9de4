import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { SandboxProcess } from "@warren/sdk";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, test } from "vitest";
import { attach } from "./attach.ts";

/** A command that has ended already and left this output. */
function ended(stdout: string[], stderr: string[]): SandboxProcess {
  return {
    pid: 1,
    stdin: new Writable(),
    stdout: Readable.from(stdout.map((text) => Buffer.from(text))),
    stderr: Readable.from(stderr.map((text) => Buffer.from(text))),
    exit: Promise.resolve({ exitCode: 0, timedOut: false }),
    close: () => undefined,
  } as unknown as SandboxProcess;
}

test("a command is over only when the last of its output has been written", async () => {
  const written: string[] = [];
  const slow = () =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        setImmediate(() => {
          written.push(chunk.toString());
          done();
        });
      },
    });
  await attach(ended(["a", "b", "c"], ["d", "e"]), { stdout: slow(), stderr: slow() });
  expect(written.sort()).toEqual(["a", "b", "c", "d", "e"]);
});

test("all output arrives, in order, at a reader that is slow to start", async () => {
  const program = `
    import { DescriptorOutput } from "${import.meta.dirname}/descriptor-output.ts";
    const output = new DescriptorOutput(1);
    for (let line = 0; line < 20_000; line++) output.write(String(line).padStart(99) + "\\n");
    output.end(() => process.exit(0));
    process.stderr.write("written\\n");
  `;
  const child = spawn(process.execPath, [...NODE_FLAGS, "--input-type=module-typescript", "--eval", program]);
  await once(child.stderr, "data");
  const lines = (await buffer(child.stdout)).toString().trimEnd().split("\n");
  expect(lines.map(Number)).toEqual(Array.from({ length: 20_000 }, (_, line) => line));
});
