import { HostDuty } from "../host-registry/host-duty.ts";
import { HostJwts } from "../host-registry/host-jwt.ts";
import { HostRemoval } from "../host-registry/host-removal.ts";
import { HostService } from "../host-registry/host-service.ts";
import { LocalHost } from "../host-registry/local-host.ts";
import { DatabaseTokens, type OneTimeTokens } from "../host-registry/one-time-tokens.ts";
import { type HeldTemplates, Registration } from "../host-registry/registration.ts";
import { RegistryStore } from "../host-registry/registry-store.ts";
import { HostReach } from "../hosts/host-reach.ts";
import { MembershipStore } from "../teams/membership-store.ts";
import type { TeamStore } from "../teams/team-store.ts";
import type { Accounts } from "./accounts.ts";
import type { Foundation } from "./foundation.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** How hosts come to be known, and go. */
export type HostRegistry = Awaited<ReturnType<typeof createHostRegistry>>;

/** Wires the registration of hosts together. */
export async function createHostRegistry(
  foundation: Foundation,
  { teams, accounts, sandboxes }: { teams: TeamStore; accounts: Accounts; sandboxes: Sandboxes },
) {
  const { config, db, log } = foundation;
  const audit = foundation.audit.teams;
  const { authority, hosts, hostClients } = sandboxes;
  const managesHosts = (userId: string) => accounts.platform.isAllowed(userId, "hosts");
  const tokens = await openTokens(foundation);
  foundation.onClose(() => tokens.close());
  const store = new RegistryStore(db);
  const jwts = new HostJwts(accounts.keys);
  const templates = heldTemplates(foundation, sandboxes);
  const networks = config.hostNetworks;
  const trust = { jwts, authority, managesHosts, networks };
  const reach = new HostReach(hosts, hostClients);
  const registration = new Registration({ db, store, hosts, reach, tokens, ...trust, templates, audit, log });
  const service = new HostService({
    store,
    registration,
    teams,
    memberships: new MembershipStore(db),
    managesHosts,
    audit,
  });
  const removal = new HostRemoval({ db, hosts: service, sandboxes: sandboxes.sandboxes, hostClients, audit });

  const duty = new HostDuty({ db, hosts: service, audit });

  const { localHost } = config;
  const localParts = { db, store, registration, hostClients, audit, log };
  const local = localHost === undefined ? undefined : await LocalHost.makeKnown(localHost, localParts);
  if (local) {
    sandboxes.scheduler.probe = () => local.join();
    sandboxes.monitor.onAnswer = (address, isNew) => void local.answers(address, isNew);
  }
  /** Has the host of the configuration join, which reaches the control plane at this address. */
  const takeInLocalHost = async (url: string): Promise<void> => local?.joinAt(url);
  return { registration, hosts: service, removal, duty, takeInLocalHost };
}

/** What becomes known of templates by what hosts have. */
function heldTemplates(
  { operations }: Foundation,
  { templateStore, templateHosts, templateDeletions }: Sandboxes,
): HeldTemplates {
  return {
    addBuiltIn: (names) => templateStore.addBuiltIn(names),
    async noteHeld(host, held) {
      await templateHosts.noteHeld(host.id, held);
      await templateDeletions.noteHeld(host.id, held);
      // The host's sign of life does not wait for what it has to do.
      void operations.track(templateDeletions.carryOut(host));
    },
  };
}

/** The client of Redis takes its time to load, and few need it. */
async function openTokens({ config, db, log }: Foundation): Promise<OneTimeTokens> {
  if (config.redisUrl === undefined) return new DatabaseTokens(db);
  const { RedisTokens } = await import("../host-registry/redis-tokens.ts");
  return new RedisTokens(config.redisUrl, log);
}
