import { type Static, Type } from "typebox";
import { PROCESS_SELECTOR, PROCESS_SELECTOR_WORDS, PROCESS_TAG, PROCESS_TAG_WORDS } from "../identifiers.ts";
import { LIMITS } from "../limits.ts";
import { SIGNALS, type SignalName } from "../signals.ts";
import { Environment } from "./environment.ts";
import { GuestPath, GuestUser } from "./files.ts";

const Argument = (options: { minLength?: number; description?: string } = {}) =>
  Type.String({
    ...options,
    pattern: "^[^\\u0000]*$",
    "x-words": "text without NUL characters",
    "x-max-bytes": LIMITS.execArgBytes,
  });

/** Size of a terminal, in characters (`struct winsize` of ioctl_tty(2) has 16 bits for each). */
export const TerminalSize = Type.Object(
  { cols: Type.Integer({ minimum: 1, maximum: 65_535 }), rows: Type.Integer({ minimum: 1, maximum: 65_535 }) },
  { additionalProperties: false },
);
export type TerminalSize = Static<typeof TerminalSize>;

/** What every way to run a command takes. */
const command = {
  cmd: Argument({ minLength: 1, description: "Program, looked up in PATH, or its path" }),
  args: Type.Optional(
    Type.Array(Argument(), { maxItems: LIMITS.execArgs, description: "Arguments, passed as they are" }),
  ),
  env: Type.Optional(Environment),
  cwd: Type.Optional(GuestPath({ description: "Working directory; default: the user's home" })),
  user: Type.Optional(GuestUser),
  timeout_sec: Type.Optional(
    Type.Integer({
      minimum: LIMITS.execTimeoutSec.min,
      maximum: LIMITS.execTimeoutSec.max,
      default: LIMITS.execTimeoutSec.default,
      description:
        "Seconds after which the command is ended: by SIGTERM, and a few seconds later by SIGKILL; 0 = no limit but the " +
        "end of the client's connection",
    }),
  ),
  background: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        `The command lives on when its client leaves, and the newest ${LIMITS.keptOutputBytes} bytes of its output are kept ` +
        "for clients that attach later, for an hour after its end",
    }),
  ),
  tag: Type.Optional(
    Type.String({
      pattern: PROCESS_TAG.source,
      "x-words": PROCESS_TAG_WORDS,
      description:
        "Name by which the command can be found; one that another command of the sandbox has, which lives, is refused",
    }),
  ),
};

/** Which command of a sandbox is meant. */
export const ProcessSelector = Type.String({
  pattern: PROCESS_SELECTOR.source,
  "x-words": PROCESS_SELECTOR_WORDS,
  description: "Process id of the command in the sandbox, or its tag",
});

/** Base64 of RFC 4648, section 4, as a pattern. */
const BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";

/** Request to run a command to its end. */
export const ExecRequest = Type.Object(
  {
    ...command,
    stdin: Type.Optional(
      Type.String({ description: `Standard input, at most ${LIMITS.execStdinBytes} bytes; default: none` }),
    ),
    stdin_encoding: Type.Optional(
      Type.Enum(["utf-8", "base64"], { default: "utf-8", description: "How `stdin` is written" }),
    ),
    terminal: Type.Optional({
      ...TerminalSize,
      description:
        "Terminal of a command in the background, whose input is what attached clients type. Default: none, and no input",
    }),
  },
  {
    additionalProperties: false,
    title: "ExecRequest",
    dependentSchemas: {
      stdin: {
        properties: {
          background: { const: false, "x-words": "false, or stdin left out: that is for commands that are waited for" },
        },
      },
      terminal: {
        properties: {
          background: { const: true, "x-words": "true, or terminal left out: whoever waits for a command sees none" },
        },
      },
    },
    if: { properties: { stdin_encoding: { const: "base64" } }, required: ["stdin_encoding"] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
    then: { properties: { stdin: { type: "string", pattern: BASE64, "x-words": "base64" } } },
  },
);
export type ExecRequest = Static<typeof ExecRequest>;

/** How bytes are written in JSON: as text, or in base64 when they are not valid UTF-8. */
const Encoding = Type.Enum(["utf-8", "base64"]);

/** A process that was killed because memory ran out. */
export const OutOfMemory = Type.Object(
  {
    process: Type.String({ description: "Its name, as the kernel has it; empty when it is not known" }),
    pid: Type.Integer({ description: "Its id in the sandbox; 0 when it is not known" }),
  },
  { title: "OutOfMemory", description: "A process of the command that was killed because memory ran out" },
);
export type OutOfMemory = Static<typeof OutOfMemory>;

/** What a finished command left. */
export const ExecResult = Type.Object(
  {
    sandbox_id: Type.String(),
    cmd: Type.String(),
    stdout: Type.String(),
    stderr: Type.String(),
    exit_code: Type.Integer({ description: "Exit status; 128 + n when signal n ended the command" }),
    signal: Type.Optional(Type.String({ description: "Name of the signal that ended the command, such as SIGKILL" })),
    timed_out: Type.Boolean({ description: "Whether it was ended because timeout_sec passed" }),
    out_of_memory: Type.Optional(OutOfMemory),
    stdout_truncated: Type.Boolean({ description: `Whether more than ${LIMITS.execOutputBytes} bytes were written` }),
    stderr_truncated: Type.Boolean({ description: `Whether more than ${LIMITS.execOutputBytes} bytes were written` }),
    duration_ms: Type.Integer(),
    encoding: Encoding,
  },
  { title: "ExecResult" },
);
export type ExecResult = Static<typeof ExecResult>;

/**
 * WebSocket subprotocol of streamed commands in which bytes of standard streams travel as binary messages: one byte that
 * names the stream (see STREAM_BYTE), then the bytes. All other frames are JSON text messages, as without it.
 */
export const EXEC_SUBPROTOCOL = "warren.exec.v1";

/** First byte of a binary message: from the client stdin, from the server stdout or stderr. */
export const STREAM_BYTE = { stdin: 1, stdout: 1, stderr: 2 } as const;

const OutputWindow = Type.Optional(
  Type.Integer({
    minimum: LIMITS.outputWindowBytes.min,
    maximum: LIMITS.outputWindowBytes.max,
    description:
      "Bytes of output that may be ahead of what the client has used, which it says by output_taken frames: for clients " +
      "that cannot stop to read, such as browsers. Default: no bound but the connection's",
  }),
);

/** First frame of a client: what to run. Ending the connection ends the command, unless that is in the background. */
export const ExecStartFrame = Type.Object(
  {
    type: Type.Literal("start"),
    ...command,
    stdin: Type.Optional(
      Type.Boolean({ default: false, description: "Whether stdin frames follow; false = end of file at once" }),
    ),
    // A terminal joins the command's two outputs, which arrive as stdout.
    terminal: Type.Optional(TerminalSize),
    output_window: OutputWindow,
  },
  { additionalProperties: false, title: "ExecStartFrame" },
);
export type ExecStartFrame = Static<typeof ExecStartFrame>;

/** First frame of a client that joins a command. Ending the connection leaves the command as it is. */
export const ExecAttachFrame = Type.Object(
  {
    type: Type.Literal("attach"),
    process: ProcessSelector,
    from: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description:
          "Where in the output to begin: the number of bytes before, stdout and stderr together. Default: with what comes " +
          "from now on",
      }),
    ),
    output_window: OutputWindow,
  },
  { additionalProperties: false, title: "ExecAttachFrame" },
);
export type ExecAttachFrame = Static<typeof ExecAttachFrame>;

const ExecStdinFrame = Type.Object(
  { type: Type.Literal("stdin"), data: Type.String(), encoding: Type.Optional(Encoding) },
  { additionalProperties: false },
);
const ExecCloseStdinFrame = Type.Object({ type: Type.Literal("close_stdin") }, { additionalProperties: false });
/** A signal by its name. */
export const Signal = Type.Enum(Object.keys(SIGNALS) as SignalName[]);

const ExecSignalFrame = Type.Object({ type: Type.Literal("signal"), signal: Signal }, { additionalProperties: false });
const ExecTimeoutFrame = Type.Object(
  {
    type: Type.Literal("timeout"),
    timeout_sec: Type.Integer({
      minimum: LIMITS.execTimeoutSec.min,
      maximum: LIMITS.execTimeoutSec.max,
      description: "New time limit, counted from here; 0 = no limit",
    }),
  },
  { additionalProperties: false },
);
const ExecResizeFrame = Type.Object(
  { type: Type.Literal("resize"), ...TerminalSize.properties },
  { additionalProperties: false },
);
const ExecOutputTakenFrame = Type.Object(
  {
    type: Type.Literal("output_taken"),
    bytes: Type.Integer({
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description: "Bytes used since the last such frame",
    }),
  },
  { additionalProperties: false },
);
const ExecStopFrame = Type.Object({ type: Type.Literal("stop") }, { additionalProperties: false });

/** Schemas of the frames of a client by their type. */
export const EXEC_CLIENT_FRAMES = {
  start: ExecStartFrame,
  attach: ExecAttachFrame,
  stdin: ExecStdinFrame,
  close_stdin: ExecCloseStdinFrame,
  signal: ExecSignalFrame,
  timeout: ExecTimeoutFrame,
  resize: ExecResizeFrame,
  output_taken: ExecOutputTakenFrame,
  stop: ExecStopFrame,
} as const;

/** A frame of a client. */
export type ExecClientFrame = {
  [K in keyof typeof EXEC_CLIENT_FRAMES]: Static<(typeof EXEC_CLIENT_FRAMES)[K]>;
}[keyof typeof EXEC_CLIENT_FRAMES];

/** A frame of the server. After `exit` or `error` it closes the connection. */
export type ExecServerFrame =
  /**
   * `offset` is the number of bytes of output, stdout and stderr together, before the first that follows: whoever adds the
   * length of each piece can attach again from there. `dropped`: so many bytes from where the client wanted to begin are not
   * kept any more. `terminal`: it runs in one.
   */
  | { type: "start"; pid: number; tag?: string; offset: number; dropped?: number; terminal?: true }
  /** Without `encoding`, data is text. */
  | { type: "stdout" | "stderr"; data: string; encoding?: "base64" }
  /** Bytes of standard input that the command was given since the last such frame; for the subprotocol only. */
  | { type: "stdin_taken"; bytes: number }
  /** exit_code is 128 + n when signal n, whose name is `signal`, ended the command. */
  | { type: "exit"; exit_code: number; signal?: string; timed_out?: true; out_of_memory?: OutOfMemory }
  /** A signal, time limit or size could not be taken, and changed nothing; the command goes on. As for `error`. */
  | { type: "refused"; code: string; data: string }
  /** `code` is one of the error catalogue; data is for people. */
  | { type: "error"; code: string; data: string };
