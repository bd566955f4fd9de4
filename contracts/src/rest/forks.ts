import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";
import { ErrorBody } from "./error.ts";
import { Sandbox } from "./sandboxes.ts";

/** Request to copy a running sandbox. */
export const ForkSandbox = Type.Object(
  {
    count: Type.Optional(
      Type.Integer({ minimum: LIMITS.forks.min, maximum: LIMITS.forks.max, default: LIMITS.forks.default }),
    ),
  },
  { additionalProperties: false, title: "ForkSandbox" },
);
export type ForkSandbox = Static<typeof ForkSandbox>;

/** One copy, or why there is none. */
export const ForkResult = Type.Union([Type.Object({ sandbox: Sandbox }), ErrorBody], { title: "ForkResult" });
export type ForkResult = Static<typeof ForkResult>;

/** Request to continue a paused sandbox. */
export const ResumeSandbox = Type.Object(
  {
    timeout_sec: Type.Optional(
      Type.Integer({
        minimum: LIMITS.timeoutSec.min,
        maximum: LIMITS.timeoutSec.max,
        description: "Seconds of inactivity before the timeout happens again; as before when absent",
      }),
    ),
  },
  { additionalProperties: false, title: "ResumeSandbox" },
);
export type ResumeSandbox = Static<typeof ResumeSandbox>;
