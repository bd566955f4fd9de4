import { BASE_TEMPLATE } from "@warren/contracts/identifiers";
import { LIMITS } from "@warren/contracts/limits";
import { type Sandbox, type Warren, WarrenError } from "@warren/sdk";
import { Command } from "commander";
import { dataDirOption } from "../arguments/data-dir.ts";
import { download, type FilePair, upload } from "../arguments/parse.ts";
import {
  addCommandOptions,
  addSandboxOptions,
  type SandboxOptions,
  sandboxAsked,
} from "../arguments/sandbox-options.ts";
import { namedServer } from "../servers/connection.ts";
import { keepLease, LEASE_SEC } from "../servers/lease.ts";
import type { SandboxSize } from "../servers/stack.ts";
import { withTemporaryStack } from "../servers/temporary-stack.ts";
import { WARREN_FAILED } from "../streams/exit-status.ts";
import { type AttachedOptions, runAttached } from "../streams/run-attached.ts";
import { Interruption } from "../terminal/interruption.ts";
import { warn } from "../terminal/messages.ts";
import { checkReadable, checkWritable, downloadFile, uploadFile } from "../transfer.ts";

/** Statuses from which a sandbox does not return. */
const OVER: ReadonlySet<string> = new Set(["stopping", "stopped"]);

interface RunOptions extends SandboxOptions, Omit<AttachedOptions, "signal"> {
  dataDir: string;
  file?: FilePair[];
  get?: FilePair[];
}

/** `warren run`: one command in a sandbox of its own, which goes when it ends. */
export function runCommand(finish: (status: number) => void): Command {
  const command = new Command("run")
    .summary("run a command in a new sandbox")
    .description(
      "Runs a command in a new sandbox and removes the sandbox when it ends. Standard input, output and error are the " +
        "command's, and so is the exit status: 128 + n when signal n ended it, 124 when --timeout did, 125 when Warren " +
        "itself failed.\n\nUses the server that WARREN_URL and WARREN_API_KEY name; without them it starts one of its own " +
        "for the duration, which needs root.",
    )
    .usage("[options] -- COMMAND [ARGUMENT...]")
    .argument("<command>", "program of the sandbox")
    .argument("[arguments...]", "its arguments")
    .option("--file <local:guest>", "copy a file in before the command starts (repeatable)", upload)
    .option(
      "--get <guest:local>",
      "copy a file out when the command has ended, however it ended (repeatable)",
      download,
    );
  return addCommandOptions(addSandboxOptions(command))
    .addOption(dataDirOption())
    .passThroughOptions()
    .action(async (command: string, args: string[], options: RunOptions) => finish(await run(command, args, options)));
}

async function run(command: string, args: string[], options: RunOptions): Promise<number> {
  for (const { local } of options.file ?? []) await checkReadable(local);
  for (const { local } of options.get ?? []) await checkWritable(local);
  const interruption = new Interruption();
  const named = namedServer();
  if (named) return useSandbox(named, command, args, options, interruption, { destroy: true });
  return withTemporaryStack(options.dataDir, sizeAsked(options), interruption, (warren) =>
    // The stack takes its sandboxes with it.
    useSandbox(warren, command, args, options, interruption, { destroy: false }),
  );
}

/** Size of a sandbox of the built-in template; undefined for another template, which has a size of its own. */
function sizeAsked({ template = BASE_TEMPLATE, vcpus, memory }: RunOptions): SandboxSize | undefined {
  if (template !== BASE_TEMPLATE) return undefined;
  return { vcpus: vcpus ?? LIMITS.vcpus.default, memoryMb: memory ?? LIMITS.memoryMb.default };
}

async function useSandbox(
  warren: Warren,
  command: string,
  args: string[],
  options: RunOptions,
  { signal }: Interruption,
  { destroy }: { destroy: boolean },
): Promise<number> {
  // Not cut short by an interruption: a sandbox that is being made on a server that stays can be removed only by its id.
  const creation = warren.sandboxes.create({ ...sandboxAsked(options), ...(destroy ? { leaseSec: LEASE_SEC } : {}) });
  const sandbox = await (destroy ? creation : untilAborted(creation, signal));
  const letGo = destroy ? keepLease(sandbox) : undefined;
  try {
    return await untilAborted(work(sandbox, command, args, options, signal), signal);
  } catch (error) {
    throw (await endOf(warren, sandbox, error, signal)) ?? error;
  } finally {
    letGo?.();
    if (destroy) await destroyOrSay(sandbox);
  }
}

/**
 * The end of the sandbox, where a call got no answer because of it: a machine that slept finds its connections closed, and
 * the lease over.
 */
async function endOf(warren: Warren, { id }: Sandbox, error: unknown, signal: AbortSignal) {
  if (!(error instanceof WarrenError) || error.code !== "server_unreachable") return undefined;
  const fields = await warren.sandboxes.get(id, signal).then(
    (sandbox) => sandbox.fields,
    () => undefined,
  );
  if (!fields?.reason || !OVER.has(fields.status)) return undefined;
  return new WarrenError("invalid_state", `The sandbox ended before its command did: ${fields.reason.message}`);
}

async function destroyOrSay(sandbox: Sandbox): Promise<void> {
  await sandbox.destroy().catch((error) => {
    if (error instanceof WarrenError && (error.code === "server_unreachable" || error.code === "server_stopping")) {
      throw new Error(
        `The server has ended or is out of reach, and the sandbox ${sandbox.id} with its command is left there. The ` +
          `server removes it within ${LEASE_SEC} s, or when it runs again.`,
      );
    }
    throw new Error(`The sandbox ${sandbox.id} could not be removed and may still run: ${error.message}`);
  });
}

async function work(sandbox: Sandbox, command: string, args: string[], options: RunOptions, signal: AbortSignal) {
  const transfer = { signal, ...(options.user === undefined ? {} : { user: options.user }) };
  for (const file of options.file ?? []) await uploadFile(sandbox, file, transfer);
  const status = await runAttached(sandbox, command, args, { ...options, signal });
  let missing = 0;
  for (const file of options.get ?? []) {
    await downloadFile(sandbox, file, transfer).catch((error) => {
      signal.throwIfAborted();
      missing++;
      warn(`${file.guest} could not be copied to ${file.local}: ${error.message}`);
    });
  }
  return status === 0 && missing > 0 ? WARREN_FAILED : status;
}

/** A promise that an abort rejects at once, whatever becomes of the work. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
