import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import type { FetchTemplateRequest, TemplateInfo } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { FetchTemplateRequestSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { HostAgent } from "../hosts/host-client.ts";
import { fromRpcError } from "../hosts/rpc-errors.ts";

/** A template as hosts know it. */
export interface TemplateVersion {
  teamId: string;
  name: string;
  snapshotId: string;
}

/** A file that a host asks for, from an offset on. */
export interface Want {
  sha256: string;
  offset: bigint;
}

/** Reads a file of a template as it travels. Fails, or ends early, where it breaks off. */
export type ReadFile = (want: Want, signal: AbortSignal) => AsyncIterable<Uint8Array>;

/** The files of a template on a host that has it. */
export function filesOfHost(agent: HostAgent, template: TemplateVersion): ReadFile {
  return async function* (want, signal) {
    for await (const { chunk } of agent.readTemplateFile({ template, ...want }, { signal })) yield chunk;
  };
}

/** Has a host get a template, with the files that it asks for from elsewhere. */
export async function relayTemplate(
  host: HostAgent,
  { template, bundle }: { template: TemplateVersion; bundle: string },
  readFile: ReadFile,
): Promise<TemplateInfo> {
  const end = new AbortController();
  const wants = new Wants();
  try {
    const requests = requestsOf({ template, bundle }, wants, (want) => readFile(want, end.signal));
    for await (const { message } of host.fetchTemplate(requests, { signal: end.signal })) {
      if (message.case === "done") return message.value;
      if (message.case === "want") wants.push(message.value);
    }
    throw new WarrenError("agent_error", "the host ended before it had the template");
  } finally {
    wants.close();
    end.abort();
  }
}

/** What a host asks for, until it has all. */
class Wants {
  readonly #queue: Want[] = [];
  #closed = false;
  #wake = () => {};

  push(want: Want): void {
    this.#queue.push(want);
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.#wake();
  }

  async next(): Promise<Want | undefined> {
    for (;;) {
      const want = this.#queue.shift();
      if (want) return want;
      if (this.#closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** What is sent to the host that gets a template: no more at a time than it takes. */
async function* requestsOf(
  start: { template: TemplateVersion; bundle: string },
  wants: Wants,
  read: (want: Want) => AsyncIterable<Uint8Array>,
): AsyncGenerator<FetchTemplateRequest> {
  yield request({ case: "start", value: start });
  for (let want = await wants.next(); want; want = await wants.next()) {
    try {
      for await (const chunk of read(want)) yield request({ case: "chunk", value: chunk });
      yield request({ case: "end", value: {} });
    } catch (error) {
      const { code, message } = fromRpcError(error);
      yield request({ case: "failed", value: { code, message } });
    }
  }
}

function request(
  message: MessageInitShape<typeof FetchTemplateRequestSchema>["message"] & object,
): FetchTemplateRequest {
  return create(FetchTemplateRequestSchema, { message });
}
