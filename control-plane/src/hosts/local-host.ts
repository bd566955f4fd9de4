import type { Logger } from "../logging.ts";
import type { TemplateStore } from "../templates/template-store.ts";
import type { HostClientPool } from "./host-client-pool.ts";
import type { HostStore } from "./host-store.ts";

/** Milliseconds that the host has to describe itself. */
const DESCRIBE_TIMEOUT_MS = 5000;

/**
 * Makes the host agent of this machine known. One that does not answer yet comes online with the monitor's first visit
 * that finds it.
 */
export async function registerLocalHost(
  address: string,
  parts: { hosts: HostStore; templates: TemplateStore; pool: HostClientPool; log: Logger },
): Promise<void> {
  const host = await parts.hosts.registerLocal(address);
  try {
    const description = await parts.pool.agentOf(host).getHost({}, { timeoutMs: DESCRIBE_TIMEOUT_MS });
    await parts.hosts.describe(host.id, description);
    const builtIn = description.templates.filter((template) => template.teamId === "" && template.type === "base");
    await parts.templates.addBuiltIn(builtIn.map((template) => template.name));
    await parts.hosts.markAlive({ id: host.id, status: "unreachable" });
  } catch (error) {
    parts.log.warn({ err: error, address }, "the host agent of this machine does not answer yet");
  }
}
