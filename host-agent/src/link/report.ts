import { loadavg } from "node:os";
import { LIMITS } from "@warren/contracts/limits";
import type { Heartbeat } from "@warren/contracts/rest/hosts";
import { readVersion } from "@warren/server/version";
import type { HostFacts } from "../rpc/host-facts.ts";
import type { SandboxService } from "../sandboxes/service.ts";

const VERSION = readVersion();
/** Characters of a reason, as the control plane takes them. */
const LONGEST_REASON = 400;
/** Bytes in a MiB. */
const MIB = 1024 ** 2;

/** What a host says of itself with a sign of life. */
export async function readReport(
  sandboxes: Pick<SandboxService, "usage" | "listTemplates">,
  facts: () => Promise<HostFacts>,
): Promise<Required<Heartbeat>> {
  const [host, usage] = await Promise.all([facts(), sandboxes.usage()]);
  const builtIn = host.templates.map(({ name }) => ({ name }));
  const ofTeams = sandboxes.listTemplates().map(({ teamId, name, snapshot }) => ({
    team_id: teamId,
    name,
    snapshot_id: snapshot,
  }));
  return {
    arch: host.arch,
    cpu_cores: host.cpuCores,
    memory_mb: host.memoryMb,
    disk_gb: host.diskGb,
    version: VERSION,
    vmm: host.version,
    accelerator: host.accelerator,
    emulation_reason: host.emulationReason.slice(0, LONGEST_REASON),
    load: {
      running: usage.microvms.taken,
      paused: usage.sandboxes.filter((status) => status === "paused").length,
      sandboxes_limit: usage.microvms.limit,
      memory_mb_taken: Math.round(usage.memoryMb.taken),
      memory_mb_limit: Math.floor(usage.memoryMb.limit),
      disk_mb_left: Math.max(0, Math.floor(usage.diskLeftBytes / MIB)),
      cpu_load: loadavg()[0] ?? 0,
    },
    templates: [...builtIn, ...ofTeams].slice(0, LIMITS.heldTemplates),
  };
}
