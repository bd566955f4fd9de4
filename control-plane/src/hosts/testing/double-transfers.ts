import { createHash, randomUUID } from "node:crypto";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import type {
  DescribeTemplateRequest,
  FetchTemplateRequest,
  ReadTemplateFileRequest,
  TemplateVersion,
} from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { type DoubleTemplate, templateKey } from "./double-snapshots.ts";

/** What the handlers need of the double. */
export interface TransferDouble {
  directory: string;
  templates: Map<string, DoubleTemplate>;
  /** Runs before a file is read, with its offset; an error that it throws is the answer. */
  onReadTemplate: (offset: number) => Promise<void> | void;
  /** Runs before a template is fetched; an error that it throws is the answer. */
  onFetchTemplate: () => Promise<void> | void;
}

/** Templates on their way from host to host: of those of the double, the one file that travels says where the others lie. */
export function transferHandlers(double: TransferDouble) {
  const { templates } = double;
  const exact = (version: TemplateVersion | undefined): DoubleTemplate => {
    const found = templates.get(templateKey(version?.teamId ?? "", version?.name ?? ""));
    if (found && found.snapshotId === version?.snapshotId) return found;
    throw new WarrenError("template_not_found", "there is no such template on this host");
  };
  const fileOf = ({ vcpus, memoryMb, directory }: DoubleTemplate) => JSON.stringify({ vcpus, memoryMb, directory });
  return {
    describeTemplate: async ({ template }: DescribeTemplateRequest) => ({ bundle: sha256(fileOf(exact(template))) }),
    readTemplateFile: async function* ({ template, offset }: ReadTemplateFileRequest) {
      await double.onReadTemplate(Number(offset));
      const file = Buffer.from(fileOf(exact(template))).subarray(Number(offset));
      // In more than one message.
      for (let start = 0; start < file.length; start += 16) yield { chunk: file.subarray(start, start + 16) };
    },
    fetchTemplate: async function* (requests: AsyncIterable<FetchTemplateRequest>) {
      const received = requests[Symbol.asyncIterator]();
      const { message } = ((await received.next()).value ?? { message: {} }) as FetchTemplateRequest;
      if (message.case !== "start") throw new WarrenError("invalid_request", "the first message must be start");
      const { template, bundle } = message.value;
      await double.onFetchTemplate();
      yield { message: { case: "want" as const, value: { sha256: bundle, offset: 0n } } };
      const file = await wholeFile(received);
      if (sha256(file) !== bundle) throw new WarrenError("snapshot_damaged", "a file changed on the way");
      const { vcpus, memoryMb, directory: source } = JSON.parse(file) as DoubleTemplate;
      const directory = join(double.directory, `template-${randomUUID()}`);
      await cp(source, directory, { recursive: true, verbatimSymlinks: true });
      const { teamId = "", name = "", snapshotId = "" } = template ?? {};
      templates.set(templateKey(teamId, name), { vcpus, memoryMb, directory, snapshotId });
      yield { message: { case: "done" as const, value: { teamId, name, snapshotId, vcpus, memoryMb } } };
    },
  };
}

async function wholeFile(received: AsyncIterator<FetchTemplateRequest>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const { done, value } = await received.next();
    if (done || value.message.case === "start") throw new WarrenError("invalid_request", "the file broke off");
    const { message } = value;
    if (message.case === "end") return Buffer.concat(chunks).toString();
    if (message.case === "failed")
      throw new WarrenError(message.value.code as "host_unavailable", message.value.message);
    if (message.case === "chunk") chunks.push(message.value);
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
