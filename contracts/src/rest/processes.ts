import { type Static, Type } from "typebox";
import { Timestamp } from "./accounts.ts";
import { OutOfMemory, ProcessSelector, Signal } from "./commands.ts";
import { SandboxParams } from "./sandboxes.ts";

/** A command that was started in the background. */
export const StartedProcess = Type.Object(
  {
    pid: Type.Integer({ description: "Its process id in the sandbox" }),
    tag: Type.Optional(Type.String({ description: "Its tag, when it was given one" })),
  },
  { title: "StartedProcess" },
);
export type StartedProcess = Static<typeof StartedProcess>;

/** How a command ended. */
const ProcessExit = Type.Object(
  {
    exit_code: Type.Integer({ description: "Exit status; 128 + n when signal n ended the command" }),
    signal: Type.Optional(Type.String({ description: "Name of the signal that ended the command, such as SIGKILL" })),
    timed_out: Type.Optional(Type.Boolean({ description: "Whether it was ended because timeout_sec passed" })),
    out_of_memory: Type.Optional(OutOfMemory),
    ended_at: Timestamp,
  },
  { description: "How it ended; absent while it lives" },
);

/** A command of a sandbox, however it was started. */
export const Process = Type.Object(
  {
    pid: Type.Integer({ description: "Its process id in the sandbox" }),
    tag: Type.Optional(Type.String()),
    cmd: Type.String({ description: "Program" }),
    args: Type.Array(Type.String(), { description: "Its arguments; what is very long is cut" }),
    cwd: Type.Optional(Type.String({ description: "Working directory, when one was asked for" })),
    user: Type.String(),
    started_at: Timestamp,
    terminal: Type.Boolean({ description: "Whether it runs in a terminal" }),
    background: Type.Boolean({ description: "Whether it lives on without clients, and its output is kept" }),
    output_bytes: Type.Integer({ description: "Bytes of output so far, stdout and stderr together" }),
    output_from: Type.Integer({ description: "Where in its output what is kept begins" }),
    cpu_ms: Type.Integer({ description: "Processor time of all its processes, milliseconds; 0 when it has ended" }),
    memory_bytes: Type.Integer({ description: "Memory of all its processes; 0 when it has ended" }),
    exit: Type.Optional(ProcessExit),
  },
  { title: "Process" },
);
export type Process = Static<typeof Process>;

/** The commands of a sandbox, the newest last. */
export const Processes = Type.Array(Process, { title: "Processes" });

/** What whoever watches the commands of a sandbox is told, over a WebSocket: that the list is another, or why it ends. */
export type ProcessesFrame = { type: "changed" } | { type: "error"; code: string; data: string };

/** Which command of which sandbox is meant. */
export const ProcessParams = Type.Object({ ...SandboxParams.properties, process: ProcessSelector });

/** Request to send a command a signal. */
export const SignalProcess = Type.Object({ signal: Signal }, { additionalProperties: false, title: "SignalProcess" });
export type SignalProcess = Static<typeof SignalProcess>;
