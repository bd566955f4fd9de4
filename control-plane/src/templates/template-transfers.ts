import { WarrenError } from "@warren/contracts/errors";
import { isForeignKeyViolation } from "../database/foreign-key-violation.ts";
import type { Db } from "../database/tables.ts";
import type { HostAddress, HostClientPool } from "../hosts/host-client-pool.ts";
import { callHost, fromRpcError } from "../hosts/rpc-errors.ts";
import type { Logger } from "../logging.ts";
import type { TemplateDeletions } from "./template-deletions.ts";
import type { TemplateHosts } from "./template-hosts.ts";
import { filesOfHost, relayTemplate, type TemplateVersion } from "./template-relay.ts";
import type { TemplateRow } from "./template-store.ts";

/** Milliseconds that a host has to read all files of a template. */
const DESCRIBE_TIMEOUT_MS = 300_000;
/** Times that each host which has the template is asked. A later attempt goes on where an earlier one was cut off. */
const ROUNDS = 2;
/** What another host may do better: all else is a fault of the host that is to get the template. */
const OF_SOURCE = new Set(["host_unavailable", "agent_error", "template_not_found", "not_found", "snapshot_damaged"]);

export interface TemplateTransfersParts {
  db: Db;
  hostClients: HostClientPool;
  templateHosts: TemplateHosts;
  deletions: TemplateDeletions;
  log: Logger;
}

/**
 * Brings templates from hosts that have them to hosts that need them. The files pass through here, so that hosts need not
 * reach each other and show nothing to one another. The host that gets them goes by the checksums which the first host gave:
 * nobody on the way can slip in another memory.
 */
export class TemplateTransfers {
  readonly #parts: TemplateTransfersParts;

  constructor(parts: TemplateTransfersParts) {
    this.#parts = parts;
  }

  /** Hosts from which a template can be had at this moment. */
  async sources({ id, snapshot_id }: Pick<TemplateRow, "id" | "snapshot_id">): Promise<HostAddress[]> {
    if (snapshot_id === null) return [];
    const holders = await this.#parts.templateHosts.hostsHolding(id);
    if (holders.length === 0) return [];
    return this.#parts.db
      .selectFrom("hosts")
      .select(["id", "address", "registration"])
      .where("id", "in", holders)
      .where("status", "in", ["online", "draining"])
      .where("address", "<>", "")
      .execute();
  }

  /** Has a host have a template. Throws the reason why it cannot. */
  async ensure(template: TemplateRow, host: HostAddress): Promise<void> {
    if (template.type === "base") return;
    const { templateHosts, hostClients, log } = this.#parts;
    if ((await templateHosts.hostsHolding(template.id)).includes(host.id)) return;
    const sources = await this.sources(template);
    const version = { teamId: template.team_id, name: template.name, snapshotId: template.snapshot_id ?? "" };
    let reason = new WarrenError("host_unavailable", `no host that has the template "${template.name}" is online`);
    for (const source of Array.from({ length: ROUNDS }, () => sources).flat()) {
      try {
        const bundle = await this.#bundle(template, version, source);
        const files = filesOfHost(hostClients.agentOf(source), version);
        await relayTemplate(hostClients.agentOf(host), { template: version, bundle }, files);
        await this.#note(template, version, host);
        log.info({ template: template.name, from: source.id, host: host.id }, "a host has got a template");
        return;
      } catch (error) {
        reason = fromRpcError(error);
        log.warn({ err: reason, template: template.name, from: source.id, host: host.id }, "a template did not come");
        if (!OF_SOURCE.has(reason.code)) break;
      }
    }
    throw reason;
  }

  /** The list of files by which all hosts go: that of the host which was asked first. */
  async #bundle({ id, name }: TemplateRow, template: TemplateVersion, source: HostAddress): Promise<string> {
    const { db, hostClients } = this.#parts;
    const read = () => db.selectFrom("templates").select("bundle").where("id", "=", id).executeTakeFirst();
    const known = (await read())?.bundle;
    if (known) return known;
    const agent = hostClients.agentOf(source);
    const { bundle } = await callHost(() => agent.describeTemplate({ template }, { timeoutMs: DESCRIBE_TIMEOUT_MS }));
    await db.updateTable("templates").set({ bundle }).where("id", "=", id).where("bundle", "is", null).execute();
    const kept = (await read())?.bundle;
    if (kept) return kept;
    throw new WarrenError("template_not_found", `the template "${name}" was deleted meanwhile`);
  }

  /** Notes that a host has a template; one that was deleted meanwhile is to go there as well. */
  async #note({ id, name }: TemplateRow, { teamId, snapshotId }: TemplateVersion, host: HostAddress): Promise<void> {
    const { templateHosts, deletions } = this.#parts;
    try {
      await templateHosts.add(id, host.id);
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
      await deletions.noteOn(host.id, { teamId, name, snapshotId });
      void deletions.carryOut(host);
      throw new WarrenError("template_not_found", `the template "${name}" was deleted meanwhile`);
    }
  }
}
