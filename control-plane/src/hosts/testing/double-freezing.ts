import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { WarrenError } from "@warren/contracts/errors";
import type { ForkResultSchema } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";
import { DoubleGuest } from "./double-guest.ts";

/** A template of the double: what its sandboxes are made with. */
export interface DoubleTemplate {
  vcpus: number;
  memoryMb: number;
}

/** What the handlers need of the double. */
export interface FreezingDouble {
  directory: string;
  guests: Map<string, DoubleGuest>;
  templates: Map<string, DoubleTemplate>;
  /** Size of each template that is made. */
  templateBytes: number;
  guest(id: string): DoubleGuest;
  /** Runs before a sandbox is paused or resumed; an error that it throws is the answer. */
  onPause: () => Promise<void> | void;
  onResume: () => Promise<void> | void;
}

/** Pausing, copying and freezing, as far as the control plane can see them. */
export function freezingHandlers(double: FreezingDouble) {
  const { templates } = double;
  const key = (teamId: string, name: string) => `${teamId}/${name}`;
  return {
    pauseSandbox: async ({ sandboxId }: { sandboxId: string }) => {
      const guest = double.guest(sandboxId);
      await double.onPause();
      guest.status = "paused";
      guest.autoPaused = false;
      guest.wasPaused = true;
      guest.diskBytes = 4096n;
      return { sandbox: guest.info() };
    },
    rollbackSandbox: async ({ sandboxId }: { sandboxId: string }) => {
      const guest = double.guest(sandboxId);
      if (!guest.wasPaused) throw new WarrenError("invalid_state", `sandbox ${sandboxId} was never paused`);
      guest.status = "paused";
      guest.reason = undefined;
      return { sandbox: guest.info() };
    },
    resumeSandbox: async ({ sandboxId, timeoutSec }: { sandboxId: string; timeoutSec?: number | undefined }) => {
      const guest = double.guest(sandboxId);
      await double.onResume();
      guest.change({ timeoutSec });
      guest.status = "running";
      guest.reason = undefined;
      return { sandbox: guest.info() };
    },
    forkSandbox: async ({ sandboxId, forkIds }: { sandboxId: string; forkIds: string[] }) => {
      const parent = double.guest(sandboxId);
      const results: MessageInitShape<typeof ForkResultSchema>[] = [];
      for (const [index, forkId] of forkIds.entries()) {
        // The third copy never fits, so that a test sees how one failure leaves the others alone.
        if (index === 2) {
          const value = { code: "host_full", message: "this host is full" };
          results.push({ sandboxId: forkId, result: { case: "error" as const, value } });
          continue;
        }
        const guest = await DoubleGuest.create(join(double.directory, forkId), {
          ...structuredClone(parent.request),
          sandboxId: forkId,
        });
        double.guests.set(forkId, guest);
        results.push({ sandboxId: forkId, result: { case: "sandbox" as const, value: guest.info() } });
      }
      return { results };
    },
    createSnapshot: async (request: { sandboxId: string; teamId: string; name: string; overwrite: boolean }) => {
      const { vcpus = 0, memoryMb = 0 } = double.guest(request.sandboxId).request.spec ?? {};
      const { teamId, name } = request;
      if (templates.has(key(teamId, name)) && !request.overwrite) {
        throw new WarrenError("already_exists", `there is a template ${name} already`);
      }
      templates.set(key(teamId, name), { vcpus, memoryMb });
      const figures = { sizeBytes: BigInt(double.templateBytes), createdAtUnixMs: BigInt(Date.now()) };
      return { template: { teamId, name, type: "snapshot", vcpus, memoryMb, ...figures } };
    },
    deleteSnapshot: async ({ teamId, name }: { teamId: string; name: string }) => {
      if (!templates.delete(key(teamId, name))) {
        throw new WarrenError("template_not_found", `there is no template ${name}`);
      }
      return {};
    },
  };
}
