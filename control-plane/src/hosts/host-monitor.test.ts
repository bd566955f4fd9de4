import { WarrenError } from "@warren/contracts/errors";
import { DEFAULT_SPEC } from "@warren/contracts/rest/sandbox-spec";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { newSandboxId } from "@warren/server/sandbox-id";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AuditLogger } from "../audit/audit-logger.ts";
import { AuditOutbox } from "../audit/audit-outbox.ts";
import { AuditRecorder } from "../audit/audit-recorder.ts";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { toWireId } from "../identifiers/wire-id.ts";
import { createLogger } from "../logging.ts";
import { SandboxReconciler } from "../sandboxes/reconciler.ts";
import { SandboxChanges } from "../sandboxes/sandbox-changes.ts";
import { SandboxHistory } from "../sandboxes/sandbox-history.ts";
import { storedSpec } from "../sandboxes/sandbox-spec.ts";
import { SandboxStore } from "../sandboxes/sandbox-store.ts";
import { UnknownSandboxes } from "../sandboxes/unknown-sandboxes.ts";
import { TeamStore } from "../teams/team-store.ts";
import { HostClientPool } from "./host-client-pool.ts";
import { HostMonitor, type HostMonitorParts } from "./host-monitor.ts";
import { HostStore } from "./host-store.ts";
import { HostWatch } from "./host-watch.ts";
import { HostAgentDouble } from "./testing/host-agent-double.ts";
import { insertHost } from "./testing/insert-host.ts";

const log = createLogger("silent");
/** "long": longer than any patience of the reconciler or the monitor; "a while": longer than a call takes to its host. */
const AGO = {
  "long ago": sql<Date>`now() - interval '1 hour'`,
  "a while ago": sql<Date>`now() - interval '30 seconds'`,
};
type Changed = "now" | keyof typeof AGO;

describe("host monitor", () => {
  const fixture = testDatabase();
  let database: Database;
  let double: HostAgentDouble;
  let hostClients: HostClientPool;
  let hosts: HostStore;
  let store: SandboxStore;
  let parts: HostMonitorParts;
  let monitor: HostMonitor;
  let teamId: string;
  let hostId: string;
  /** Milliseconds of the clock by which patience with unknown sandboxes is measured. */
  let now = 0;

  beforeAll(async () => {
    database = await openDatabase(fixture().config, log);
    const { db, leadership } = database;
    double = await HostAgentDouble.start();
    hostClients = new HostClientPool({ secureContext: () => expect.unreachable() });
    const audit = new AuditLogger(new AuditRecorder({ db, outbox: new AuditOutbox(fixture().config.dataDir), log }));
    hosts = new HostStore(db, audit.teams);
    store = new SandboxStore(db, new SandboxChanges(), new SandboxHistory(audit.sandboxes));
    const unknown = new UnknownSandboxes(false, () => now);
    const sandboxes = new SandboxReconciler({ store, hostClients, unknown, log });
    parts = { hosts, watch: new HostWatch(db, audit.teams), hostClients, sandboxes, leadership, log };
    monitor = new HostMonitor(parts);
    teamId = await new TeamStore(db).insert("Team");
    hostId = await insertHost(db, double.address);
    await visit();
  });
  afterAll(async () => {
    hostClients.close();
    await double.close();
    await database.close();
  });
  beforeEach(async () => {
    await database.db.deleteFrom("sandboxes").execute();
    for (const guest of double.guests.values()) await guest.destroy();
    double.guests.clear();
    double.destroyed.length = 0;
    double.onDestroy = () => undefined;
    double.onList = () => undefined;
    double.onWatch = () => undefined;
  });

  /** A row in a state, with or without a sandbox on the host, last changed long ago or just now. */
  async function place(status: SandboxStatus, reported: string | undefined, changed: Changed = "now") {
    const id = newSandboxId();
    await store.insert({ id, team_id: teamId, host_id: hostId, status, spec: storedSpec(DEFAULT_SPEC) });
    if (changed !== "now") {
      await database.db.updateTable("sandboxes").set({ last_updated: AGO[changed] }).where("id", "=", id).execute();
    }
    if (reported !== undefined) {
      await createOnHost(id);
      double.guest(id).status = reported;
    }
    return id;
  }

  /** Makes a sandbox past the database. */
  async function createOnHost(sandboxId: string): Promise<void> {
    const spec = { template: "minimal", vcpus: 1, memoryMb: 512, timeoutSec: 0 };
    const request = { sandboxId, teamId, spec, env: {} };
    await hostClients.agentOf({ id: hostId, address: double.address, registration: 0 }).createSandbox(request);
  }

  /** What the audit log tells of a resource, the oldest first. */
  const eventsAbout = (resourceId: string) =>
    database.db
      .selectFrom("audit_logs")
      .select(["actor_type", "actor_id", "action", "status", "metadata"])
      .where("resource_id", "=", resourceId)
      .orderBy("created_at")
      .execute();
  const host = async () => (await hosts.listMonitored())[0]!;
  const statusOf = async (id: string) => (await store.find(teamId, id))?.status;
  /** Visits the host, which has been watched for `seconds`, as the one process that watches hosts does. */
  const visit = async (seconds = 0) => {
    const answered = await monitor.visit(await host(), new AbortController().signal);
    await monitor.settle(seconds);
    return answered;
  };

  it.each<[SandboxStatus, string | undefined, Changed, SandboxStatus]>([
    ["running", "running", "now", "running"],
    ["running", "paused", "now", "paused"],
    ["running", undefined, "now", "stopped"],
    ["missing", "running", "now", "running"],
    ["missing", "paused", "now", "paused"],
    ["missing", undefined, "now", "stopped"],
    ["running", "stopped", "now", "stopped"],
    ["pausing", "stopped", "now", "stopped"],
    ["missing", "stopped", "now", "stopped"],
    ["pending", "stopped", "now", "pending"],
    ["pending", "stopped", "long ago", "stopped"],
    ["paused", "paused", "now", "paused"],
    ["paused", "running", "now", "running"],
    ["paused", undefined, "long ago", "stopped"],
    ["pending", undefined, "now", "pending"],
    ["pending", "running", "now", "pending"],
    ["pending", "running", "long ago", "running"],
    ["pending", "running", "a while ago", "running"],
    ["pending", "paused", "a while ago", "paused"],
    ["pending", "stopped", "a while ago", "stopped"],
    ["pending", "starting", "a while ago", "pending"],
    ["pending", "starting", "long ago", "error"],
    ["pending", undefined, "a while ago", "error"],
    ["pending", undefined, "long ago", "error"],
    ["starting", undefined, "now", "starting"],
    ["starting", undefined, "a while ago", "error"],
    ["starting", "starting", "a while ago", "starting"],
    ["starting", undefined, "long ago", "error"],
    ["starting", "running", "a while ago", "running"],
    ["stopping", "running", "now", "stopping"],
    ["stopping", "running", "long ago", "stopped"],
    ["stopping", undefined, "now", "stopping"],
    ["stopping", undefined, "a while ago", "stopped"],
    ["stopping", "running", "a while ago", "stopped"],
    ["stopping", "stopping", "a while ago", "stopping"],
    ["stopping", "stopping", "long ago", "stopped"],
    ["pausing", "running", "now", "pausing"],
    ["pausing", "running", "long ago", "running"],
    ["pausing", "running", "a while ago", "running"],
    ["pausing", "pausing", "long ago", "pausing"],
    ["pausing", "paused", "now", "paused"],
    ["pausing", undefined, "now", "stopped"],
    ["resuming", "paused", "now", "resuming"],
    ["resuming", "paused", "long ago", "paused"],
    ["resuming", "paused", "a while ago", "paused"],
    ["resuming", "resuming", "long ago", "resuming"],
    ["resuming", "running", "now", "running"],
    ["resuming", undefined, "now", "stopped"],
  ])("a %s sandbox that the host reports as %s (changed %s) becomes %s", async (status, reported, changed, then) => {
    const id = await place(status, reported, changed);
    await visit();
    expect(await statusOf(id)).toBe(then);
    // Whatever came to rest by it says why.
    const hasCome = then !== status && ["paused", "stopped", "missing", "error"].includes(then);
    if (hasCome && status !== "stopping") expect((await store.find(teamId, id))?.reason).not.toBeNull();
    expect(double.guests.has(id)).toBe(reported !== undefined && then !== "stopped" && then !== "error");
  });

  it.each(["paused", "stopped"])("keeps the reason that the host gives for a sandbox that is %s", async (status) => {
    const id = await place("running", "running");
    const at = Date.UTC(2026, 0, 2);
    const reason = { code: "guest_panicked", message: "its kernel panicked: oh no" };
    Object.assign(double.guest(id), { status, reason: { ...reason, atUnixMs: BigInt(at) } });
    await visit();
    expect(await store.find(teamId, id)).toMatchObject({
      status,
      reason: { ...reason, at: new Date(at).toISOString() },
    });
    // The host keeps how a sandbox ended until it is told that the database has it.
    expect(double.guests.has(id)).toBe(status === "paused");
  });

  it("notes that a host paused a sandbox by itself, also where it gives no reason with the sandbox", async () => {
    const id = await place("running", "paused");
    double.guest(id).autoPaused = true;
    await visit();
    const settled = await store.find(teamId, id);
    expect(settled).toMatchObject({
      status: "paused",
      reason: { code: "inactivity", message: "nothing used it for 0 s" },
    });
    await visit();
    expect(await store.find(teamId, id)).toEqual(settled);
    const asked = await place("running", "paused");
    await visit();
    expect(await store.find(teamId, asked)).toMatchObject({ status: "paused", reason: { code: "requested" } });
  });

  it("takes over why a running sandbox is not well, and that it is well again", async () => {
    const id = await place("running", "running");
    const guest = double.guest(id);
    guest.reason = { code: "guest_hung", message: "its kernel has made no progress for 10 s", atUnixMs: 0n };
    await visit();
    expect(await store.find(teamId, id)).toMatchObject({ status: "running", reason: { code: "guest_hung" } });
    guest.reason = undefined;
    await visit();
    expect(await store.find(teamId, id)).toMatchObject({ status: "running", reason: null });
  });

  it("takes over what the host says of a paused sandbox later: the size of its pause, and why it is paused", async () => {
    const id = await place("running", "paused");
    await visit();
    expect(await store.find(teamId, id)).toMatchObject({
      status: "paused",
      disk_bytes: 0,
      reason: { code: "requested" },
    });
    const guest = double.guest(id);
    guest.diskBytes = 4096n;
    guest.reason = { code: "host_disk_failed", message: "the host could not write its disk", atUnixMs: 0n };
    await visit();
    const settled = await store.find(teamId, id);
    expect(settled).toMatchObject({ status: "paused", disk_bytes: 4096, reason: { code: "host_disk_failed" } });
    await visit();
    expect(await store.find(teamId, id)).toEqual(settled);
  });

  it("leaves alone what changes while the host is asked", async () => {
    const id = await place("running", undefined);
    double.onList = async () => {
      const row = await store.find(teamId, id);
      await store.change(row!, "stopping");
    };
    await visit();
    expect(await statusOf(id)).toBe("stopping");
  });

  it("destroys sandboxes of the host that are over, and those that come without a row, after a while; no others", async () => {
    const running = await place("running", "running");
    const over = [await place("error", "running"), await place("stopped", "running")];
    await visit();
    expect(double.destroyed.sort()).toEqual([...over].sort());
    const unknown = newSandboxId();
    await createOnHost(unknown);
    await visit();
    expect(double.guests.has(unknown)).toBe(true);
    now += 31_000;
    await visit();
    expect([...double.guests.keys()]).toEqual([running]);
    expect(double.destroyed.sort()).toEqual([...over, unknown].sort());
  });

  it("leaves alone what was there when it began to watch: the database may be an older one", async () => {
    const unknown = newSandboxId();
    await createOnHost(unknown);
    parts.sandboxes.begin();
    for (let turn = 0; turn < 3; turn++) {
      await visit();
      now += 3_600_000;
    }
    expect(double.guests.has(unknown)).toBe(true);
    expect(double.destroyed).toEqual([]);
  });

  it("ends a sandbox that is another host's, here alone", async () => {
    const second = await insertHost(database.db, "http://127.0.0.1:2");
    await hosts.markAlive({ id: second, registration: 0, status: "unreachable" });
    try {
      const id = await place("running", "running");
      await database.db.updateTable("sandboxes").set({ host_id: second }).where("id", "=", id).execute();
      const before = await store.find(teamId, id);
      await visit();
      now += 31_000;
      await visit();
      expect(double.destroyed).toEqual([id]);
      expect(await store.find(teamId, id)).toEqual(before);
    } finally {
      await database.db.deleteFrom("sandboxes").execute();
      await database.db.deleteFrom("hosts").where("id", "=", second).execute();
    }
  });

  it("believes times and sizes of a host as far as they can be", async () => {
    const id = await place("missing", "running");
    const { created_at } = (await store.find(teamId, id))!;
    const guest = double.guest(id);
    const info = guest.info.bind(guest);
    const far = { createdAtUnixMs: BigInt(Date.now() + 600_000), hostIp: "\0".repeat(9) + "x".repeat(1_000_000) };
    guest.info = () => ({ ...info(), ...far });
    await visit();
    const row = (await store.find(teamId, id))!;
    expect(row.status).toBe("running");
    expect(row.started_at!.getTime()).toBeLessThanOrEqual(Date.now() + 1000);
    expect(row.host_ip.length).toBeLessThanOrEqual(64);
    guest.info = () => ({ ...info(), createdAtUnixMs: -(2n ** 62n), diskBytes: 2n ** 64n - 1n });
    guest.status = "paused";
    guest.reason = { code: "host_disk_failed", message: "\0\ud800".repeat(100_000), atUnixMs: 2n ** 62n };
    await visit();
    const paused = (await store.find(teamId, id))!;
    expect(paused).toMatchObject({ status: "paused", disk_bytes: Number.MAX_SAFE_INTEGER });
    expect(paused.reason!.message.length).toBeLessThan(10_000);
    await visit();
    expect(await store.find(teamId, id)).toEqual(paused);
    guest.reason = undefined;
    guest.status = "running";
    await visit();
    expect((await store.find(teamId, id))!.started_at).toEqual(created_at);
  });

  it("follows the other sandboxes of a host that cannot destroy one, and asks for that again", async () => {
    const stuck = await place("stopping", "running", "long ago");
    const other = await place("running", "paused");
    await place("stopped", "running");
    double.onDestroy = () => Promise.reject(new WarrenError("internal_error", "the microVM does not end"));
    expect(await visit()).toBe(true);
    expect([await statusOf(stuck), await statusOf(other)]).toEqual(["stopping", "paused"]);
    double.onDestroy = () => undefined;
    await visit();
    expect(await statusOf(stuck)).toBe("stopped");
    expect([...double.guests.keys()]).toEqual([other]);
  });

  it("does not take a sandbox for an unknown one that is created while the host is asked", async () => {
    let id = "";
    double.onList = async () => {
      double.onList = () => undefined;
      id = await place("pending", "running");
    };
    await visit();
    await visit();
    expect(double.guests.has(id)).toBe(true);
    expect(await statusOf(id)).toBe("pending");
  });

  it("knows for how long hosts were watched, whoever did it", async () => {
    const watch = parts.watch;
    expect(await watch.begin()).toBe(0);
    const set = (last: string) =>
      sql`update host_watch set since = now() - interval '100 seconds', last_round_at = now() - ${last}::interval`.execute(
        database.db,
      );
    await set("6 seconds");
    expect(await watch.begin()).toBeGreaterThanOrEqual(100);
    // Nobody has taken signs of life meanwhile, maybe.
    await set("20 seconds");
    expect(await watch.begin()).toBe(0);
  });

  it("has calls that bring news share a visit that has not begun, and no other", async () => {
    let lists = 0;
    const first = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    double.onList = () => {
      if (++lists > 1) return;
      begun.resolve();
      return first.promise;
    };
    const looks = [monitor.look(hostId)];
    await begun.promise;
    for (let turn = 0; turn < 50; turn++) looks.push(monitor.look(hostId));
    first.resolve();
    await Promise.all(looks);
    expect(lists).toBe(2);
  });

  describe("a host that falls silent", () => {
    it("stays online for a while, then its sandboxes are missing until it is back", async () => {
      const [running, paused] = [await place("running", "running"), await place("paused", "paused")];
      const cutOff = await place("running", "running");
      await visit();
      await double.hangUp();
      await visit(1000);
      expect((await host()).status).toBe("online");

      await database.db.updateTable("hosts").set({ last_heartbeat_at: AGO["long ago"] }).execute();
      // A control plane that has just begun to watch cannot know how long the silence has lasted.
      await visit(10);
      expect((await host()).status).toBe("online");
      await visit(1000);
      expect((await host()).status).toBe("unreachable");
      expect([await statusOf(running), await statusOf(paused)]).toEqual(["missing", "paused"]);
      expect((await store.find(teamId, running))?.reason).toMatchObject({ code: "host_lost" });

      // What a host has paused meanwhile, since it had lost its control plane, is paused.
      const reason = { code: "control_plane_lost", message: "its host had not reached the control plane for 61 s" };
      expect(await statusOf(cutOff)).toBe("missing");
      Object.assign(double.guest(cutOff), { status: "paused", reason: { ...reason, atUnixMs: 0n } });
      await double.listen();
      await visit();
      expect((await host()).status).toBe("online");
      expect([await statusOf(running), await statusOf(paused)]).toEqual(["running", "paused"]);
      expect(await store.find(teamId, cutOff)).toMatchObject({ status: "paused", reason });
      expect((await eventsAbout(cutOff)).at(-1)).toMatchObject({
        action: "found",
        metadata: { status: "paused", reason: reason.code, message: reason.message },
      });
      const system = { actor_type: "system", actor_id: "" };
      expect(await eventsAbout(running)).toEqual([
        {
          action: "missing",
          status: "error",
          metadata: expect.objectContaining({ reason: "host_unavailable" }),
          ...system,
        },
        { action: "found", status: "info", metadata: { status: "running" }, ...system },
      ]);
      expect(await eventsAbout(paused)).toEqual([]);
      expect(
        (await eventsAbout(toWireId("host", hostId))).map(({ action, status, metadata }) => [action, status, metadata]),
      ).toEqual([
        ["marked_up", "success", {}],
        ["marked_down", "error", {}],
        ["marked_up", "success", { again: true }],
      ]);
    });
  });

  it("marks the sandboxes of a lost host though whoever noted its loss came no further", async () => {
    const id = await place("running", "running");
    await database.db.updateTable("hosts").set({ status: "unreachable" }).where("id", "=", hostId).execute();
    await monitor.settle(0);
    expect(await statusOf(id)).toBe("missing");
    await visit();
    expect(await statusOf(id)).toBe("running");
  });

  it("knows what a host offers that has come back", async () => {
    const row = await database.db.selectFrom("hosts").selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({ arch: "amd64", cpu_cores: 2, memory_mb: 4096, status: "online" });
    expect(row.metadata).toEqual({ accelerator: "tcg", vmm: "0.1.0" });
  });

  const watched = () => new Promise<void>((resolve) => (double.onWatch = resolve));

  it("learns at once of a sandbox that ended by itself", async () => {
    const id = await place("running", "running");
    const follower = new HostMonitor({ ...parts, intervalMs: 3_600_000 });
    const begun = watched();
    follower.start();
    await begun;
    double.guest(id).status = "stopped";
    double.announce(id);
    await expect.poll(() => statusOf(id)).toBe("stopped");
    await follower.close();
  });

  it("listens again to a host that was away", async () => {
    const follower = new HostMonitor({ ...parts, intervalMs: 50 });
    const begun = watched();
    follower.start();
    await begun;
    await double.hangUp();
    const again = watched();
    await double.listen();
    await again;
    await follower.close();
  });

  it("visits hosts by itself once it is started", async () => {
    const id = await place("running", undefined);
    monitor.start();
    await expect.poll(() => statusOf(id)).toBe("stopped");
    await monitor.close();
  });
});
