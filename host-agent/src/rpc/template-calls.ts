import { setTimeout as delay } from "node:timers/promises";
import type { HandlerContext } from "@connectrpc/connect";
import { type ErrorCode, isErrorCode, WarrenError } from "@warren/contracts/errors";
import type {
  DescribeTemplateRequest,
  FetchTemplateRequest,
  ReadTemplateFileRequest,
  TemplateVersion,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { SandboxService } from "../sandboxes/service.ts";
import type { Template } from "../templates/store.ts";

/** Milliseconds after which a file that does not come is given up; what has come of it is kept. */
const STALL_MS = 60_000;

/** A want, or the end of a fetch. */
type FetchAnswer =
  | { message: { case: "want"; value: { sha256: string; offset: bigint } } }
  | { message: { case: "done"; value: ReturnType<typeof templateInfo> } };

/** The calls by which templates go from host to host, through the control plane. */
export function templateCalls(
  sandboxes: Pick<SandboxService, "describeTemplate" | "readTemplateFile" | "fetchTemplate">,
) {
  return {
    async describeTemplate({ template }: DescribeTemplateRequest) {
      const { teamId, name, snapshotId } = required(template);
      return { bundle: await sandboxes.describeTemplate(teamId, name, snapshotId) };
    },
    async *readTemplateFile(
      { template, sha256, offset }: ReadTemplateFileRequest,
      { signal }: Pick<HandlerContext, "signal">,
    ) {
      const { teamId, name, snapshotId: snapshot } = required(template);
      const content = sandboxes.readTemplateFile({ teamId, name, snapshot }, sha256, Number(offset));
      for await (const chunk of endedBy(signal, content)) yield { chunk };
    },
    fetchTemplate: (requests: AsyncIterable<FetchTemplateRequest>) => fetchTemplate(sandboxes, requests),
  };
}

export function templateInfo({ teamId, name, snapshot, vcpus, memoryMb, sizeBytes, createdAt }: Template) {
  const figures = { sizeBytes: BigInt(sizeBytes), createdAtUnixMs: BigInt(createdAt) };
  return { teamId, name, type: "snapshot", snapshotId: snapshot, vcpus, memoryMb, ...figures };
}

async function* fetchTemplate(
  sandboxes: Pick<SandboxService, "fetchTemplate">,
  requests: AsyncIterable<FetchTemplateRequest>,
): AsyncGenerator<FetchAnswer> {
  const received = requests[Symbol.asyncIterator]();
  const first = await received.next();
  if (first.done || first.value.message.case !== "start") {
    throw new WarrenError("invalid_request", "the first message of a fetch must be start");
  }
  const { template, bundle } = first.value.message.value;
  const { teamId, name } = required(template);
  const wants = new Wants();
  const source = {
    open: ({ sha256 }: { sha256: string }, offset: number) => {
      wants.push({ sha256, offset: BigInt(offset) });
      return fileOf(received);
    },
  };
  const fetched = sandboxes.fetchTemplate({ teamId, name }, bundle, source).finally(() => wants.close());
  fetched.catch(() => undefined);
  for await (const value of wants) yield { message: { case: "want", value } };
  yield { message: { case: "done", value: templateInfo(await fetched) } };
}

/**
 * Ends a source with the call: nobody asks a handler for its next message once its caller has left while one waited to be
 * sent, and what the source holds would stay open.
 */
async function* endedBy<T>(signal: AbortSignal, source: AsyncGenerator<T>): AsyncGenerator<T> {
  const end = () => void source.return(undefined).catch(() => undefined);
  signal.addEventListener("abort", end, { once: true });
  try {
    if (!signal.aborted) yield* source;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** What is wanted, for the answer that is read by the caller. */
class Wants {
  readonly #queue: { sha256: string; offset: bigint }[] = [];
  #closed = false;
  #wake = () => {};

  push(want: { sha256: string; offset: bigint }): void {
    this.#queue.push(want);
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const want = this.#queue.shift();
      if (want) yield want;
      else if (this.#closed) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** The chunks of one file among what comes. */
async function* fileOf(received: AsyncIterator<FetchTemplateRequest>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { done, value } = await soon(received.next());
    if (done) throw new WarrenError("host_unavailable", "a file of the template broke off; ask again to go on with it");
    const { message } = value;
    if (message.case === "chunk") yield message.value;
    else if (message.case === "end") return;
    else if (message.case === "failed") throw failure(message.value);
    else throw new WarrenError("invalid_request", "start may only come first");
  }
}

async function soon<T>(next: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = delay(STALL_MS, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new WarrenError("host_unavailable", `nothing of the template came for ${STALL_MS / 1000} seconds`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([next, late]);
  } finally {
    timer.abort();
  }
}

function failure({ code, message }: { code: string; message: string }): WarrenError {
  const known: ErrorCode = isErrorCode(code) ? code : "agent_error";
  return new WarrenError(known, message);
}

function required(template: TemplateVersion | undefined): TemplateVersion {
  if (template) return template;
  throw new WarrenError("invalid_request", "the request names no template");
}
