import { LIMITS } from "@warren/contracts/limits";
import type { ExecRequest } from "@warren/contracts/rest/commands";

/** A command as hosts are told of it. */
export function guestCommand(request: Pick<ExecRequest, "cmd" | "args" | "env" | "cwd" | "user" | "timeout_sec">) {
  return {
    cmd: request.cmd,
    args: request.args ?? [],
    env: request.env ?? {},
    cwd: request.cwd ?? "",
    user: request.user ?? "",
    timeoutMs: (request.timeout_sec ?? LIMITS.execTimeoutSec.default) * 1000,
  };
}
