import { randomUUID } from "node:crypto";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import type { ForkResultSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import type { DoubleGuest } from "./double-guest.ts";

/** A template of the double: what its sandboxes are made with. */
export interface DoubleTemplate {
  vcpus: number;
  memoryMb: number;
  /** Has the files that its sandboxes begin with. */
  directory: string;
  snapshotId: string;
}

/** What the handlers need of the double. */
export interface SnapshotDouble {
  directory: string;
  guests: Map<string, DoubleGuest>;
  templates: Map<string, DoubleTemplate>;
  /** Size of each template that is made. */
  templateBytes: number;
  guest(id: string): DoubleGuest;
  /** Runs before a sandbox is paused or resumed; an error that it throws is the answer. */
  onPause: () => Promise<void> | void;
  onResume: () => Promise<void> | void;
  /** Runs before a template is deleted; an error that it throws is the answer. */
  onDeleteTemplate: () => Promise<void> | void;
  /** Runs before each copy is made; an error that it throws is what becomes of that copy. */
  onFork: (index: number) => void;
}

/** Pausing, copying and making templates, as far as the control plane can see them: what hosts do by snapshots. */
export function snapshotHandlers(double: SnapshotDouble) {
  const { templates } = double;
  const fork = async (parent: DoubleGuest, sandboxId: string, index: number): Promise<ForkOutcome> => {
    try {
      double.onFork(index);
      const guest = await parent.copy(join(double.directory, sandboxId), sandboxId);
      double.guests.set(sandboxId, guest);
      return { case: "sandbox", value: guest.info() };
    } catch (error) {
      if (!(error instanceof WarrenError)) throw error;
      return { case: "error", value: { code: error.code, message: error.message } };
    }
  };
  return {
    pauseSandbox: async ({ sandboxId }: { sandboxId: string }) => {
      const guest = double.guest(sandboxId);
      await double.onPause();
      await guest.pause();
      return { sandbox: guest.info() };
    },
    rollbackSandbox: async ({ sandboxId }: { sandboxId: string }) => {
      const guest = double.guest(sandboxId);
      await guest.rollBack();
      return { sandbox: guest.info() };
    },
    resumeSandbox: async ({ sandboxId, timeoutSec }: { sandboxId: string; timeoutSec?: number | undefined }) => {
      const guest = double.guest(sandboxId);
      await double.onResume();
      guest.change({ timeoutSec });
      await guest.resume();
      return { sandbox: guest.info() };
    },
    forkSandbox: async ({ sandboxId, forkIds }: { sandboxId: string; forkIds: string[] }) => {
      const parent = double.guest(sandboxId);
      if (forkIds.length === 0) throw new WarrenError("invalid_request", "number of copies must be from 1 to 100");
      parent.requireRunning();
      const results: MessageInitShape<typeof ForkResultSchema>[] = [];
      for (const [index, id] of forkIds.entries()) {
        results.push({ sandboxId: id, result: await fork(parent, id, index) });
      }
      return { results };
    },
    createTemplate: async (request: { sandboxId: string; teamId: string; name: string; overwrite: boolean }) => {
      const guest = double.guest(request.sandboxId);
      const { vcpus = 0, memoryMb = 0 } = guest.request.spec ?? {};
      const { teamId, name } = request;
      if (templates.has(templateKey(teamId, name)) && !request.overwrite) {
        throw new WarrenError("already_exists", `there is a template ${name} already`);
      }
      const snapshotId = randomUUID().replaceAll("-", "");
      const directory = join(double.directory, `template-${randomUUID()}`);
      await cp(guest.directory, directory, { recursive: true, verbatimSymlinks: true });
      templates.set(templateKey(teamId, name), { vcpus, memoryMb, directory, snapshotId });
      const figures = { sizeBytes: BigInt(double.templateBytes), createdAtUnixMs: BigInt(Date.now()) };
      return { template: { teamId, name, type: "snapshot", snapshotId, vcpus, memoryMb, ...figures } };
    },
    deleteTemplate: async (request: { teamId: string; name: string; snapshotId: string }) => {
      await double.onDeleteTemplate();
      const { teamId, name, snapshotId } = request;
      const found = templates.get(templateKey(teamId, name));
      const isMeant = snapshotId === "" || found?.snapshotId === snapshotId;
      if (!isMeant || !templates.delete(templateKey(teamId, name))) {
        throw new WarrenError("template_not_found", `there is no template ${name}`);
      }
      return {};
    },
  };
}

/** Under what a template is kept: names are those of a team. */
export function templateKey(teamId: string, name: string): string {
  return `${teamId}/${name}`;
}

type ForkOutcome = NonNullable<MessageInitShape<typeof ForkResultSchema>["result"]>;
