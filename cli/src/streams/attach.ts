import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ExitStatus, SandboxProcess } from "@warren/sdk";

/** Where the streams of a command lead. */
export interface Streams {
  /** Absent: the command's standard input is at its end. */
  stdin?: Readable;
  stdout: Writable;
  stderr: Writable;
}

/** Joins a command with local streams, which it ends, and resolves when it has ended and all its output is written. */
export async function attach(process: SandboxProcess, streams: Streams): Promise<ExitStatus> {
  // A command may end, or close its input, before it has read it all; that is its own business.
  if (streams.stdin) pipeline(streams.stdin, process.stdin).catch(() => undefined);
  try {
    const [exit] = await Promise.all([
      process.exit,
      pipeline(process.stdout, streams.stdout),
      pipeline(process.stderr, streams.stderr),
    ]);
    return exit;
  } finally {
    process.close();
  }
}
